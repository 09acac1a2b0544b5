// The checks of `tutti doctor`: rows with a name and a function that judges facts. A further one is a function and a
// row.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tools/doctor/facts.hpp"

namespace tutti::tools::doctor {

enum class Status : std::uint8_t {
  ok,
  warning,  ///< slow, or wrong for some programs
  problem,  ///< does not work, or gives wrong results
};

/// "ok", "warning", "problem".
std::string_view name(Status status) noexcept;

struct Finding {
  Status status = Status::ok;
  std::string found;
  std::string remedy = {};  ///< what to do about it; empty if it is ok
};

/// Of each host by itself.
struct HostCheck {
  const char* name;
  Finding (*judge)(const HostFacts& host);
};

/// Of what ranks of all hosts have in common.
struct JobCheck {
  const char* name;
  Finding (*judge)(const JobFacts& job);
};

std::span<const HostCheck> host_checks() noexcept;
std::span<const JobCheck> job_checks() noexcept;

// ---- Processor (processor_checks.cpp)

Finding check_cores(const HostFacts& host);
Finding check_binding(const HostFacts& host);
Finding check_governor(const HostFacts& host);
Finding check_clock(const HostFacts& host);

// ---- Memory and limits (memory_checks.cpp)

Finding check_memory(const HostFacts& host);
Finding check_dev_shm(const HostFacts& host);
Finding check_huge_pages(const HostFacts& host);
Finding check_shared_memory(const HostFacts& host);
Finding check_cross_memory(const HostFacts& host);
Finding check_descriptors(const HostFacts& host);
Finding check_locked_memory(const HostFacts& host);
Finding check_other_limits(const HostFacts& host);

// ---- Libraries and files (library_checks.cpp)

Finding check_mpi(const HostFacts& host);
Finding check_mpi_threads(const HostFacts& host);
Finding check_root(const HostFacts& host);
Finding check_ucx(const HostFacts& host);
Finding check_hdf5(const HostFacts& host);
Finding check_file_locking(const HostFacts& host);
Finding check_temporary_folder(const HostFacts& host);

// ---- The job (job_checks.cpp)

Finding check_variables(const JobFacts& job);
Finding check_contradictions(const JobFacts& job);
Finding check_agreement(const JobFacts& job);
Finding check_network(const JobFacts& job);
Finding check_communicator(const JobFacts& job);

/// The environment variables that tutti reads, but for those of the trainer, TUTTI_SECTION_KEY.
std::span<const std::string_view> known_variables() noexcept;

/// The sections of the trainer's configuration, whose variables the trainer itself checks.
std::span<const std::string_view> trainer_sections() noexcept;

}  // namespace tutti::tools::doctor
