// What ranks find out together; see probes.hpp.
#include "tools/doctor/probes.hpp"

#include <fcntl.h>
#include <mpi.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include <atomic>
#include <cerrno>
#include <cmath>
#include <csignal>
#include <cstring>
#include <map>
#include <memory>
#include <thread>

#include <tutti/collectives/communicator.hpp>
#include <tutti/collectives/inspect/communicator.hpp>
#include <tutti/collectives/inspect/mpi.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::tools::doctor {
namespace {

using tutti::detail::check_mpi;

std::atomic<const char*> current_stage = "";

void write_text(const char* text) noexcept {
  // There is nobody to tell of a failure.
  if (write(STDERR_FILENO, text, std::strlen(text)) < 0) return;
}

extern "C" void give_up(int) {
  write_text("tutti: error: doctor: no end of ");
  write_text(current_stage.load());
  write_text(" within the limit\n");
  _exit(1);
}

void set_timer(double seconds) noexcept {
  itimerval timer{};
  timer.it_value.tv_sec = static_cast<time_t>(seconds);
  timer.it_value.tv_usec = static_cast<suseconds_t>(std::fmod(seconds, 1.0) * 1e6);
  setitimer(ITIMER_REAL, &timer, nullptr);
}

int world_rank() {
  int rank = 0;
  check_mpi(MPI_Comm_rank(MPI_COMM_WORLD, &rank), "MPI_Comm_rank");
  return rank;
}

int size_of_comm(MPI_Comm comm) {
  int size = 1;
  check_mpi(MPI_Comm_size(comm, &size), "MPI_Comm_size");
  return size;
}

/// Tests the request until it is complete, or the time is over.
bool completes(MPI_Request& request, std::chrono::steady_clock::time_point end) {
  int done = 0;
  for (;;) {
    check_mpi(MPI_Test(&request, &done, MPI_STATUS_IGNORE), "MPI_Test");
    if (done != 0) return true;
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
}

/// What a rank shows its local ranks to look at.
struct Target {
  std::int64_t process;
  std::int64_t fd;
  std::uint64_t inode;
  std::uint64_t address;  // of `secret`
  std::uint64_t secret;
};

std::string try_cross_memory(const Target& peer) {
  std::uint64_t copy = 0;
  const iovec here{&copy, sizeof copy};
  const iovec there{reinterpret_cast<void*>(peer.address), sizeof copy};  // NOLINT(performance-no-int-to-ptr)
  if (process_vm_readv(static_cast<pid_t>(peer.process), &here, 1, &there, 1, 0) != sizeof copy) {
    return std::strerror(errno);
  }
  return copy == peer.secret ? "" : "another process has that number here";
}

std::string try_peer_files(const Target& peer) {
  const std::string path = text("/proc/", peer.process, "/fd/", peer.fd);
  const int fd = open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return std::strerror(errno);
  struct stat status {};
  const bool same = fstat(fd, &status) == 0 && status.st_ino == peer.inode;
  close(fd);
  return same ? "" : "another process has that number here";
}

}  // namespace

Watch::Watch(Seconds limit) : limit_(limit) {
  std::signal(SIGALRM, give_up);
  stage("the start");
}

Watch::~Watch() {
  set_timer(0);
  std::signal(SIGALRM, SIG_DFL);
}

void Watch::stage(const char* name) const {
  current_stage = name;
  set_timer(limit_.count());
}

std::vector<int> find_silent_ranks(Seconds limit) {
  constexpr int kTag = 17;
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration_cast<std::chrono::milliseconds>(limit);
  const int size = size_of_comm(MPI_COMM_WORLD);
  const int rank = world_rank();
  std::vector<int> silent;
  std::vector<MPI_Request> sent(static_cast<std::size_t>(size), MPI_REQUEST_NULL);
  std::vector<MPI_Request> awaited(sent);
  struct Texts {
    std::vector<char> first_messages;
    std::vector<char> answers;
  };
  const auto texts =
      std::make_shared<Texts>(Texts{std::vector<char>(sent.size(), 'g'), std::vector<char>(sent.size())});
  const auto exchange_with = [&](int peer) {
    const auto at = static_cast<std::size_t>(peer);
    check_mpi(MPI_Irecv(&texts->answers[at], 1, MPI_CHAR, peer, kTag, MPI_COMM_WORLD, &awaited[at]), "MPI_Irecv");
    check_mpi(MPI_Isend(&texts->first_messages[at], 1, MPI_CHAR, peer, kTag, MPI_COMM_WORLD, &sent[at]), "MPI_Isend");
  };
  for (int peer = rank == 0 ? 1 : 0; peer < (rank == 0 ? size : 1); ++peer) exchange_with(peer);
  for (int peer = 0; peer < size; ++peer) {
    const auto at = static_cast<std::size_t>(peer);
    const bool heard = completes(awaited[at], end) && completes(sent[at], end);
    if (!heard) silent.push_back(rank == 0 ? peer : rank);
  }
  if (!silent.empty()) tutti::detail::leak_until_exit(texts);  // MPI may still touch them
  return silent;
}

void probe_peers(RankFacts& facts) {
  MPI_Comm peers = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &peers), "MPI_Comm_split_type");
  facts.rank = world_rank();
  facts.node = facts.rank;
  check_mpi(MPI_Bcast(&facts.node, 1, MPI_INT, 0, peers), "MPI_Bcast");
  const int size = size_of_comm(peers);
  if (size > 1) {
    const auto secret = static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
    const int fd = memfd_create("tutti-doctor", MFD_CLOEXEC);
    struct stat status {};
    if (fd < 0 || fstat(fd, &status) != 0) status.st_ino = 0;
    const Target own{getpid(), fd, status.st_ino, reinterpret_cast<std::uintptr_t>(&secret), secret};
    std::vector<Target> all(static_cast<std::size_t>(size));
    check_mpi(MPI_Allgather(&own, sizeof own, MPI_BYTE, all.data(), sizeof own, MPI_BYTE, peers), "MPI_Allgather");
    int number = 0;
    check_mpi(MPI_Comm_rank(peers, &number), "MPI_Comm_rank");
    const Target& peer = all[static_cast<std::size_t>((number + 1) % size)];
    facts.cma_error = try_cross_memory(peer);
    facts.peer_files = try_peer_files(peer);
    check_mpi(MPI_Barrier(peers), "MPI_Barrier");  // before a peer that is looked at goes on
    if (fd >= 0) close(fd);
  }
  check_mpi(MPI_Comm_free(&peers), "MPI_Comm_free");
}

void probe_communicators(RankFacts& facts, JobFacts& job) {
  try {
    const Communicator world(MPI_COMM_WORLD);
    const SelectionFacts& choice = world.selection_facts();
    job.tuning_file = choice.tuning_file;
    job.tuning_refused = choice.refused;
    job.network_description = static_cast<bool>(choice.description);
    const Communicator peers = world.local_communicator();
    if (peers.size() > 1) facts.shares_memory = peers.selection_facts().shared_memory;
  } catch (const Error& error) {  // on all ranks
    job.communicator_error = error.what();
  }
}

std::vector<HostFacts> gather(const RankFacts& facts) {
  const std::string own = to_json(facts).dump();
  const int length = static_cast<int>(own.size());
  const auto size = static_cast<std::size_t>(size_of_comm(MPI_COMM_WORLD));
  std::vector<int> lengths(size);
  check_mpi(MPI_Gather(&length, 1, MPI_INT, lengths.data(), 1, MPI_INT, 0, MPI_COMM_WORLD), "MPI_Gather");
  std::vector<int> starts(size, 0);
  for (std::size_t r = 1; r < size; ++r) starts[r] = starts[r - 1] + lengths[r - 1];
  std::string all(static_cast<std::size_t>(starts.back() + lengths.back()), ' ');
  check_mpi(
      MPI_Gatherv(own.data(), length, MPI_CHAR, all.data(), lengths.data(), starts.data(), MPI_CHAR, 0, MPI_COMM_WORLD),
      "MPI_Gatherv");
  std::map<int, HostFacts> hosts;
  for (std::size_t r = 0; r < size && facts.rank == 0; ++r) {
    const auto part = all.substr(static_cast<std::size_t>(starts[r]), static_cast<std::size_t>(lengths[r]));
    RankFacts rank = rank_facts_of(nlohmann::json::parse(part));
    HostFacts& host = hosts[rank.node];
    host.host = rank.host;
    host.ranks.push_back(std::move(rank));
  }
  std::vector<HostFacts> in_order;
  in_order.reserve(hosts.size());
  for (auto& [node, host] : hosts) in_order.push_back(std::move(host));
  return in_order;
}

}  // namespace tutti::tools::doctor
