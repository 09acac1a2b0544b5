// The communicators of the program's; see shadow.hpp.
#include <array>
#include <atomic>
#include <functional>
#include <iterator>
#include <memory>
#include <mutex>
#include <utility>

#include <tutti/collectives/inspect/communicator.hpp>

#include "allreduce/preload/process.hpp"
#include "allreduce/preload/shadow.hpp"

namespace tutti::preload {

thread_local constinit int Inside::depth_ = 0;

namespace {

/// Rises whenever a communicator becomes known or is freed.
std::atomic<std::uint64_t> edition = 1;

}  // namespace

Process& process() noexcept {
  static auto* const kept = new Process;
  return *kept;
}

void know(MPI_Comm comm) {
  Process& all = process();
  if (!all.running || all.settings.operations == 0 || Inside::here() || comm == MPI_COMM_NULL) return;
  {
    const std::lock_guard lock(all.mutex);
    all.known.insert_or_assign(comm, std::make_unique<ProgramComm>(ProgramComm{.comm = comm}));
    edition.fetch_add(1, std::memory_order_release);
  }
  PMPI_Comm_set_attr(comm, all.key, nullptr);
}

int part_when_deleted(MPI_Comm comm, int /*key*/, void* /*value*/, void* /*extra*/) {
  Process& all = process();
  const std::lock_guard lock(all.mutex);
  const auto found = all.known.find(comm);
  if (found == all.known.end()) return MPI_SUCCESS;
  ProgramComm& known = *found->second;
  if (known.shadow != nullptr) {
    add_counts(known.shadow->counts);
    // MPI may hold locks of its own here: what talks to the other ranks is done later.
    all.parted.push_back(std::move(known.shadow));
    --all.shadows;
  } else if (known.size > 1) {
    count_communicator(false);
  }
  all.known.erase(found);
  edition.fetch_add(1, std::memory_order_release);
  return MPI_SUCCESS;
}

bool free_parted() {
  Process& all = process();
  std::vector<std::unique_ptr<Shadow>> parted;
  {
    const std::lock_guard lock(all.mutex);
    if (all.parted.empty()) return true;
    parted.swap(all.parted);
  }
  const Inside inside;
  for (const auto& shadow : parted) shadow->own.state().begin_end();
  std::erase_if(parted, [](const auto& shadow) { return shadow->own.state().may_end(); });
  const std::lock_guard lock(all.mutex);
  std::move(parted.begin(), parted.end(), std::back_inserter(all.parted));
  return all.parted.empty();
}

ProgramComm* find_known(MPI_Comm comm) noexcept {
  struct Seen {
    std::uint64_t edition;
    MPI_Comm comm;
    ProgramComm* known;
  };
  constexpr std::size_t kSeen = 8;
  [[gnu::tls_model("initial-exec")]] static thread_local constinit std::array<Seen, kSeen> seen{};
  const std::uint64_t now = edition.load(std::memory_order_acquire);
  std::size_t hash = std::hash<MPI_Comm>()(comm);
  hash ^= hash >> 8U;
  Seen& place = seen[(hash ^ hash >> 4U) % kSeen];
  if (place.edition == now && place.comm == comm) return place.known;
  Process& all = process();
  const std::lock_guard lock(all.mutex);
  const auto found = all.known.find(comm);
  place = {now, comm, found == all.known.end() ? nullptr : found->second.get()};
  return place.known;
}

}  // namespace tutti::preload
