// `tutti doctor` judges facts: made-up ones, good and bad, and those that it reads from folders like the kernel's.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "tests/support/temporary_folder.hpp"
#include "tools/doctor/collect.hpp"
#include "tools/doctor/report.hpp"
#include "tools/doctor/words.hpp"

namespace tutti::tools::doctor {
namespace {

using tutti::test::TemporaryFolder;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;

/// A rank of two on a host with four hardware threads, with which all is well.
RankFacts well(int rank, int node, const char* host) {
  RankFacts facts;
  facts.rank = rank;
  facts.node = node;
  facts.host = host;
  facts.user = 1000;
  facts.process_namespace = "pid:[1]";
  facts.launched = true;
  facts.cpus_granted = 4;
  facts.cpus = {0, 1, 2, 3};
  facts.cores = {0, 1, 2, 3};
  facts.clock_source = "tsc";
  facts.memory_available = 8 * kGiB;
  facts.shm_file_system = "tmpfs";
  facts.shm_bytes = 4 * kGiB;
  facts.shm_free = 4 * kGiB;
  facts.shmem_huge_pages = "never";
  facts.descriptors = 1024;
  facts.locked_memory = 8 * kMiB;
  facts.tutti_version = "0.1.0";
  facts.mpi_library = "Open MPI v4.1.5";
  facts.mpi_standard = 301;
  facts.thread_level = "MPI_THREAD_FUNNELED";
  facts.ucx = "1.13.1";
  facts.hdf5 = facts.hdf5_built = "1.10.8";
  facts.working_folder = {.path = "/home", .file_system = "ext4", .network = false, .free_bytes = kGiB};
  facts.temporary_folder = {.path = "/tmp", .file_system = "tmpfs", .network = false, .free_bytes = kGiB};
  facts.single_copy = "";
  facts.mate_files = "";
  facts.shares_memory = true;
  return facts;
}

/// Two hosts with two ranks each.
JobFacts well() {
  JobFacts job;
  job.hosts = {{"a", {well(0, 0, "a"), well(1, 0, "a")}}, {"b", {well(2, 2, "b"), well(3, 2, "b")}}};
  return job;
}

template <class Change>
void on_all(JobFacts& job, Change change) {
  for (HostFacts& host : job.hosts) {
    for (RankFacts& rank : host.ranks) change(rank);
  }
}

/// Sets a variable on all ranks.
void set(JobFacts& job, const char* variable, const char* value) {
  on_all(job, [&](RankFacts& rank) { rank.environment[variable] = value; });
}

/// The first line of a check, which is its worst.
Line line_of(const JobFacts& job, const std::string& check) {
  for (const Line& line : examine(job)) {
    if (line.check == check) return line;
  }
  ADD_FAILURE() << "there is no check " << check;
  return {};
}

struct Case {
  const char* check;
  void (*change)(JobFacts& job);
  Status status;
  std::string found;
  std::string remedy = {};
};

void expect(const Case& given) {
  JobFacts job = well();
  given.change(job);
  const Line line = line_of(job, given.check);
  EXPECT_EQ(name(line.finding.status), name(given.status)) << given.check << ": " << line.finding.found;
  EXPECT_NE(line.finding.found.find(given.found), std::string::npos) << given.check << ": " << line.finding.found;
  EXPECT_NE(line.finding.remedy.find(given.remedy), std::string::npos) << given.check << ": " << line.finding.remedy;
  EXPECT_EQ(line.finding.remedy.empty(), given.status == Status::ok) << given.check << ": " << line.finding.remedy;
  EXPECT_EQ((line.finding.found + line.finding.remedy).find('\n'), std::string::npos) << line.finding.found;
}

TEST(Doctor, FindsNothingWhereAllIsWell) {
  const JobFacts job = well();
  std::set<std::string> names;
  for (const Line& line : examine(job)) {
    EXPECT_EQ(line.finding.status, Status::ok) << line.check << ": " << line.finding.found;
    EXPECT_EQ(line.finding.remedy, "") << line.check;
    EXPECT_NE(line.finding.found, "") << line.check;
    EXPECT_TRUE(names.insert(line.check).second) << line.check << " stands twice";
  }
  EXPECT_EQ(names.size(), host_checks().size() + job_checks().size());
}

constexpr auto kWarning = Status::warning;
constexpr auto kProblem = Status::problem;
constexpr auto kOk = Status::ok;

TEST(Doctor, JudgesProcessors) {
  const Case cases[] = {
      {"cores",
       [](JobFacts& job) {
         on_all(job, [](RankFacts& r) {
           r.cpus_granted = 1;
           r.cpus = r.cores = {0};
         });
       },
       kWarning, "2 ranks on 1 hardware thread: ", "at most 1 rank on"},
      {"cores", [](JobFacts& job) { on_all(job, [](RankFacts& r) { r.quota = 1.5; }); }, kWarning,
       "2 ranks share the time of 1.5 processors", "limit"},
      {"cores", [](JobFacts& job) { on_all(job, [](RankFacts& r) { r.quota = 2.0; }); }, kOk, "2 ranks on 4"},
      {"cores", [](JobFacts& job) { set(job, "OMP_NUM_THREADS", "4"); }, kWarning, "makes 8 threads",
       "OMP_NUM_THREADS=2"},
      {"cores", [](JobFacts& job) { set(job, "OMP_NUM_THREADS", "2"); }, kOk, "2 ranks on 4"},
      {"cores", [](JobFacts& job) { set(job, "OMP_NUM_THREADS", "many"); }, kOk, "2 ranks on 4"},
      {"cores",
       [](JobFacts& job) {
         on_all(job, [](RankFacts& r) {
           r.cpus_granted = 2;
           r.cpus = {0, 1};
           r.cores = {0};
         });
       },
       kWarning, "of 1 core, whose units they share", "at most 1 rank"},
      {"binding", [](JobFacts& job) { on_all(job, [](RankFacts& r) { r.cpus = r.cores = {2}; }); }, kProblem,
       "ranks 0 and 1 may run on hardware thread 2 only, of 4 here", "--bind-to"},
      {"binding", [](JobFacts& job) { on_all(job, [](RankFacts& r) { r.cpus = r.cores = {r.rank % 2}; }); }, kOk,
       "2 of 2 ranks bound"},
      {"binding", [](JobFacts& job) { on_all(job, [](RankFacts& r) {
                                        r.cpus = r.cores = {1, 2};
                                      }); }, kOk,
       "2 of 2 ranks bound"},
      {"binding",  // as many as there is room for: the binding is not to blame
       [](JobFacts& job) {
         on_all(job, [](RankFacts& r) {
           r.cpus_granted = 1;
           r.cpus = r.cores = {0};
         });
       },
       kOk, "no rank is bound"},
      {"governor",
       [](JobFacts& job) {
         on_all(job, [](RankFacts& r) {
           r.governor = "powersave";
           r.frequency_driver = "acpi-cpufreq";
         });
       },
       kWarning, "governor powersave of driver acpi-cpufreq", "cpupower"},
      {"governor",
       [](JobFacts& job) {
         on_all(job, [](RankFacts& r) {
           r.governor = "powersave";
           r.frequency_driver = "intel_pstate";
         });
       },
       kOk, "intel_pstate"},
      {"governor", [](JobFacts& job) { on_all(job, [](RankFacts& r) { r.governor = "ondemand"; }); }, kWarning,
       "ondemand", "performance"},
      {"governor", [](JobFacts& job) { on_all(job, [](RankFacts& r) { r.governor = "performance"; }); }, kOk,
       "performance"},
      {"clock", [](JobFacts& job) { on_all(job, [](RankFacts& r) { r.clock_source = "hpet"; }); }, kWarning,
       "clock source hpet", "clocksource=tsc"},
      {"clock", [](JobFacts& job) { on_all(job, [](RankFacts& r) { r.constant_tsc = false; }); }, kWarning,
       "no constant_tsc", "times"},
      {"clock", [](JobFacts& job) { on_all(job, [](RankFacts& r) { r.clock_source = "kvm-clock"; }); }, kOk,
       "kvm-clock"},
  };
  for (const Case& given : cases) expect(given);
}

TEST(Doctor, JudgesMemory) {
  const Case cases[] = {
      {"memory", [](JobFacts& job) { on_all(job, [](RankFacts& r) { r.memory_available = 500 * kMiB; }); }, kWarning,
       "500 MiB available for 2 ranks", "fewer ranks"},
      {"dev_shm",
       [](JobFacts& job) {
         on_all(job, [](RankFacts& r) {
           r.shm_free = 7 * kMiB;
           r.shm_bytes = 64 * kMiB;
         });
       },
       kProblem, "7 MiB free of 64 MiB, and 2 ranks make segments of 8 MiB", "--shm-size"},
      {"dev_shm", [](JobFacts& job) { on_all(job, [](RankFacts& r) { r.shm_free = 9 * kMiB; }); }, kWarning, "little",
       "--shm-size"},
      {"dev_shm", [](JobFacts& job) { job.hosts[1].ranks[1].shm_free = 7 * kMiB; }, kOk, "4 GiB free"},
      {"dev_shm", [](JobFacts& job) { on_all(job, [](RankFacts& r) { r.shm_file_system = "ext4"; }); }, kWarning,
       "ext4", "tmpfs"},
      {"dev_shm", [](JobFacts& job) { on_all(job, [](RankFacts& r) { r.shm_file_system = ""; }); }, kWarning,
       "no /dev/shm", "mount"},
      {"huge_pages", [](JobFacts& job) { on_all(job, [](RankFacts& r) { r.shmem_huge_pages = "force"; }); }, kWarning,
       "force", "advise"},
      {"huge_pages", [](JobFacts& job) { on_all(job, [](RankFacts& r) { r.shmem_huge_pages = "advise"; }); }, kOk,
       "advise"},
      {"huge_pages", [](JobFacts& job) { on_all(job, [](RankFacts& r) { r.shmem_huge_pages = ""; }); }, kOk, "no"},
  };
  for (const Case& given : cases) expect(given);
}

/// No rank uses another's memory.
void part(JobFacts& job) {
  on_all(job, [](RankFacts& rank) { rank.shares_memory = false; });
}

TEST(Doctor, SaysWhyMemoryIsNotShared) {
  const Case cases[] = {
      {"shared_memory",
       [](JobFacts& job) {
         part(job);
         set(job, "TUTTI_SHARED_MEMORY", "0");
       },
       kWarning, "TUTTI_SHARED_MEMORY=0", "unset"},
      {"shared_memory",
       [](JobFacts& job) {
         part(job);
         job.hosts[0].ranks[1].memfd_error = "No space left on device";
       },
       kWarning, "No space left on device", "memory"},
      {"shared_memory",
       [](JobFacts& job) {
         part(job);
         job.hosts[0].ranks[1].file_size = kMiB;
       },
       kWarning, "no more than 1 MiB", "ulimit -f"},
      {"shared_memory",
       [](JobFacts& job) {
         part(job);
         job.hosts[0].ranks[1].user = 7;
       },
       kWarning, "different users", "one user"},
      {"shared_memory",
       [](JobFacts& job) {
         part(job);
         job.hosts[0].ranks[1].process_namespace = "pid:[2]";
       },
       kWarning, "containers", "--pid=host"},
      {"shared_memory",
       [](JobFacts& job) {
         part(job);
         job.hosts[0].ranks[0].mate_files = "Permission denied";
       },
       kWarning, "cannot be opened: Permission denied", "traced"},
      {"shared_memory", [](JobFacts& job) { part(job); }, kWarning, "no way", "see the other lines"},
      {"shared_memory", [](JobFacts& job) { on_all(job, [](RankFacts& r) { r.shares_memory.reset(); }); }, kOk,
       "not tried"},
      {"shared_memory",
       [](JobFacts& job) {
         for (HostFacts& host : job.hosts) host.ranks.resize(1);
       },
       kOk, "one rank here"},
      {"shared_memory",
       [](JobFacts& job) {
         for (HostFacts& host : job.hosts) host.ranks.resize(1);
         job.hosts[1].ranks[0].memfd_error = "Function not implemented";
       },
       kWarning, "Function not implemented", "Linux"},
  };
  for (const Case& given : cases) expect(given);
}

TEST(Doctor, JudgesWhatOneRankMayDoToAnother) {
  const auto forbid = [](JobFacts& job) { job.hosts[0].ranks[1].single_copy = "Operation not permitted"; };
  const Case cases[] = {
      {"single_copy", forbid, kWarning, "(Operation not permitted), which Open MPI tries", "SYS_PTRACE"},
      {"single_copy",
       [](JobFacts& job) {
         on_all(job, [](RankFacts& r) { r.single_copy = "Operation not permitted"; });
         set(job, "OMPI_MCA_btl_vader_single_copy_mechanism", "none");
       },
       kOk, "is told not to"},
      {"single_copy",
       [](JobFacts& job) {
         on_all(job, [](RankFacts& r) {
           r.single_copy = "Operation not permitted";
           r.mpi_library = "MPICH Version: 4.0.2";
         });
       },
       kOk, "cannot copy"},
      {"single_copy",
       [](JobFacts& job) {
         for (HostFacts& host : job.hosts) host.ranks.resize(1);
         on_all(job, [](RankFacts& r) { r.ptrace_scope = 3; });
       },
       kWarning, "ptrace_scope is 3", "sysctl"},
      {"single_copy",
       [](JobFacts& job) {
         for (HostFacts& host : job.hosts) host.ranks.resize(1);
         on_all(job, [](RankFacts& r) { r.ptrace_scope = 1; });
       },
       kOk, "not tried"},
  };
  for (const Case& given : cases) expect(given);
}

TEST(Doctor, JudgesLimits) {
  const Case cases[] = {
      {"descriptors", [](JobFacts& job) { job.hosts[1].ranks[1].descriptors = 200; }, kProblem, "200 descriptors",
       "ulimit -n"},
      {"descriptors", [](JobFacts& job) { job.hosts[1].ranks[1].descriptors = 1000; }, kWarning, "1000 descriptors",
       "ulimit -n"},
      {"descriptors", [](JobFacts& job) { on_all(job, [](RankFacts& r) { r.descriptors.reset(); }); }, kOk, "wanted"},
      {"locked_memory", [](JobFacts& job) { on_all(job, [](RankFacts& r) { r.fabric = true; }); }, kProblem,
       "8 MiB may be locked, and the fabric", "memlock unlimited"},
      {"locked_memory",
       [](JobFacts& job) {
         on_all(job, [](RankFacts& r) {
           r.fabric = true;
           r.locked_memory = 4 * kGiB;
         });
       },
       kWarning, "4 GiB may be locked", "memlock unlimited"},
      {"locked_memory",
       [](JobFacts& job) {
         on_all(job, [](RankFacts& r) {
           r.fabric = true;
           r.locked_memory.reset();
         });
       },
       kOk, "no limit"},
      {"limits", [](JobFacts& job) { job.hosts[0].ranks[1].processor_seconds = 60; }, kWarning, "after 60 s",
       "ulimit -t"},
      {"limits", [](JobFacts& job) { job.hosts[0].ranks[1].file_size = 10 * kGiB; }, kWarning, "files end at 10 GiB",
       "ulimit -f"},
      {"limits", [](JobFacts& job) { job.hosts[0].ranks[1].address_space = kGiB; }, kWarning, "1 GiB of address space",
       "ulimit -v"},
  };
  for (const Case& given : cases) expect(given);
}

TEST(Doctor, JudgesLibraries) {
  const Case cases[] = {
      {"mpi", [](JobFacts& job) { on_all(job, [](RankFacts& r) { r.mpi_library = "Open MPI v4.1.4"; }); }, kWarning,
       "Open MPI v4.1.4: MPI_File_read_at_all", "--mca io ^ompio"},
      {"mpi", [](JobFacts& job) { on_all(job, [](RankFacts& r) { r.mpi_library = "Open MPI v4.1.0rc1"; }); }, kWarning,
       "MPI_File_read_at_all", "4.1.5"},
      {"mpi",
       [](JobFacts& job) {
         on_all(job, [](RankFacts& r) { r.mpi_library = "Open MPI v4.1.4"; });
         set(job, "OMPI_MCA_io", "^ompio");
       },
       kOk, "Open MPI v4.1.4"},
      {"mpi", [](JobFacts& job) { on_all(job, [](RankFacts& r) { r.mpi_library = "Open MPI v4.0.7"; }); }, kOk,
       "4.0.7"},
      {"mpi", [](JobFacts& job) { on_all(job, [](RankFacts& r) { r.mpi_library = "Open MPI v5.0.1"; }); }, kOk,
       "5.0.1"},
      {"mpi", [](JobFacts& job) { on_all(job, [](RankFacts& r) { r.mpi_library = "MPICH Version: 4.1.4"; }); }, kOk,
       "MPICH"},
      {"mpi", [](JobFacts& job) { on_all(job, [](RankFacts& r) { r.mpi_library = "Somebody's MPI"; }); }, kOk,
       "Somebody's"},
      {"mpi", [](JobFacts& job) { on_all(job, [](RankFacts& r) { r.mpi_standard = 300; }); }, kProblem, "is MPI 3.0",
       "MPI 3.1"},
      {"mpi_threads", [](JobFacts& job) { on_all(job, [](RankFacts& r) { r.thread_level = "MPI_THREAD_SINGLE"; }); },
       kProblem, "MPI_THREAD_SINGLE", "thread support"},
      {"root",
       [](JobFacts& job) {
         on_all(job, [](RankFacts& r) {
           r.user = 0;
           r.launched = false;
         });
       },
       kWarning, "refuses", "OMPI_ALLOW_RUN_AS_ROOT=1"},
      {"root", [](JobFacts& job) { on_all(job, [](RankFacts& r) { r.user = 0; }); }, kOk, "launcher"},
      {"root",
       [](JobFacts& job) {
         on_all(job, [](RankFacts& r) {
           r.user = 0;
           r.launched = false;
         });
         set(job, "OMPI_ALLOW_RUN_AS_ROOT", "1");
         set(job, "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
       },
       kOk, "root"},
      {"root",
       [](JobFacts& job) {
         on_all(job, [](RankFacts& r) {
           r.user = 0;
           r.launched = false;
           r.mpi_library = "MPICH Version: 4.0.2";
         });
       },
       kOk, "root"},
      {"ucx", [](JobFacts& job) { set(job, "OMPI_MCA_pml", "ucx"); }, kProblem, "OMPI_MCA_pml=ucx",
       "OMPI_MCA_pml_ucx_tls=any"},
      {"ucx",
       [](JobFacts& job) {
         set(job, "OMPI_MCA_pml", "ucx");
         set(job, "OMPI_MCA_pml_ucx_tls", "any");
         set(job, "OMPI_MCA_pml_ucx_devices", "any");
       },
       kOk, "UCX 1.13.1, without a fabric"},
      {"ucx",
       [](JobFacts& job) {
         set(job, "OMPI_MCA_pml", "ucx");
         on_all(job, [](RankFacts& r) { r.fabric = true; });
       },
       kOk, "UCX 1.13.1, with a fabric"},
      {"ucx", [](JobFacts& job) { on_all(job, [](RankFacts& r) { r.ucx = ""; }); }, kOk, "not built in"},
      {"hdf5", [](JobFacts& job) { on_all(job, [](RankFacts& r) { r.hdf5 = "1.12.2"; }); }, kProblem,
       "HDF5 1.12.2 is loaded, and tutti was built with 1.10.8", "LD_LIBRARY_PATH"},
      {"hdf5", [](JobFacts& job) { on_all(job, [](RankFacts& r) { r.hdf5_thread_safe = false; }); }, kWarning,
       "not built for threads", "libhdf5-dev"},
      {"hdf5", [](JobFacts& job) { on_all(job, [](RankFacts& r) { r.hdf5 = ""; }); }, kOk, "not built in"},
  };
  for (const Case& given : cases) expect(given);
}

void work_on_nfs(JobFacts& job) {
  on_all(job, [](RankFacts& r) {
    r.working_folder.file_system = "nfs";
    r.working_folder.network = true;
  });
}

TEST(Doctor, JudgesFolders) {
  const Case cases[] = {
      {"file_locking", work_on_nfs, kOk, "nfs, and tutti opens HDF5 files without locks"},
      {"file_locking",
       [](JobFacts& job) {
         work_on_nfs(job);
         set(job, "HDF5_USE_FILE_LOCKING", "TRUE");
       },
       kWarning, "nfs, where locks may fail", "HDF5_USE_FILE_LOCKING=FALSE"},
      {"file_locking",
       [](JobFacts& job) {
         work_on_nfs(job);
         set(job, "HDF5_USE_FILE_LOCKING", "FALSE");
       },
       kOk, "nfs"},
      {"file_locking",
       [](JobFacts& job) {
         work_on_nfs(job);
         on_all(job, [](RankFacts& r) { r.hdf5 = r.hdf5_built = "1.10.4"; });
       },
       kWarning, "locks its files", "HDF5_USE_FILE_LOCKING=FALSE"},
      {"temporary",
       [](JobFacts& job) {
         on_all(job, [](RankFacts& r) {
           r.temporary_folder.file_system = "lustre";
           r.temporary_folder.network = true;
         });
       },
       kWarning, "/tmp is on lustre", "TMPDIR"},
      {"temporary", [](JobFacts& job) { on_all(job, [](RankFacts& r) { r.temporary_folder.free_bytes = kMiB; }); },
       kWarning, "1 MiB free", "room"},
  };
  for (const Case& given : cases) expect(given);
}

TEST(Doctor, JudgesVariables) {
  const Case cases[] = {
      {"variables",
       [](JobFacts& job) {
         set(job, "TUTTI_TUNING", "x");
         set(job, "TUTTI_TRAIN_EPOCHS", "3");
       },
       kOk, "2 variables of tutti"},
      {"variables", [](JobFacts& job) { job.hosts[1].ranks[0].environment["TUTTI_TUNNING"] = "x"; }, kWarning,
       "TUTTI_TUNNING: nothing reads it", "did you mean TUTTI_TUNING?"},
      {"variables", [](JobFacts& job) { set(job, "TUTI_NETWORK", "x"); }, kWarning, "TUTI_NETWORK",
       "did you mean TUTTI_NETWORK?"},
      {"variables", [](JobFacts& job) { set(job, "TUTTI_TRIAN_EPOCHS", "3"); }, kWarning, "TUTTI_TRIAN_EPOCHS",
       "did you mean TUTTI_TRAIN_EPOCHS?"},
      {"variables", [](JobFacts& job) { set(job, "TUTTI_XYLOPHONE", "3"); }, kWarning, "TUTTI_XYLOPHONE", "unset"},
      {"variables", [](JobFacts& job) { set(job, "TULIP", "3"); }, kOk, "0 variables"},
      {"variables", [](JobFacts& job) { set(job, "OMPI_MCA_btl", "self,vader,tcp"); }, kOk, "0 variables"},
      {"contradictions",
       [](JobFacts& job) {
         job.tuning_file = "t.json";
         job.tuning_refused = "t.json:3: \"version\" is 7, not 1";
       },
       kWarning, "t.json:3", "tutti tune"},
      {"contradictions", [](JobFacts& job) { set(job, "TUTTI_NETWORK", "torus:5"); }, kWarning,
       "TUTTI_NETWORK=torus:5 has no effect on 2 nodes", "unset"},
      {"contradictions",
       [](JobFacts& job) {
         set(job, "TUTTI_NETWORK", "torus:2");
         job.network_description = true;
       },
       kOk, "no"},
      {"contradictions",
       [](JobFacts& job) {
         set(job, "TUTTI_TRANSPORT", "ucx");
         job.hosts.resize(1);
       },
       kWarning, "no effect inside one node", "unset"},
      {"contradictions", [](JobFacts& job) { set(job, "TUTTI_TRANSPORT", "ucx"); }, kOk, "no"},
      {"contradictions", [](JobFacts& job) { set(job, "OMPI_MCA_btl", "self,tcp"); }, kWarning, "OMPI_MCA_btl=self,tcp",
       "vader"},
      {"contradictions", [](JobFacts& job) { set(job, "OMPI_MCA_btl", "^vader"); }, kWarning, "^vader", "vader"},
      {"contradictions", [](JobFacts& job) { set(job, "OMPI_MCA_btl", "^openib"); }, kOk, "no"},
      {"contradictions", [](JobFacts& job) { set(job, "OMPI_MCA_btl", "self,vader,tcp"); }, kOk, "no"},
  };
  for (const Case& given : cases) expect(given);
}

TEST(Doctor, JudgesTheJob) {
  const Case cases[] = {
      {"agreement", [](JobFacts& job) { job.hosts[1].ranks[0].mpi_library = "Open MPI v4.1.6"; }, kProblem,
       "the MPI library differs: 'Open MPI v4.1.5' on ranks 0, 1 and 3, 'Open MPI v4.1.6' on rank 2", "installation"},
      {"agreement", [](JobFacts& job) { job.hosts[0].ranks[1].tutti_version = "0.2.0"; }, kProblem,
       "tutti's version differs", "installation"},
      {"agreement",
       [](JobFacts& job) {
         for (RankFacts& rank : job.hosts[0].ranks) rank.environment["TUTTI_RADIX"] = "4";
       },
       kWarning, "TUTTI_RADIX differs: none on ranks 2 and 3, '4' on ranks 0 and 1", "mpirun -x TUTTI_RADIX"},
      {"agreement", [](JobFacts& job) { set(job, "TUTTI_RADIX", "4"); }, kOk, "4 ranks"},
      {"network", [](JobFacts& job) { job.hosts[0].ranks[0].fabric = true; }, kWarning,
       "1 of 2 hosts have a fabric, and b has none", "ibstat"},
      {"network", [](JobFacts& job) { on_all(job, [](RankFacts& r) { r.fabric = true; }); }, kOk, "every host"},
      {"network", [](JobFacts& job) { job.hosts.resize(1); }, kOk, "one host, without"},
      {"communicator", [](JobFacts& job) { job.communicator_error = "TUTTI_SHARED_MEMORY: 'x' is not 0 or 1"; },
       kProblem, "'x' is not 0 or 1", "what it says"},
  };
  for (const Case& given : cases) expect(given);
}

TEST(Doctor, MergesHostsThatAreAlikeAndNamesTheOthers) {
  JobFacts job = well();
  const auto one = line_of(job, "descriptors");
  EXPECT_EQ(one.hosts, (std::vector<std::string>{"a", "b"}));
  EXPECT_NE(to_text({one}, 2).find("ok       descriptors    1024 descriptors\n"), std::string::npos)
      << to_text({one}, 2);

  job.hosts[1].ranks[0].descriptors = 100;
  std::vector<Line> lines;
  for (const Line& line : examine(job)) {
    if (line.check == std::string("descriptors")) lines.push_back(line);
  }
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0].finding.status, Status::problem);
  EXPECT_EQ(lines[0].hosts, std::vector<std::string>{"b"});
  EXPECT_EQ(lines[1].hosts, std::vector<std::string>{"a"});
  const std::string text = to_text(lines, 2);
  EXPECT_NE(text.find("problem  descriptors    b: 100 descriptors"), std::string::npos) << text;
  EXPECT_NE(text.find("; remedy: ulimit -n 4096\n"), std::string::npos) << text;
  EXPECT_NE(text.find("\n1 problem, 0 warnings\n"), std::string::npos) << text;
}

TEST(Doctor, FactsSurviveTheWayToRankZero) {
  RankFacts facts = well(3, 2, "b");
  facts.environment = {{"TUTTI_TUNING", "a \"b\"\n"}};
  facts.quota = 1.5;
  facts.descriptors.reset();
  facts.single_copy.reset();
  facts.container = true;
  facts.working_folder.network = true;
  const auto json = to_json(facts);
  EXPECT_EQ(to_json(rank_facts_of(nlohmann::json::parse(json.dump()))), json);
  EXPECT_EQ(json.at("quota"), 1.5);
  EXPECT_TRUE(json.at("descriptors").is_null());
  EXPECT_EQ(json.at("working_folder").at("network"), true);
  // Whatever a field holds, another value shows: none is left out or stands for another.
  const auto defaults = to_json(RankFacts{});
  EXPECT_EQ(defaults.size(), json.size());
}

TEST(Words, ListRanksAndBytes) {
  EXPECT_EQ(listed("rank", {3}), "rank 3");
  EXPECT_EQ(listed("rank", {0, 1}), "ranks 0 and 1");
  EXPECT_EQ(listed("rank", {0, 1, 2, 9}), "ranks 0, 1, 2 and 9");
  EXPECT_EQ(listed("rank", {0, 1, 2, 9, 10}), "ranks 0, 1, 2 and 2 more");
  EXPECT_EQ(bytes_text(0), "0 bytes");
  EXPECT_EQ(bytes_text(65536), "64 KiB");
  EXPECT_EQ(bytes_text(kGiB + kGiB / 2), "1.5 GiB");
}

/// A folder as the kernel's, with these files.
void write_file(const std::filesystem::path& file, const std::string& content) {
  std::filesystem::create_directories(file.parent_path());
  std::ofstream(file) << content;
}

TEST(Collect, ReadsTheKernelsFiles) {
  const TemporaryFolder folder;
  const auto& root = folder.path();
  const int cpu = read_system().cpus.front();
  const std::string own = "sys/devices/system/cpu/cpu" + std::to_string(cpu);
  write_file(root / own / "cpufreq/scaling_governor", "powersave\n");
  write_file(root / own / "cpufreq/scaling_driver", "acpi-cpufreq\n");
  write_file(root / "sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet\n");
  write_file(root / "proc/cpuinfo", "processor : 0\nflags : fpu constant_tsc_not sse\n");
  write_file(root / "sys/kernel/mm/transparent_hugepage/shmem_enabled",
             "always within_size [advise] never deny force\n");
  write_file(root / "proc/sys/kernel/yama/ptrace_scope", "2\n");
  write_file(root / ".dockerenv", "");
  write_file(root / "sys/devices/system/cpu/online", "0-7,12\n");
  const RankFacts facts = read_system(root);
  EXPECT_EQ(facts.governor, "powersave");
  EXPECT_EQ(facts.frequency_driver, "acpi-cpufreq");
  EXPECT_EQ(facts.clock_source, "hpet");
  EXPECT_FALSE(facts.constant_tsc);
  EXPECT_EQ(facts.shmem_huge_pages, "advise");
  EXPECT_EQ(facts.ptrace_scope, 2);
  EXPECT_TRUE(facts.container);
  EXPECT_EQ(facts.cpus_granted, 9);
  EXPECT_FALSE(facts.quota.has_value());
  EXPECT_EQ(facts.shm_file_system, "");
}

TEST(Collect, ReadsControlGroupsOfBothVersions) {
  const TemporaryFolder folder;
  const auto second = folder.path() / "second";
  write_file(second / "proc/self/cgroup", "0::/job/step\n");
  write_file(second / "sys/fs/cgroup/job/cpu.max", "150000 100000\n");
  write_file(second / "sys/fs/cgroup/job/step/cpu.max", "max 100000\n");
  write_file(second / "sys/fs/cgroup/job/step/cpuset.cpus.effective", "2-3,6\n");
  write_file(second / "sys/fs/cgroup/cpuset.cpus.effective", "0-63\n");
  EXPECT_EQ(read_system(second).quota, 1.5);
  EXPECT_EQ(read_system(second).cpus_granted, 3);

  const auto first = folder.path() / "first";
  write_file(first / "proc/self/cgroup", "7:cpuset:/\n3:cpuacct,cpu:/job\n0::/\n");
  write_file(first / "sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", "50000\n");
  write_file(first / "sys/fs/cgroup/cpu/job/cpu.cfs_period_us", "100000\n");
  write_file(first / "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
  write_file(first / "sys/fs/cgroup/cpuset/cpuset.effective_cpus", "5\n");
  EXPECT_EQ(read_system(first).quota, 0.5);
  EXPECT_EQ(read_system(first).cpus_granted, 1);
}

constexpr const char* kCapitals = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// Adds the strings in the source that are nothing but TUTTI_NAME. (Not by <regex>: with sanitizers g++ 12 warns of
/// it.)
void add_variables(const std::string& source, std::set<std::string>& names) {
  const std::string opening = "\"TUTTI_";
  for (auto at = source.find(opening); at != std::string::npos; at = source.find(opening, at + 1)) {
    const auto end = source.find_first_not_of(std::string(kCapitals) + '_', at + opening.size());
    if (end == std::string::npos || source[end] != '"' || source[end - 1] == '_') continue;
    names.insert(source.substr(at + 1, end - at - 1));
  }
}

/// Every name that begins with TUTTI_ in a string of the sources that are installed or run.
std::set<std::string> variables_in_sources() {
  const std::filesystem::path source = TUTTI_SOURCE_DIR;
  std::set<std::string> names;
  for (const char* folder : {"kernels", "collectives", "allreduce", "compression", "io", "tools", "trainer"}) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(source / folder)) {
      if (entry.path().extension() != ".cpp" && entry.path().extension() != ".hpp") continue;
      if (entry.path().parent_path().filename() == "doctor") continue;  // which knows them, and reads none
      std::ifstream in(entry.path());
      add_variables({std::istreambuf_iterator<char>(in), {}}, names);
    }
  }
  return names;
}

TEST(Variables, AreThoseThatTheSourcesRead) {
  std::set<std::string> known(known_variables().begin(), known_variables().end());
  std::set<std::string> read = variables_in_sources();
  std::erase_if(read, [](const std::string& name) { return name.starts_with("TUTTI_TRAIN_"); });  // of the trainer
  EXPECT_EQ(read, known);
}

TEST(Variables, OfTheTrainerAreNamedByItsSections) {
  std::ifstream in(std::filesystem::path(TUTTI_SOURCE_DIR) / "trainer/README.md");
  std::string text{std::istreambuf_iterator<char>(in), {}};
  const auto begin = text.find("\n## Configuration\n");
  ASSERT_NE(begin, std::string::npos);
  text = text.substr(begin, text.find("\n## ", begin + 1) - begin);
  std::set<std::string> sections;
  const std::string row = "\n| `";  // and then section.key
  for (auto at = text.find(row); at != std::string::npos; at = text.find(row, at + 1)) {
    std::string section = text.substr(at + row.size(), text.find('.', at) - at - row.size());
    std::transform(section.begin(), section.end(), section.begin(),
                   [](char c) { return static_cast<char>(c - 'a' + 'A'); });
    sections.insert(section);
  }
  EXPECT_EQ(sections, std::set<std::string>(trainer_sections().begin(), trainer_sections().end()));
}

}  // namespace
}  // namespace tutti::tools::doctor
