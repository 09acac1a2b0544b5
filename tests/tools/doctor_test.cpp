// `tutti doctor` judges made-up facts of a job: libraries, folders, variables, and hosts beside each other.
#include <nlohmann/json.hpp>

#include <set>
#include <string>
#include <vector>

#include "tests/tools/doctor_cases.hpp"

namespace tutti::tools::doctor {
namespace {

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
       kOk, "UCX 1.13.1, without an RDMA network"},
      {"ucx",
       [](JobFacts& job) {
         set(job, "OMPI_MCA_pml", "ucx");
         on_all(job, [](RankFacts& r) { r.rdma = true; });
       },
       kOk, "UCX 1.13.1, with an RDMA network"},
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
      {"network", [](JobFacts& job) { job.hosts[0].ranks[0].rdma = true; }, kWarning,
       "1 of 2 hosts have an RDMA network, and b has none", "ibstat"},
      {"network", [](JobFacts& job) { on_all(job, [](RankFacts& r) { r.rdma = true; }); }, kOk, "every host"},
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
  facts.cma_error.reset();
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

}  // namespace
}  // namespace tutti::tools::doctor
