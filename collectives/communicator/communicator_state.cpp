// The state behind a Communicator; see communicator_state.hpp.
#include <algorithm>
#include <cstdio>
#include <utility>

#include <tutti/collectives/communicator/communicator_state.hpp>
#include <tutti/collectives/communicator/no_transport.hpp>
#include <tutti/collectives/engine/waiting_task.hpp>
#include <tutti/collectives/messages/mailbox.hpp>
#include <tutti/collectives/system/mpi_call.hpp>
#include <tutti/collectives/transport/open_transport.hpp>
#include <tutti/collectives/watch/hang_report.hpp>
#include <tutti/collectives/watch/own_block.hpp>
#include <tutti/collectives/watch/record_file.hpp>
#include <tutti/collectives/watch/trace.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::detail {
namespace {

constexpr auto kControlInterval = std::chrono::microseconds(50);
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
    : options_(options), data_(duplicate(require_usable_parent(parent))), control_(parent) {
  try {
    MpiBootstrap ranks(data_);
    find_ranks(ranks, whole);
    options_.transport = wanted_transport(options_.transport);
    transport_ =
        open_transport(*options_.transport, data_, rank_topology_->node_of(), rank_topology_->ranks_over_tcp());
    show();
  } catch (...) {  // the same on every rank, so that what is collective can be undone
    control_.free();
    MPI_Comm_free(&data_);
    throw;
  }
  everyone_.emplace(rank_topology_->everyone());
  mailbox_ = std::make_unique<Mailbox>(*this);
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

CommunicatorState::CommunicatorState(NodeCommunicatorParts footing, const CommunicatorOptions& options,
                                     const CommunicatorState* whole)
    : options_(options),
      transport_(std::make_shared<NoTransport>()),
      control_(std::move(footing.hub), std::move(footing.hub_ranks), footing.ranks.rank()) {
  find_ranks(footing.ranks, whole);
  show();
  everyone_.emplace(rank_topology_->everyone());
  mailbox_ = std::make_unique<Mailbox>(*this);
  begin_debug();
}

void CommunicatorState::find_ranks(Bootstrap& ranks, const CommunicatorState* whole) {
  for (KeptHeader& recent : recent_) recent.header.call.sequence = kNoSequence;
  rank_ = ranks.rank();
  size_ = ranks.size();
  rank_topology_.emplace(ranks, options_, whole == nullptr ? nullptr : &whole->selection_facts());
  control_.set_stamp(rank_topology_->stamp());
  open_node(ranks, whole);
}

void CommunicatorState::show() {
  if constexpr (kSimulated) {
    published_.emplace();
  } else {
    published_.emplace(OwnBlock::get(), rank_topology_->stamp(), rank_, size_);
    if (data_ != MPI_COMM_NULL) begin_trace_if_asked(data_);
  }
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
                 "collectives/README.md); they exchange messages instead\n");
  }
}

CommunicatorState::~CommunicatorState() {
  int finalized = 0;
  MPI_Finalized(&finalized);
  const EndMode end = finalized != 0 || unusable() ? EndMode::apart : meet_before_end();
  if (end == EndMode::apart) {
    // The transport may still read and write what was under way, or its peers may still need it.
    leak_until_exit(std::move(transport_));
    leak_until_exit(std::move(meeting_));
    return;
  }
  transport_.reset();
  // A control message may still be on its way to a rank that no longer reads. Were its communicator freed, MPI might
  // give its identity to another one and deliver the control message there: that one's first message between the same
  // ranks is then lost, or, if it has no such rank, the process ends in MPI_Comm_dup (both seen with Open MPI 4.1.4).
  if (end == EndMode::together) control_.free();
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

void CommunicatorState::begin_end() noexcept {
  if (size_ == 1 || meeting_ != nullptr || unusable()) return;
  if (data_ == MPI_COMM_NULL) {
    if (node_ != nullptr) node_->part();
    return;
  }
  meeting_ = std::make_shared<Meeting>(Meeting{.own_control_messages = control_.any() ? 1 : 0});
  if constexpr (kSimulated) {
    MPI_Allreduce(&meeting_->own_control_messages, &meeting_->control_messages, 1, MPI_INT, MPI_MAX, data_);
  } else if (MPI_Iallreduce(&meeting_->own_control_messages, &meeting_->control_messages, 1, MPI_INT, MPI_MAX, data_,
                            &meeting_->request) != MPI_SUCCESS) {
    fail(kNoSequence, "the ranks cannot meet to free the communicator");
  }
}

bool CommunicatorState::have_all_come() {
  if (data_ == MPI_COMM_NULL) return node_ == nullptr || node_->have_all_parted();
  int done = 0;
  check_mpi(MPI_Test(&meeting_->request, &done, MPI_STATUS_IGNORE), "MPI_Test");  // of a null request it is done
  return done != 0;
}

bool CommunicatorState::may_end() noexcept {
  begin_end();
  if (size_ == 1 || unusable()) return true;
  try {
    if (have_all_come()) return true;
    transport_->progress();
    poll_control_messages();
    return false;
  } catch (const std::exception& error) {
    fail(kNoSequence,
         error.what());  // unless it is known: the communicator failed on another rank, which will not come
    return true;
  }
}

// A rank that destroyed its part of the connections while another still waits would look to it like one that died; and
// no rank can know alone whether a control message is on its way to it.
CommunicatorState::EndMode CommunicatorState::meet_before_end() noexcept {
  if (size_ == 1) return EndMode::together;
  const auto begin = Clock::now();
  Waiter waiter(wait_policy(), *transport_, false);
  while (!may_end()) {
    const auto now = Clock::now();
    if (now - begin >= kMeetingLimit) fail(kNoSequence, "the communicator was freed here, and not by all ranks");
    look_at_peers(now, NotifyScope::nobody);  // who hears no more control messages
    // All that came before a rank ended has arrived by then.
    const bool is_over = std::any_of(gone_.begin(), gone_.end(),
                                     [&](const auto& entry) { return now - entry.second.since >= kGoneGrace; });
    if (is_over) return EndMode::apart;
    waiter.pause(now);
  }
  if (unusable()) return EndMode::apart;
  if (data_ == MPI_COMM_NULL) return EndMode::together;
  return meeting_->control_messages == 0 ? EndMode::together : EndMode::with_control_messages;
}

std::uint64_t CommunicatorState::take_sequence(int count) {
  if (unusable()) throw_unusable();
  const std::uint64_t first = next_sequence_;
  next_sequence_ += static_cast<std::uint64_t>(count);
  published_->set_begun(next_sequence_);
  return first;
}

std::uint64_t CommunicatorState::record(const Header& header, bool in_order, bool of_all, const ExecutionInfo& how,
                                        BeginTime timed) noexcept {
  const Signature& call = header.call;
  published_->begin(published_->flight_of(call, how), call.sequence, timed);
  if (!compares_calls_) return 0;
  const std::uint64_t digest = digest_of(call);
  KeptHeader& recent = recent_[call.sequence % recent_.size()];
  recent = {.header = header};
  if (in_order) {
    last_call_ = call;
    last_call_.sequence = 0;
    last_call_.history = 0;
    last_kind_ = 0;
    history_ = digest;
  }
  // Other ranks may rightly run something else under this number.
  if (!of_all) recent.header.call.sequence = kNoSequence;
  return digest;
}

const KeptHeader* CommunicatorState::record(const CachedNodePlan& kind, std::uint64_t sequence,
                                            BeginTime timed) noexcept {
  published_->begin(kind.flight, sequence, timed);
  if (!compares_calls_) return nullptr;
  KeptHeader& recent = recent_[sequence % recent_.size()];
  if (!recent.is_like(kind.number, last_kind_)) {
    recent = {.header = {.call = kind.signature, .before = last_call_}, .kind = kind.number, .kind_before = last_kind_};
  }
  recent.header.call.sequence = sequence;
  recent.header.call.history = history_;
  if (last_kind_ != kind.number) {
    last_call_ = kind.signature;
    last_kind_ = kind.number;
  }
  history_ = mixed(history_, kind.digest + sequence);
  return &recent;
}

void CommunicatorState::refuse(std::uint64_t sequence, const std::string& why) {
  refused_.emplace(sequence, why);
  tell_all(ControlMessage::Kind::refused, sequence, why, rank_);
  throw InvalidArgument(why);
}

std::string CommunicatorState::refusal_of(std::uint64_t sequence) const {
  const auto found = refused_.find(sequence);
  return found == refused_.end() ? std::string() : found->second;
}

void CommunicatorState::fail(std::uint64_t sequence, std::string_view why) noexcept {
  if (unusable()) return;
  tell_all(ControlMessage::Kind::failed, sequence, why, rank_);
  set_unusable(std::string(why));
  flush_control_messages();
}

void CommunicatorState::set_unusable(std::string why) noexcept {
  reason_ = std::move(why);
  if (node_ != nullptr) node_->fail();
  if constexpr (kSimulated) return;
  published_->set_failed();
  write_record_on_error(*reason_);
  write_trace_part_on_error();
}

void CommunicatorState::throw_unusable() const {
  throw CommunicationError(text("communicator unusable since ", *reason_));
}

void CommunicatorState::tell_all(ControlMessage::Kind kind, std::uint64_t sequence, std::string_view why,
                                 int about) noexcept {
  ControlMessage control_message{.kind = kind, .about = about, .sequence = sequence};
  control_message.say(why);
  control_.tell_all(control_message);
}

// A program need not make any call after an error.
void CommunicatorState::flush_control_messages() noexcept {
  if (!kSimulated && rank_topology_->watch().peers() != static_cast<std::size_t>(size_)) control_.see_off();
}

bool CommunicatorState::is_control_poll_due(Clock::time_point now) noexcept {
  if (now - last_poll_ < kControlInterval) return false;
  last_poll_ = now;
  return true;
}

void CommunicatorState::poll_control_messages() {
  if (unusable()) throw_unusable();
  if (size_ == 1) return;
  for (std::size_t i = 0; i < premature_.size();) {
    if (premature_[i].sequence >= next_sequence_) {
      ++i;
      continue;
    }
    const ControlMessage control_message = premature_[i];
    premature_.erase(premature_.begin() + static_cast<std::ptrdiff_t>(i));
    heed(control_message);
  }
  while (const std::optional<ControlMessage> control_message = control_.hear()) heed(*control_message);
  control_.forget_sent();
}

void CommunicatorState::heed(const ControlMessage& control_message) {
  if (control_message.kind == ControlMessage::Kind::asks) return hear_question(control_message);
  if (control_message.kind == ControlMessage::Kind::answers) {
    answers_[control_message.about] = control_message;
    return;
  }
  if (control_message.kind == ControlMessage::Kind::gone) {
    gone_.emplace(control_message.about,
                  GoneRank{Clock::now(), control_message.sequence != 0, control_message.text.data()});
    return;
  }
  if (control_message.kind == ControlMessage::Kind::refused) {
    if (refused_.count(control_message.sequence) > 0) return;  // wrong alike
    if (control_message.sequence >= next_sequence_) {
      premature_.push_back(control_message);
      return;
    }
  }
  set_unusable(text("rank ", control_message.about, ": ", control_message.text.data()));
  // Ranks that were wrong themselves took the refusal for one of their own kind: they must learn that nobody will
  // answer them any more.
  if (control_message.kind == ControlMessage::Kind::refused) {
    tell_all(ControlMessage::Kind::failed, control_message.sequence, control_message.text.data(),
             control_message.about);
    flush_control_messages();
  }
  throw CommunicationError(*reason_);
}

void CommunicatorState::look_at_peers(Clock::time_point now, NotifyScope whom) {
  for (NodeWatch::Gone& found : rank_topology_->watch().look(now)) {
    for (int peer = 0; whom == NotifyScope::other_machines && peer < size_; ++peer) {
      if (rank_topology_->watch().is_peer(peer)) continue;
      ControlMessage control_message{
          .kind = ControlMessage::Kind::gone, .about = found.rank, .sequence = found.finished ? 1U : 0U};
      control_message.say(found.words);
      control_.tell(peer, control_message);
    }
    gone_.emplace(found.rank, GoneRank{now, found.finished, std::move(found.words)});
  }
}

std::string CommunicatorState::node_suspects() const {
  const std::vector<ProcessView> node = rank_topology_->watch().view();
  std::string words;
  for (const Suspect& suspect : HangReport(node).suspects()) {
    if (!suspect.ranks.empty()) words += (words.empty() ? "" : "; ") + suspect.words;
  }
  return words;
}

std::optional<std::string> CommunicatorState::node_hang_report(std::uint64_t sequence) const {
  const std::vector<ProcessView> node = rank_topology_->watch().view();
  const HangReport hang_report(node);
  const auto is_told = [&](const CommunicatorView& communicator) {
    return communicator.stamp == rank_topology_->stamp() && communicator.rank < rank_ &&
           communicator.mode != WaitMode::none && communicator.sequence == sequence;
  };
  const bool told = std::any_of(node.begin(), node.end(), [&](const ProcessView& process) {
    return std::any_of(process.communicators.begin(), process.communicators.end(), is_told);
  });
  if (told) return std::nullopt;
  std::string lines;
  for (const ProcessView& process : node) {
    lines += text("tutti:   ", hang_report.name_of(process), " ", hang_report.activity(process), "\n");
  }
  for (const Suspect& suspect : hang_report.suspects()) {
    if (!suspect.ranks.empty()) lines += text("tutti:   suspect: ", suspect.words, "\n");
  }
  return lines;
}

void CommunicatorState::hear_question(const ControlMessage& control_message) {
  const Header& own = recent_[control_message.sequence % recent_.size()].header;
  const bool comparable = control_message.sequence != kNoSequence && own.call.sequence == control_message.sequence &&
                          control_message.header.call.sequence == control_message.sequence;
  if (comparable) {
    const std::string difference = find_difference(rank_, own, control_message.about, control_message.header);
    if (!difference.empty()) {
      fail(control_message.sequence, text(name(own.call.collective), " #", control_message.sequence, ": ", difference));
      throw CommunicationError(*reason_);
    }
  }
  questions_.push_back({control_message.about, control_message.sequence});
}

bool CommunicatorState::ask(int peer, std::uint64_t sequence) noexcept {
  // Of a stage, a message, or a call of long ago there is nothing to compare.
  Header header = {};
  header.call.sequence = kNoSequence;
  const Header& recent = recent_[sequence % recent_.size()].header;
  if (sequence != kNoSequence && recent.call.sequence == sequence) header = recent;
  control_.tell(peer, {.kind = ControlMessage::Kind::asks, .about = rank_, .sequence = sequence, .header = header});
  return header.call.sequence == sequence;
}

void CommunicatorState::answer(const Question& question, std::string_view what) noexcept {
  ControlMessage control_message{.kind = ControlMessage::Kind::answers, .about = rank_, .sequence = question.sequence};
  control_message.say(what);
  control_.tell(question.peer, control_message);
}

std::string CommunicatorState::answer_of(int peer, std::uint64_t sequence) const {
  const auto found = answers_.find(peer);
  if (found == answers_.end() || found->second.sequence != sequence) return {};
  return found->second.text.data();
}

bool CommunicatorState::advance_others(const Task& task) {
  bool any = mailbox_->advance();
  for (WaitingTask* other : tasks_) {
    if (other != &task) any = other->advance_beside() == Task::Progress::some || any;
  }
  return any;
}

}  // namespace tutti::detail
