// The tables of checks, in the order in which they are printed.
#include "tools/doctor/check.hpp"

namespace tutti::tools::doctor {
namespace {

constexpr HostCheck kHostChecks[] = {
    {"cores", check_cores},
    {"binding", check_binding},
    {"governor", check_governor},
    {"clock", check_clock},
    {"memory", check_memory},
    {"dev_shm", check_dev_shm},
    {"huge_pages", check_huge_pages},
    {"shared_memory", check_shared_memory},
    {"cma", check_cross_memory},
    {"descriptors", check_descriptors},
    {"locked_memory", check_locked_memory},
    {"limits", check_other_limits},
    {"mpi", check_mpi},
    {"mpi_threads", check_mpi_threads},
    {"root", check_root},
    {"ucx", check_ucx},
    {"hdf5", check_hdf5},
    {"file_locking", check_file_locking},
    {"temporary", check_temporary_folder},
};

constexpr JobCheck kJobChecks[] = {
    {"variables", check_variables}, {"contradictions", check_contradictions}, {"agreement", check_agreement},
    {"network", check_network},     {"communicator", check_communicator},
};

}  // namespace

std::string_view name(Status status) noexcept {
  switch (status) {
    case Status::ok:
      return "ok";
    case Status::warning:
      return "warning";
    default:
      return "problem";
  }
}

std::span<const HostCheck> host_checks() noexcept { return kHostChecks; }
std::span<const JobCheck> job_checks() noexcept { return kJobChecks; }

}  // namespace tutti::tools::doctor
