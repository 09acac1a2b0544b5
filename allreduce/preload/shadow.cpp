// Making shadows; see shadow.hpp.
#include "allreduce/preload/shadow.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <numeric>
#include <optional>
#include <string>
#include <utility>

#include <tutti/collectives/inspect/communicator.hpp>
#include <tutti/collectives/inspect/mpi.hpp>
#include <tutti/collectives/inspect/records.hpp>
#include <tutti/collectives/inspect/selection.hpp>
#include <tutti/collectives/system/machine.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

#include "allreduce/preload/meeting.hpp"
#include "allreduce/preload/process.hpp"

namespace tutti::preload {
namespace {

/// What ranks tell each other before they make a shadow, of which all take what all can do.
struct Offer {
  std::uint64_t rooted_bytes;
  std::uint64_t node_message_bytes;     // least data where ranks of one node share no memory
  std::uint64_t network_message_bytes;  // between nodes
  std::uint64_t machine;                // 0, which no rank offers: not the same
  OperationSet operations;
  std::uint8_t has_room;
  std::uint8_t shares_memory;
  std::uint8_t may_send;   // messages need MPI communicators
  std::uint8_t has_rules;  // for algorithms, which may want messages
};

/// A place among the shadows that there may be, until it is used or given back.
class Room {
 public:
  Room() {
    Process& all = process();
    const std::lock_guard lock(all.mutex);
    is_taken_ = all.shadows < all.settings.communicators;
    if (is_taken_) ++all.shadows;
  }
  ~Room() {
    if (!is_taken_) return;
    const std::lock_guard lock(process().mutex);
    --process().shadows;
  }
  Room(const Room&) = delete;
  Room& operator=(const Room&) = delete;

  bool is_taken() const noexcept { return is_taken_; }
  void use() noexcept { is_taken_ = false; }

 private:
  bool is_taken_;
};

/// A variable that is wrong is found out where the communicator is made.
bool wants_memory() noexcept {
  try {
    return detail::wants_shared_memory({});
  } catch (const Error&) {
    return true;
  }
}

/// Rules ask for algorithms by name, most of which send messages.
bool has_rules() { return !rules_of_environment().empty() || !rules_file_of_environment().empty(); }

/// What all ranks of `ranks` can do.
Offer common_offer(detail::Bootstrap& ranks, const Offer& own) {
  Offer common = own;
  for (const Offer& offer : ranks.all_gather(own)) {
    common.rooted_bytes = std::max(common.rooted_bytes, offer.rooted_bytes);
    common.node_message_bytes = std::max(common.node_message_bytes, offer.node_message_bytes);
    common.network_message_bytes = std::max(common.network_message_bytes, offer.network_message_bytes);
    if (offer.machine != common.machine) common.machine = 0;
    common.operations &= offer.operations;
    common.has_room &= offer.has_room;
    common.shares_memory &= offer.shares_memory;
    common.may_send &= offer.may_send;
    common.has_rules |= offer.has_rules;
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

/// The ranks as those of MPI_COMM_WORLD; nothing if one is not.
std::optional<std::vector<int>> ranks_in_world(MPI_Comm comm, int size) {
  MPI_Group own = MPI_GROUP_NULL;
  MPI_Group world = MPI_GROUP_NULL;
  detail::check_mpi(PMPI_Comm_group(comm, &own), "MPI_Comm_group");
  detail::check_mpi(PMPI_Comm_group(process().all_ranks, &world), "MPI_Comm_group");
  std::vector<int> ranks(static_cast<std::size_t>(size));
  std::vector<int> in_world(ranks.size());
  std::iota(ranks.begin(), ranks.end(), 0);
  const int code = PMPI_Group_translate_ranks(own, size, ranks.data(), world, in_world.data());
  PMPI_Group_free(&own);
  PMPI_Group_free(&world);
  detail::check_mpi(code, "MPI_Group_translate_ranks");
  if (std::find(in_world.begin(), in_world.end(), MPI_UNDEFINED) != in_world.end()) return std::nullopt;
  return in_world;
}

CommunicatorOptions options_of_all() {
  CommunicatorOptions options;
  options.timeout = process().settings.timeout;
  options.stall_warning = process().settings.stall_warning;
  return options;
}

/// For ranks of one machine; null on every rank if they turn out to share no memory.
std::unique_ptr<Shadow> make_in_memory(detail::Bootstrap& ranks, std::vector<int> in_world, const Offer& common) {
  Process& all = process();
  Communicator own(std::make_shared<detail::CommunicatorState>(
      detail::CommunicatorParts{
          .ranks = ranks,
          .control = std::make_unique<detail::MpiControlChannel>(all.control_hub, std::move(in_world), ranks.rank())},
      options_of_all(), all.whole ? &all.whole->state() : nullptr));
  if (!own.state().is_one_node()) {
    all.shares_memory = false;
    own.state().begin_end();
    return nullptr;
  }
  return std::make_unique<Shadow>(Shadow{.own = std::move(own),
                                         .operations = common.operations,
                                         .least_bytes = 0,
                                         .least_rooted_bytes = common.rooted_bytes});
}

/// For ranks that send messages, of which `parent` has all. With rules on one machine they may send some and do others
/// in memory.
std::unique_ptr<Shadow> make_with_messages(MPI_Comm parent, const Offer& common, std::uint64_t least_bytes) {
  CommunicatorOptions options = options_of_all();
  if (common.shares_memory == 0) options.shared_memory = false;  // which was said when it was found
  Shadow shadow{.own = Communicator(parent, options),
                .operations = common.operations,
                .least_bytes = least_bytes,
                .least_rooted_bytes = least_bytes};
  if (common.has_rules != 0 && shadow.own.state().is_one_node()) {
    shadow.least_bytes = 0;
    shadow.least_rooted_bytes = common.rooted_bytes;
  }
  return std::make_unique<Shadow>(std::move(shadow));
}

/// As all agree, by whatever serves best; null if nothing does.
std::unique_ptr<Shadow> make_by_agreement(const ProgramComm& known, detail::Bootstrap& ranks, std::vector<int> in_world,
                                          Room& room) {
  Process& all = process();
  const bool is_world = known.comm == MPI_COMM_WORLD;
  const Settings& settings = all.settings;
  const Offer common =
      common_offer(ranks, {.rooted_bytes = settings.rooted_bytes,
                           .node_message_bytes = settings.message_bytes.value_or(UINT64_MAX),
                           .network_message_bytes = settings.message_bytes.value_or(kMessageBytes),
                           .machine = detail::own_machine(),
                           .operations = settings.operations,
                           .has_room = room.is_taken() ? std::uint8_t{1} : std::uint8_t{0},
                           .shares_memory = wants_memory() && all.shares_memory ? std::uint8_t{1} : std::uint8_t{0},
                           .may_send = is_world || !all.has_threads ? std::uint8_t{1} : std::uint8_t{0},
                           .has_rules = has_rules() ? std::uint8_t{1} : std::uint8_t{0}});
  if (common.has_room == 0 || common.operations == 0) return nullptr;
  const bool one_machine = common.machine != 0;
  const bool is_ruled = common.has_rules != 0 && common.may_send != 0;
  if (one_machine && common.shares_memory != 0 && !is_ruled) {
    if (auto shadow = make_in_memory(ranks, std::move(in_world), common)) return shadow;
  }
  const std::uint64_t least_bytes = one_machine ? common.node_message_bytes : common.network_message_bytes;
  if (common.may_send == 0 || (least_bytes == UINT64_MAX && !is_ruled)) return nullptr;
  if (is_world) return make_with_messages(all.all_ranks, common, least_bytes);
  return make_with_messages(PlainCopy(known.comm).get(), common, least_bytes);
}

/// A communicator that MPI has, of which tutti could not make one: the same on all its ranks.
void complain(MPI_Comm comm, const Error& error) {
  int rank = 0;
  PMPI_Comm_rank(comm, &rank);
  if (rank != 0) return;
  std::fprintf(stderr, "tutti: warning: preload: a communicator is left to MPI: %s\n", error.what());
}

void make(ProgramComm& known, MPI_Comm meeting_place, const std::string& where, std::vector<int> in_world) {
  Process& all = process();
  Room room;
  Rendezvous ranks(meeting_place, where.c_str(),
                   {.timeout = all.settings.timeout, .warning = all.settings.stall_warning});
  try {
    known.shadow = make_by_agreement(known, ranks, std::move(in_world), room);
  } catch (const RanksMissing&) {
    throw;
  } catch (const Error& error) {  // on every rank
    complain(known.comm, error);
  }
  known.is_left = known.shadow == nullptr;
  if (known.is_left) return;
  room.use();
  count_communicator(true);
}

}  // namespace

void make_shadow(ProgramComm& known, Operation where) {
  const Inside inside;
  free_parted();
  auto in_world = ranks_in_world(known.comm, known.size);
  known.is_left = !in_world;
  if (known.is_left) return;
  make(known, known.comm, text(name(where), " #0, in which the communicator of tutti's is made"), std::move(*in_world));
}

void make_first_shadow(const char* where) {
  Process& all = process();
  know(MPI_COMM_WORLD);
  const Inside inside;
  ProgramComm& known = *find_known(MPI_COMM_WORLD);
  PMPI_Comm_size(MPI_COMM_WORLD, &known.size);
  known.is_left = known.size == 1;
  if (known.is_left) return;
  std::vector<int> everyone(static_cast<std::size_t>(known.size));
  std::iota(everyone.begin(), everyone.end(), 0);
  make(known, all.all_ranks, where, std::move(everyone));
  if (known.shadow == nullptr) return;
  if (known.shadow->own.mpi() == MPI_COMM_NULL) detail::begin_trace_if_asked(all.all_ranks);
  all.whole = known.shadow->own;
}

}  // namespace tutti::preload
