// `tutti doctor` judges made-up facts of hosts: processors, memory, limits, and what a rank may do to another.
#include "tests/tools/doctor_cases.hpp"

namespace tutti::tools::doctor {
namespace {

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
         job.hosts[0].ranks[0].peer_files = "Permission denied";
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
  const auto forbid = [](JobFacts& job) { job.hosts[0].ranks[1].cma_error = "Operation not permitted"; };
  const Case cases[] = {
      {"cma", forbid, kWarning, "(Operation not permitted), which Open MPI tries", "SYS_PTRACE"},
      {"cma",
       [](JobFacts& job) {
         on_all(job, [](RankFacts& r) { r.cma_error = "Operation not permitted"; });
         set(job, "OMPI_MCA_btl_vader_single_copy_mechanism", "none");
       },
       kOk, "is told not to"},
      {"cma",
       [](JobFacts& job) {
         on_all(job, [](RankFacts& r) {
           r.cma_error = "Operation not permitted";
           r.mpi_library = "MPICH Version: 4.0.2";
         });
       },
       kOk, "cannot copy"},
      {"cma",
       [](JobFacts& job) {
         for (HostFacts& host : job.hosts) host.ranks.resize(1);
         on_all(job, [](RankFacts& r) { r.ptrace_scope = 3; });
       },
       kWarning, "ptrace_scope is 3", "sysctl"},
      {"cma",
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
      {"locked_memory", [](JobFacts& job) { on_all(job, [](RankFacts& r) { r.rdma = true; }); }, kProblem,
       "locked memory limit 8 MiB, and the RDMA network", "memlock unlimited"},
      {"locked_memory",
       [](JobFacts& job) {
         on_all(job, [](RankFacts& r) {
           r.rdma = true;
           r.locked_memory = 4 * kGiB;
         });
       },
       kWarning, "locked memory limit 4 GiB", "memlock unlimited"},
      {"locked_memory",
       [](JobFacts& job) {
         on_all(job, [](RankFacts& r) {
           r.rdma = true;
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

}  // namespace
}  // namespace tutti::tools::doctor
