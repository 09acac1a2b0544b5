// Shadows, and when they come and go; see shadow.hpp.
#include "allreduce/preload/shadow.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <functional>
#include <iterator>
#include <memory>
#include <mutex>
#include <utility>

#include <tutti/collectives/communicator_state.hpp>
#include <tutti/collectives/mpi_call.hpp>
#include <tutti/kernels/error.hpp>

#include "allreduce/preload/process.hpp"

namespace tutti::preload {

thread_local constinit int Inside::depth_ = 0;

namespace {

/// Rises whenever a communicator gets a shadow or loses it.
std::atomic<std::uint64_t> edition = 1;

/// What ranks tell each other before they make a shadow.
struct Offer {
  std::uint64_t rooted_bytes;
  std::uint64_t node_message_bytes;     // least data where ranks of one node share no memory
  std::uint64_t network_message_bytes;  // between nodes
  OperationSet operations;
  std::uint8_t has_room;
  std::uint8_t shares_memory;
  std::uint16_t unused;
};

Offer own_offer() {
  Process& all = process();
  const std::lock_guard lock(all.mutex);
  return {.rooted_bytes = all.settings.rooted_bytes,
          .node_message_bytes = all.settings.message_bytes.value_or(UINT64_MAX),
          .network_message_bytes = all.settings.message_bytes.value_or(kMessageBytes),
          .operations = all.settings.operations,
          .has_room = all.shadows.size() < all.settings.communicators ? std::uint8_t{1} : std::uint8_t{0},
          .shares_memory = all.shares_memory ? std::uint8_t{1} : std::uint8_t{0},
          .unused = 0};
}

/// What all ranks of `comm` can do.
Offer agree(MPI_Comm comm, int size) {
  const Offer own = own_offer();
  std::vector<Offer> offers(static_cast<std::size_t>(size));
  detail::check_mpi(PMPI_Allgather(&own, sizeof(Offer), MPI_BYTE, offers.data(), sizeof(Offer), MPI_BYTE, comm),
                    "MPI_Allgather");
  Offer common = own;
  for (const Offer& offer : offers) {
    common.rooted_bytes = std::max(common.rooted_bytes, offer.rooted_bytes);
    common.node_message_bytes = std::max(common.node_message_bytes, offer.node_message_bytes);
    common.network_message_bytes = std::max(common.network_message_bytes, offer.network_message_bytes);
    common.operations &= offer.operations;
    common.has_room &= offer.has_room;
    common.shares_memory &= offer.shares_memory;
  }
  return common;
}

/// The ranks of a communicator without its attributes, whose functions of the program would be called for a copy.
class PlainCopy {
 public:
  explicit PlainCopy(MPI_Comm comm) {
    detail::check_mpi(PMPI_Comm_split(comm, 0, 0, &copy_), "MPI_Comm_split");
    PMPI_Comm_set_errhandler(copy_, MPI_ERRORS_RETURN);
  }
  ~PlainCopy() { PMPI_Comm_free(&copy_); }
  PlainCopy(const PlainCopy&) = delete;
  PlainCopy& operator=(const PlainCopy&) = delete;
  MPI_Comm get() const noexcept { return copy_; }

 private:
  MPI_Comm copy_ = MPI_COMM_NULL;
};

ShadowPtr make_shadow(MPI_Comm comm, const Offer& common) {
  Process& all = process();
  CommunicatorOptions options;
  options.deadline = all.settings.deadline;
  options.stall_warning = all.settings.stall_warning;
  if (common.shares_memory == 0) options.shared_memory = false;  // which was said when it was found
  const PlainCopy plain(comm);
  Communicator own(plain.get(), options);
  const bool one_node = own.place().nodes == 1;
  const bool shares_memory = one_node && own.choice_facts().shared_memory;
  if (one_node && !shares_memory) all.shares_memory = false;
  const std::uint64_t message_bytes = one_node ? common.node_message_bytes : common.network_message_bytes;
  return std::make_unique<Shadow>(Shadow{.comm = comm,
                                         .own = std::move(own),
                                         .operations = common.operations,
                                         .least_bytes = shares_memory ? 0 : message_bytes,
                                         .least_rooted_bytes = shares_memory ? common.rooted_bytes : message_bytes});
}

void enter(ShadowPtr shadow) {
  Process& all = process();
  const MPI_Comm comm = shadow->comm;
  Shadow* const value = shadow.get();
  {
    const std::lock_guard lock(all.mutex);
    all.shadows.insert_or_assign(comm, std::move(shadow));
    edition.fetch_add(1, std::memory_order_release);
  }
  PMPI_Comm_set_attr(comm, all.key, value);
}

/// A communicator that MPI has, of which tutti could not make one: the same on all its ranks.
void complain(MPI_Comm comm, const Error& error) {
  int rank = 0;
  PMPI_Comm_rank(comm, &rank);
  if (rank != 0) return;
  std::fprintf(stderr, "tutti: warning: preload: a communicator is left to MPI: %s\n", error.what());
}

}  // namespace

Process& process() noexcept {
  static auto* const kept = new Process;
  return *kept;
}

int part_when_deleted(MPI_Comm comm, int /*key*/, void* /*value*/, void* /*extra*/) {
  Process& all = process();
  const std::lock_guard lock(all.mutex);
  const auto found = all.shadows.find(comm);
  if (found == all.shadows.end()) return MPI_SUCCESS;
  add_counts(found->second->counts);
  // MPI may hold locks of its own here: what talks to the other ranks is done later.
  all.parted.push_back(std::move(found->second));
  all.shadows.erase(found);
  edition.fetch_add(1, std::memory_order_release);
  return MPI_SUCCESS;
}

bool free_parted() {
  Process& all = process();
  std::vector<ShadowPtr> parted;
  {
    const std::lock_guard lock(all.mutex);
    parted.swap(all.parted);
  }
  for (const ShadowPtr& shadow : parted) shadow->own.state().begin_end();
  std::erase_if(parted, [](const ShadowPtr& shadow) { return shadow->own.state().may_end(); });
  const std::lock_guard lock(all.mutex);
  std::move(parted.begin(), parted.end(), std::back_inserter(all.parted));
  return all.parted.empty();
}

void adopt(MPI_Comm comm) {
  if (!process().running || Inside::here() || comm == MPI_COMM_NULL) return;
  const Inside inside;
  int inter = 0;
  int size = 1;
  PMPI_Comm_test_inter(comm, &inter);
  PMPI_Comm_size(comm, &size);
  if (inter != 0 || size == 1) return;
  free_parted();
  try {
    const Offer common = agree(comm, size);
    const bool may = common.has_room != 0 && common.operations != 0;
    if (may) enter(make_shadow(comm, common));
    count_communicator(may);
  } catch (const Error& error) {
    complain(comm, error);
  }
}

void part_from(MPI_Comm comm) {
  if (Inside::here() || find_shadow(comm) == nullptr) return;
  const Inside inside;
  PMPI_Comm_delete_attr(comm, process().key);
  free_parted();
}

Shadow* find_shadow(MPI_Comm comm) noexcept {
  struct Seen {
    std::uint64_t edition;
    MPI_Comm comm;
    Shadow* shadow;
  };
  constexpr std::size_t kSeen = 8;
  [[gnu::tls_model("initial-exec")]] static thread_local constinit std::array<Seen, kSeen> seen{};
  const std::uint64_t now = edition.load(std::memory_order_acquire);
  std::size_t hash = std::hash<MPI_Comm>()(comm);
  hash ^= hash >> 8U;
  Seen& place = seen[(hash ^ hash >> 4U) % kSeen];
  if (place.edition == now && place.comm == comm) return place.shadow;
  Process& all = process();
  const std::lock_guard lock(all.mutex);
  const auto found = all.shadows.find(comm);
  place = {now, comm, found == all.shadows.end() ? nullptr : found->second.get()};
  return place.shadow;
}

}  // namespace tutti::preload
