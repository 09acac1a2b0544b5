// Collecting the facts of one rank; see collect.hpp.
#include "tools/doctor/collect.hpp"

#include <fcntl.h>
#include <mpi.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string_view>

#include <tutti/allreduce/version.hpp>
#include <tutti/collectives/inspect/costs.hpp>
#include <tutti/collectives/inspect/machine.hpp>
#include <tutti/kernels/control_groups.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/system_files.hpp>
#include <tutti/kernels/text.hpp>
#if TUTTI_HAVE_IO
#include <tutti/io/hdf5_facts.hpp>
#endif

#include "tools/perf/machine.hpp"

namespace tutti::tools::doctor {
namespace {

struct FileSystem {
  const char* name;
  std::uint32_t magic;
  bool network;
};

/// From the kernel's linux/magic.h and the documentation of the file systems.
constexpr FileSystem kFileSystems[] = {
    {"tmpfs", 0x01021994, false}, {"overlayfs", 0x794C7630, false}, {"ext4", 0xEF53, false},
    {"xfs", 0x58465342, false},   {"btrfs", 0x9123683E, false},     {"zfs", 0x2FC12FC1, false},
    {"nfs", 0x6969, true},        {"cifs", 0xFF534D42, true},       {"smb2", 0xFE534D42, true},
    {"lustre", 0x0BD00BD0, true}, {"gpfs", 0x47504653, true},       {"beegfs", 0x19830326, true},
    {"ceph", 0x00C36400, true},   {"afs", 0x5346414F, true},        {"panfs", 0xAAD7AAEA, true},
    {"gfs2", 0x01161970, true},   {"ocfs2", 0x7461636F, true},      {"fuse", 0x65735546, true},
};

FolderFacts look_at(const std::string& path) {
  FolderFacts folder{.path = path, .file_system = "nothing that can be read"};
  struct statfs status {};
  if (statfs(path.c_str(), &status) != 0) return folder;
  const auto magic = static_cast<std::uint32_t>(status.f_type);
  const auto* const known = std::find_if(std::begin(kFileSystems), std::end(kFileSystems),
                                         [&](const FileSystem& system) { return system.magic == magic; });
  const bool is_known = known != std::end(kFileSystems);
  folder.file_system = is_known ? known->name : text("file system ", magic);
  folder.network = is_known && known->network;
  folder.free_bytes = status.f_bavail * static_cast<std::uint64_t>(status.f_bsize);
  return folder;
}

/// How many numbers a list like "0-3,8" has.
int count_in_list(std::string_view list) {
  int count = 0;
  while (!list.empty()) {
    const std::string_view part = list.substr(0, list.find(','));
    list.remove_prefix(std::min(list.size(), part.size() + 1));
    const auto dash = part.find('-');
    const auto first = leading_number<int>(part.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : leading_number<int>(part.substr(dash + 1));
    if (first && last && *last >= *first) count += *last - *first + 1;
  }
  return count;
}

/// The word that stands in brackets, as the kernel shows which of several values it has.
std::string bracketed(const std::string& line) {
  const auto open = line.find('[');
  const auto close = line.find(']', open);
  if (open == std::string::npos || close == std::string::npos) return {};
  return line.substr(open + 1, close - open - 1);
}

int granted_cpus(const std::filesystem::path& root) {
  for (const auto& folder : control_groups(root, "cpuset")) {
    for (const char* file : {"cpuset.cpus.effective", "cpuset.effective_cpus"}) {
      if (const int count = count_in_list(first_line(folder / file)); count > 0) return count;
    }
  }
  if (const int count = count_in_list(first_line(root / "sys/devices/system/cpu/online")); count > 0) return count;
  return static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
}

std::vector<int> allowed_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cpus;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  }
  return cpus;
}

/// Each core once, by the lowest of its hardware threads.
std::vector<int> cores_of(const std::vector<int>& cpus, const std::filesystem::path& root) {
  std::vector<int> cores;
  for (const int cpu : cpus) {
    const auto file = root / text("sys/devices/system/cpu/cpu", cpu, "/topology/thread_siblings_list");
    cores.push_back(leading_number<int>(first_line(file)).value_or(cpu));
  }
  std::sort(cores.begin(), cores.end());
  cores.erase(std::unique(cores.begin(), cores.end()), cores.end());
  return cores;
}

bool has_constant_tsc(const std::filesystem::path& root) {
  std::ifstream in(root / "proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("flags", 0) == 0) return (line + " ").find(" constant_tsc ") != std::string::npos;
  }
  return true;  // other processors have a counter of constant pace
}

std::string read_link(const std::filesystem::path& link) {
  std::error_code error;
  const auto target = std::filesystem::read_symlink(link, error);
  return error ? "" : target.string();
}

/// Why no memory without a name can be had; empty if it can.
std::string try_memfd() {
  constexpr off_t kBytes = off_t{4} << 20;
  const int fd = memfd_create("tutti-doctor", MFD_CLOEXEC);
  if (fd < 0) return std::strerror(errno);
  const bool reserved = fallocate(fd, 0, 0, kBytes) == 0;
  const int why = errno;
  close(fd);
  return reserved ? "" : std::strerror(why);
}

std::optional<std::uint64_t> limit_of(decltype(RLIMIT_NOFILE) what) {
  rlimit limit{};
  if (getrlimit(what, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return std::nullopt;
  return limit.rlim_cur;
}

/// Variables that checks ask for, and any that begins like tutti's.
std::map<std::string, std::string> telling_variables() {
  constexpr std::string_view kOthers[] = {"OMPI_ALLOW_RUN_AS_ROOT",
                                          "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM",
                                          "OMPI_MCA_btl",
                                          "OMPI_MCA_io",
                                          "OMPI_MCA_btl_vader_single_copy_mechanism",
                                          "OMPI_MCA_pml",
                                          "OMPI_MCA_pml_ucx_devices",
                                          "OMPI_MCA_pml_ucx_tls",
                                          "HDF5_USE_FILE_LOCKING",
                                          "OMP_NUM_THREADS"};
  std::map<std::string, std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view both = *entry;
    const auto equals = both.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view name = both.substr(0, equals);
    if (name.starts_with("TU") || std::find(std::begin(kOthers), std::end(kOthers), name) != std::end(kOthers))
      variables.emplace(name, both.substr(equals + 1));
  }
  return variables;
}

std::string temporary_folder() {
  const char* const named = std::getenv("TMPDIR");
  return named != nullptr && *named != '\0' ? named : "/tmp";
}

}  // namespace

RankFacts read_system(const std::filesystem::path& root) {
  RankFacts facts;
  facts.cpus_granted = granted_cpus(root);
  facts.cpus = allowed_cpus();
  facts.cores = cores_of(facts.cpus, root);
  facts.quota = processor_quota(root);
  const auto frequency =
      root / text("sys/devices/system/cpu/cpu", facts.cpus.empty() ? 0 : facts.cpus.front(), "/cpufreq");
  facts.governor = first_line(frequency / "scaling_governor");
  facts.frequency_driver = first_line(frequency / "scaling_driver");
  facts.clock_source = first_line(root / "sys/devices/system/clocksource/clocksource0/current_clocksource");
  facts.constant_tsc = has_constant_tsc(root);
  facts.shmem_huge_pages = bracketed(first_line(root / "sys/kernel/mm/transparent_hugepage/shmem_enabled"));
  if (const auto scope = leading_number<int>(first_line(root / "proc/sys/kernel/yama/ptrace_scope"))) {
    facts.ptrace_scope = *scope;
  }
  facts.process_namespace = read_link(root / "proc/self/ns/pid");
  facts.container = std::filesystem::exists(root / ".dockerenv") || std::filesystem::exists(root / "run/.containerenv");
  struct statfs shm {};
  const auto shm_folder = root / "dev/shm";
  if (statfs(shm_folder.c_str(), &shm) == 0) {
    facts.shm_file_system = look_at(shm_folder.string()).file_system;
    facts.shm_bytes = shm.f_blocks * static_cast<std::uint64_t>(shm.f_bsize);
    facts.shm_free = shm.f_bavail * static_cast<std::uint64_t>(shm.f_bsize);
  }
  return facts;
}

RankFacts collect() {
  RankFacts facts = read_system();
  facts.user = geteuid();
  facts.memory_available = memory_available();
  facts.memfd_error = try_memfd();
  facts.descriptors = limit_of(RLIMIT_NOFILE);
  facts.locked_memory = limit_of(RLIMIT_MEMLOCK);
  facts.file_size = limit_of(RLIMIT_FSIZE);
  facts.address_space = limit_of(RLIMIT_AS);
  facts.processor_seconds = limit_of(RLIMIT_CPU);
  facts.tutti_version = version();
  facts.rdma = find_network_class() == NetworkClass::rdma;
  facts.ucx = detail::ucx_version();
#if TUTTI_HAVE_IO
  const io::Hdf5Facts hdf5 = io::hdf5_facts();
  facts.hdf5 = hdf5.version;
  facts.hdf5_built = hdf5.built_with;
  facts.hdf5_thread_safe = hdf5.thread_safe;
#endif
  std::error_code error;
  facts.working_folder = look_at(std::filesystem::current_path(error).string());
  facts.temporary_folder = look_at(temporary_folder());
  facts.environment = telling_variables();
  for (const char* variable : {"OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK", "SLURM_PROCID"}) {
    facts.launched = facts.launched || std::getenv(variable) != nullptr;
  }
  return facts;
}

void add_mpi(RankFacts& facts) {
  facts.host = node_name();
  facts.mpi_library = mpi_library();
  int version = 0;
  int subversion = 0;
  MPI_Get_version(&version, &subversion);
  facts.mpi_standard = 100 * version + subversion;
  facts.thread_level = thread_level();
}

}  // namespace tutti::tools::doctor
