// What `tutti doctor` finds out about the ranks of a job. Judging it is apart, in check.hpp, so that every judgement
// can be tested with facts that are made up.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

namespace tutti::tools::doctor {

/// A folder that programs write to.
struct FolderFacts {
  std::string path;
  std::string file_system;  ///< "ext4", "nfs", ...; a number where it has no name here
  bool network = false;     ///< other hosts serve it
  std::uint64_t free_bytes = 0;
};

/// One rank, as it sees itself and, at the end, its local ranks. Empty optionals: no limit, or not to be known here.
struct RankFacts {
  // ---- Who
  int rank = 0;
  int node = 0;      ///< lowest rank that shares memory with this one, as MPI says
  std::string host;  ///< as MPI calls it
  std::int64_t user = 0;
  std::string process_namespace;  ///< those of different containers differ
  bool container = false;
  bool launched = false;  ///< by mpirun or srun

  // ---- Processor
  int cpus_granted = 1;         ///< hardware threads of the host, or those that the control group has
  std::vector<int> cpus;        ///< those that this rank may run on, rising
  std::vector<int> cores;       ///< the physical cores that these belong to, each once
  std::optional<double> quota;  ///< processors' worth of time that the control group grants all its processes
  std::string governor;         ///< of the clock frequency; empty where the system does not say
  std::string frequency_driver;
  std::string clock_source;
  bool constant_tsc = true;  ///< the processor's time stamp does not change its pace

  // ---- Memory
  std::uint64_t memory_available = 0;
  std::string shm_file_system;  ///< of /dev/shm; empty if there is none
  std::uint64_t shm_bytes = 0;
  std::uint64_t shm_free = 0;
  std::string shmem_huge_pages;  ///< "never", "advise", ...; empty where the system does not say
  std::string memfd_error;       ///< why no memory without a name can be had; empty: it can

  // ---- Limits of the process
  std::optional<std::uint64_t> descriptors;
  std::optional<std::uint64_t> locked_memory;
  std::optional<std::uint64_t> file_size;
  std::optional<std::uint64_t> address_space;
  std::optional<std::uint64_t> processor_seconds;

  // ---- Libraries
  std::string tutti_version;
  std::string mpi_library;  ///< the first line of what it says
  int mpi_standard = 0;     ///< 301 is MPI 3.1
  std::string thread_level;
  std::string ucx;         ///< version; empty: not built in
  std::string hdf5;        ///< version that is loaded; empty: not built in
  std::string hdf5_built;  ///< version that tutti was built with
  bool hdf5_thread_safe = true;
  bool rdma = false;  ///< this host has a device that moves messages without the kernel

  // ---- Files
  FolderFacts working_folder;
  FolderFacts temporary_folder;

  /// Variables whose names begin with TU, and those of MPI and others that checks ask for.
  std::map<std::string, std::string> environment;

  // ---- Between local ranks; empty where the rank is alone on its host
  std::optional<int> ptrace_scope;        ///< of the security module Yama
  std::optional<std::string> cma_error;   ///< why a peer's memory cannot be read by process_vm_readv(); "": it can
  std::optional<std::string> peer_files;  ///< why a peer's open files cannot be opened; "": they can
  std::optional<bool> shares_memory;      ///< whether a communicator of the peers uses their memory
};

/// Ranks that share memory.
struct HostFacts {
  std::string host;
  std::vector<RankFacts> ranks;
};

/// What only all ranks together show.
struct JobFacts {
  std::vector<HostFacts> hosts;
  std::string communicator_error;  ///< why no communicator could be made
  std::string tuning_file;
  std::string tuning_refused;        ///< why it is not used
  bool network_description = false;  ///< the one in the environment serves
};

/// Shows every field of the facts with its name: a field that is not here does not reach rank 0.
template <class Visit>
void visit_fields(auto& f, Visit visit) requires requires {
  f.file_system;
}
{
  visit("path", f.path);
  visit("file_system", f.file_system);
  visit("network", f.network);
  visit("free_bytes", f.free_bytes);
}

template <class Visit>
void visit_fields(auto& f, Visit visit) requires requires {
  f.cpus_granted;
}
{
  visit("rank", f.rank);
  visit("node", f.node);
  visit("host", f.host);
  visit("user", f.user);
  visit("process_namespace", f.process_namespace);
  visit("container", f.container);
  visit("launched", f.launched);
  visit("cpus_granted", f.cpus_granted);
  visit("cpus", f.cpus);
  visit("cores", f.cores);
  visit("quota", f.quota);
  visit("governor", f.governor);
  visit("frequency_driver", f.frequency_driver);
  visit("clock_source", f.clock_source);
  visit("constant_tsc", f.constant_tsc);
  visit("memory_available", f.memory_available);
  visit("shm_file_system", f.shm_file_system);
  visit("shm_bytes", f.shm_bytes);
  visit("shm_free", f.shm_free);
  visit("shmem_huge_pages", f.shmem_huge_pages);
  visit("memfd_error", f.memfd_error);
  visit("descriptors", f.descriptors);
  visit("locked_memory", f.locked_memory);
  visit("file_size", f.file_size);
  visit("address_space", f.address_space);
  visit("processor_seconds", f.processor_seconds);
  visit("tutti_version", f.tutti_version);
  visit("mpi_library", f.mpi_library);
  visit("mpi_standard", f.mpi_standard);
  visit("thread_level", f.thread_level);
  visit("ucx", f.ucx);
  visit("hdf5", f.hdf5);
  visit("hdf5_built", f.hdf5_built);
  visit("hdf5_thread_safe", f.hdf5_thread_safe);
  visit("rdma", f.rdma);
  visit("working_folder", f.working_folder);
  visit("temporary_folder", f.temporary_folder);
  visit("environment", f.environment);
  visit("ptrace_scope", f.ptrace_scope);
  visit("cma", f.cma_error);
  visit("peer_files", f.peer_files);
  visit("shares_memory", f.shares_memory);
}

nlohmann::json to_json(const RankFacts& facts);

/// \throws nlohmann::json::exception if a field is missing or of another type.
RankFacts rank_facts_of(const nlohmann::json& json);

}  // namespace tutti::tools::doctor
