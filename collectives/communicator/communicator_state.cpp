// The state behind a Communicator; see communicator_state.hpp.
#include <algorithm>
#include <cstdio>
#include <utility>

#include <tutti/collectives/communicator/communicator_state.hpp>
#include <tutti/collectives/communicator/mpi_control_channel.hpp>
#include <tutti/collectives/communicator/no_transport.hpp>
#include <tutti/collectives/system/leak_until_exit.hpp>
#include <tutti/collectives/system/mpi_call.hpp>
#include <tutti/collectives/transport/open_transport.hpp>
#include <tutti/collectives/watch/own_block.hpp>
#include <tutti/collectives/watch/record_file.hpp>
#include <tutti/collectives/watch/trace.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::detail {
namespace {

constexpr auto kMeetingLimit = std::chrono::seconds(5);

MPI_Comm require_usable_parent(MPI_Comm parent) {
  int initialized = 0;
  int finalized = 0;
  MPI_Initialized(&initialized);
  MPI_Finalized(&finalized);
  if (initialized == 0 || finalized != 0) throw InvalidArgument("Communicator: MPI is not initialised");
  if (parent == MPI_COMM_NULL) throw InvalidArgument("Communicator: the parent is MPI_COMM_NULL");
  int inter = 0;
  check_mpi(MPI_Comm_test_inter(parent, &inter), "MPI_Comm_test_inter");
  if (inter != 0)
    throw InvalidArgument("Communicator: the parent is an inter-communicator, which has no ranks in common");
  return parent;
}

}  // namespace

CommunicatorState::CommunicatorState(MPI_Comm parent, const CommunicatorOptions& options,
                                     const CommunicatorState* whole)
    : options_(options),
      data_(duplicate(require_usable_parent(parent))),
      control_(std::make_unique<MpiControlChannel>(parent)) {
  try {
    MpiBootstrap ranks(data_);
    find_ranks(ranks, whole);
    options_.transport = wanted_transport(options_.transport);
    transport_ =
        open_transport(*options_.transport, data_, rank_topology_->node_of(), rank_topology_->ranks_over_tcp());
    show();
  } catch (...) {  // the same on every rank, so that what is collective can be undone
    control_->free();
    MPI_Comm_free(&data_);
    throw;
  }
  everyone_.emplace(rank_topology_->everyone());
  if (selection_facts().rules != nullptr) {
    rules_ =
        rules_for(*selection_facts().rules, static_cast<std::size_t>(size_), static_cast<std::size_t>(topology().nodes),
                  static_cast<std::size_t>(rank_topology_->most_on_node()));
  }
  begin_debug();
}

void CommunicatorState::begin_debug() {
  if (rank_ != 0 || !wants_debug()) return;
  debug_ = std::make_unique<DebugLog>(published_->number());
  const SelectionFacts& facts = selection_facts();
  const int nodes = topology().nodes;
  std::string line = text(size_, size_ == 1 ? " rank" : " ranks", " on ", nodes, nodes == 1 ? " node" : " nodes");
  if (nodes > 1)
    line += text(", ", size_ == nodes * rank_topology_->most_on_node() ? "" : "at most ",
                 rank_topology_->most_on_node(), " per node");
  if (nodes > 1) line += text("; transport ", *options_.transport == TransportKind::ucx ? "UCX" : "MPI");
  line += text("; shared memory ", facts.shared_memory ? "yes" : "no");
  if (node_ != nullptr && node_->uses_cross_memory()) line += " (cross-memory attach)";
  line += text("; cost model: ", name(facts.source));
  if (facts.source == CostSource::tuning_file) line += text(" ", facts.tuning_file);
  if (facts.source == CostSource::built_in) {
    line += text(" for ", nodes == 1 ? "shared memory" : facts.network == NetworkClass::tcp ? "TCP" : "RDMA");
  }
  if (facts.description) line += text(", ", to_text(facts.description));
  if (facts.rules != nullptr) {
    line += text("; ", rules_ == nullptr ? 0 : rules_->size(), " of ", facts.rules->size(), " rules hold here");
  }
  debug_->say(line);
}

CommunicatorState::CommunicatorState(CommunicatorParts parts, const CommunicatorOptions& options,
                                     const CommunicatorState* whole)
    : options_(options),
      transport_(parts.transport != nullptr ? std::move(parts.transport) : std::make_shared<NoTransport>()),
      control_(std::move(parts.control)) {
  find_ranks(parts.ranks, whole);
  show();
  everyone_.emplace(rank_topology_->everyone());
  begin_debug();
}

void CommunicatorState::find_ranks(Bootstrap& ranks, const CommunicatorState* whole) {
  rank_ = ranks.rank();
  size_ = ranks.size();
  rank_topology_.emplace(ranks, options_, whole == nullptr ? nullptr : &whole->selection_facts());
  control_->set_stamp(rank_topology_->stamp());
  open_node(ranks, whole);
}

void CommunicatorState::show() {
  if (!OwnBlock::is_possible()) {
    published_.emplace();
  } else {
    published_.emplace(OwnBlock::get(), rank_topology_->stamp(), rank_, size_);
    if (data_ != MPI_COMM_NULL) begin_trace_if_asked(data_);
  }
  const bool is_one_machine = rank_topology_->watch().peers() == static_cast<std::size_t>(size_);
  calls_.emplace(*published_);
  failures_.emplace(
      *control_, [this](const std::string& why) { on_failure(why); }, !kSimulated && !is_one_machine);
  questions_.emplace(*control_, *calls_);
  liveness_.emplace(rank_topology_->watch(), *control_, rank_topology_->stamp());
  end_.emplace(data_, node_.get(), *control_, *failures_);
}

void CommunicatorState::open_node(Bootstrap& ranks, const CommunicatorState* whole) {
  options_.shared_memory = !kSimulated && wants_shared_memory(options_.shared_memory);
  rank_topology_->set_shared_memory(false);  // a part has what the whole was found to have
  if (!*options_.shared_memory || topology().nodes == size_) return;
  node_memory_ = whole != nullptr && whole->node_memory_ != nullptr ? whole->node_memory_ : NodeMemory::make();
  node_ = detail::open_node(ranks, rank_topology_->node_of(), node_memory_,
                            options_.reproducibility == Reproducibility::run);
  rank_topology_->set_shared_memory(node_ != nullptr);
  if (node_ != nullptr) return;
  options_.shared_memory = false;
  node_memory_.reset();
  if (rank_ == 0) {
    std::fprintf(stderr,
                 "tutti: warning: the ranks of a node cannot map each other's memory (see \"Ranks of a node\" in "
                 "collectives/GUIDE.md); they exchange messages instead\n");
  }
}

CommunicatorState::~CommunicatorState() {
  int finalized = 0;
  MPI_Finalized(&finalized);
  const EndMode end = finalized != 0 || failures_->unusable() ? EndMode::apart : meet_before_end();
  if (end == EndMode::apart) {
    // The transport may still read and write what was under way, or its peers may still need it.
    leak_until_exit(std::move(transport_));
    return;
  }
  transport_.reset();
  // A control message may still be on its way to a rank that no longer reads. Were its communicator freed, MPI might
  // give its identity to another one and deliver the control message there: that one's first message between the same
  // ranks is then lost, or, if it has no such rank, the process ends in MPI_Comm_dup (both seen with Open MPI 4.1.4).
  if (end == EndMode::together) control_->free();
  if (data_ != MPI_COMM_NULL) MPI_Comm_free(&data_);
}

Hierarchy* CommunicatorState::hierarchy() {
  if (!hierarchy_ && rank_topology_->has_two_levels()) {
    const LevelCosts& costs = selection_facts().costs;
    hierarchy_.emplace(
        make_hierarchy(rank_topology_->node_of(), rank_, costs.node, costs.network, selection_facts().description));
  }
  return hierarchy_ ? &*hierarchy_ : nullptr;
}

void CommunicatorState::begin_end() noexcept { end_->begin(); }

bool CommunicatorState::may_end() noexcept {
  end_->begin();
  if (size_ == 1 || failures_->unusable()) return true;
  try {
    if (end_->have_all_begun()) return true;
    transport_->progress();
    poll_control_messages();
    return false;
  } catch (const std::exception& error) {
    failures_->fail(kNoSequence,
                    error.what());  // unless it is known: the communicator failed on another rank, which will not come
    return true;
  }
}

// No rank can know alone whether a control message is on its way to it.
CommunicatorState::EndMode CommunicatorState::meet_before_end() noexcept {
  if (size_ == 1) return EndMode::together;
  const auto begin = Clock::now();
  Waiter waiter(wait_policy(), *transport_, false);
  while (!may_end()) {
    const auto now = Clock::now();
    if (now - begin >= kMeetingLimit) {
      failures_->fail(kNoSequence, "the communicator was freed here, and not by all ranks");
    }
    liveness_->look(now, Liveness::NotifyScope::nobody);     // who receives no more control messages
    if (liveness_->is_any_gone(now)) return EndMode::apart;  // all that came before a rank ended has arrived by then
    waiter.pause(now);
  }
  if (failures_->unusable()) return EndMode::apart;
  return end_->any_control_messages() ? EndMode::with_control_messages : EndMode::together;
}

void CommunicatorState::on_failure(const std::string& why) noexcept {
  if (node_ != nullptr) node_->fail();
  if (!published_->is_shown()) return;
  published_->set_failed();
  write_record_on_error(why);
  write_trace_part_on_error();
}

void CommunicatorState::poll_control_messages() {
  failures_->require_usable();
  if (size_ == 1) return;
  failures_->handle_early([this](std::uint64_t sequence) { return calls_->has_begun(sequence); });
  while (const std::optional<ControlMessage> message = control_->receive()) handle(*message);
  control_->forget_sent();
}

void CommunicatorState::handle(const ControlMessage& message) {
  switch (message.kind) {
    case ControlMessage::Kind::asks:
      if (const std::string difference = questions_->handle_question(message); !difference.empty()) {
        failures_->fail(message.sequence, difference);
        throw CommunicationError(difference);
      }
      break;
    case ControlMessage::Kind::answers:
      questions_->handle_answer(message);
      break;
    case ControlMessage::Kind::gone:
      liveness_->handle(message, Clock::now());
      break;
    case ControlMessage::Kind::refused:
    case ControlMessage::Kind::failed:
      failures_->handle(message, calls_->has_begun(message.sequence));
      break;
  }
}

}  // namespace tutti::detail
