// Libraries, with what is known against their versions, and the file systems that programs write to.
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <compare>
#include <optional>
#include <string>

#include "tools/doctor/check.hpp"
#include "tools/doctor/words.hpp"

namespace tutti::tools::doctor {
namespace {

using Version = std::array<int, 3>;

/// The first number with a dot in the text and what follows: "Open MPI v4.1.4" is {4, 1, 4}.
std::optional<Version> version_in(const std::string& text) {
  const auto dot = text.find('.');
  if (dot == std::string::npos || dot == 0) return std::nullopt;
  const auto begin = text.find_last_not_of("0123456789", dot - 1) + 1;
  if (begin == dot) return std::nullopt;
  Version version{};
  const char* at = text.data() + begin;
  const char* const end = text.data() + text.size();
  for (int& part : version) {
    const auto [behind, status] = std::from_chars(at, end, part);
    if (status != std::errc()) break;
    at = behind;
    if (at == end || *at != '.') break;
    ++at;
  }
  return version;
}

/// What is known against versions of an MPI library.
struct Hazard {
  const char* library;  ///< how what it says of itself begins
  Version first;
  Version last;
  const char* unless;  ///< a variable that, with this value, avoids it; or nullptr
  const char* value;
  const char* found;
  const char* remedy;
};

constexpr Hazard kHazards[] = {
    {"Open MPI",
     {4, 1, 0},
     {4, 1, 4},
     "OMPI_MCA_io",
     "^ompio",
     "MPI_File_read_at_all can return wrong data (open-mpi/ompi#10546); tutti does not call it",
     "programs that read collectively: mpirun --mca io ^ompio, or Open MPI 4.1.5"},
};

constexpr int kStandardNeeded = 301;

}  // namespace

Finding check_mpi(const HostFacts& host) {
  const RankFacts& rank = host.ranks.front();
  if (rank.mpi_standard < kStandardNeeded) {
    return {Status::problem,
            fmt::format("{} is MPI {}.{}", rank.mpi_library, rank.mpi_standard / 100, rank.mpi_standard % 100),
            "tutti needs MPI 3.1 or later"};
  }
  const auto version = version_in(rank.mpi_library);
  for (const Hazard& hazard : kHazards) {
    if (!version || !rank.mpi_library.starts_with(hazard.library)) continue;
    if (*version < hazard.first || hazard.last < *version) continue;
    if (hazard.unless != nullptr && value_of(rank, hazard.unless) == hazard.value) continue;
    return {Status::warning, fmt::format("{}: {}", rank.mpi_library, hazard.found), hazard.remedy};
  }
  return {Status::ok, rank.mpi_library};
}

Finding check_mpi_threads(const HostFacts& host) {
  const std::string& level = host.ranks.front().thread_level;
  if (level == "MPI_THREAD_SINGLE") {
    return {Status::problem, level + ": MPI allows no thread beside, and the loader of data sets is one",
            "an MPI library built with thread support"};
  }
  return {Status::ok, level};
}

Finding check_root(const HostFacts& host) {
  const RankFacts& rank = host.ranks.front();
  if (rank.user != 0) return {Status::ok, "an ordinary user"};
  const bool allowed =
      !value_of(rank, "OMPI_ALLOW_RUN_AS_ROOT").empty() && !value_of(rank, "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM").empty();
  if (!is_open_mpi(rank) || allowed) return {Status::ok, "running as root, which Open MPI has been told to allow"};
  if (rank.launched) return {Status::ok, "root, and the launcher let it be"};
  return {Status::warning, "root, which Open MPI's mpirun refuses to start ranks for",
          "OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 in a container, or another user"};
}

Finding check_ucx(const HostFacts& host) {
  const RankFacts& rank = host.ranks.front();
  const bool any =
      value_of(rank, "OMPI_MCA_pml_ucx_tls") == "any" && value_of(rank, "OMPI_MCA_pml_ucx_devices") == "any";
  if (is_open_mpi(rank) && value_of(rank, "OMPI_MCA_pml") == "ucx" && !rank.rdma && !any) {
    return {Status::problem, "OMPI_MCA_pml=ucx, which Open MPI does without only over devices that are not here",
            "unset OMPI_MCA_pml; or OMPI_MCA_pml_ucx_tls=any OMPI_MCA_pml_ucx_devices=any"};
  }
  if (rank.ucx.empty()) return {Status::ok, "not built in"};
  return {Status::ok,
          fmt::format("UCX {}, {}", rank.ucx, rank.rdma ? "with an RDMA network" : "without an RDMA network")};
}

Finding check_hdf5(const HostFacts& host) {
  const RankFacts& rank = host.ranks.front();
  if (rank.hdf5.empty()) return {Status::ok, "not built in"};
  if (rank.hdf5 != rank.hdf5_built) {
    return {Status::problem,
            fmt::format("HDF5 {} is loaded, and tutti was built with {}: HDF5 ends programs for that", rank.hdf5,
                        rank.hdf5_built),
            "the library tutti was built with (LD_LIBRARY_PATH, modules), or build tutti anew"};
  }
  if (!rank.hdf5_thread_safe) {
    return {Status::warning, fmt::format("HDF5 {}, not built for threads", rank.hdf5),
            "programs that call HDF5 beside tutti's loader need the thread-safe build (Debian: libhdf5-dev)"};
  }
  return {Status::ok, fmt::format("HDF5 {}, thread-safe", rank.hdf5)};
}

Finding check_file_locking(const HostFacts& host) {
  const RankFacts& rank = host.ranks.front();
  const FolderFacts& here = rank.working_folder;
  const std::string said = fmt::format("the working folder is on {}", here.file_system);
  const std::string locking = value_of(rank, "HDF5_USE_FILE_LOCKING");
  if (!here.network || rank.hdf5.empty()) return {Status::ok, said};
  if (locking == "FALSE" || locking == "0" || locking == "BEST_EFFORT")
    return {Status::ok, said + ", and HDF5 does not insist on locks"};
  // From this version on tutti itself tells HDF5 to do without locks, which the variable overrules.
  constexpr Version kSettable = {1, 10, 7};
  if (locking.empty() && version_in(rank.hdf5).value_or(Version{}) >= kSettable) {
    return {Status::ok, said + ", and tutti opens HDF5 files without locks"};
  }
  return {Status::warning, said + ", where locks may fail, and HDF5 locks its files", "HDF5_USE_FILE_LOCKING=FALSE"};
}

Finding check_temporary_folder(const HostFacts& host) {
  const FolderFacts& folder = host.ranks.front().temporary_folder;
  constexpr std::uint64_t kLittle = std::uint64_t{64} << 20;
  const std::string said = fmt::format("{} is on {}", folder.path, folder.file_system);
  if (folder.network) {
    return {Status::warning, said + ", a network file system: launchers keep sockets and state there",
            "TMPDIR=/tmp, or another local folder"};
  }
  if (folder.free_bytes < kLittle) {
    return {Status::warning, fmt::format("{} with {} free", said, bytes_text(folder.free_bytes)),
            "make room, or TMPDIR=FOLDER"};
  }
  return {Status::ok, fmt::format("{} with {} free", said, bytes_text(folder.free_bytes))};
}

}  // namespace tutti::tools::doctor
