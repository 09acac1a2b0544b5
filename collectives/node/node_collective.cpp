// Collectives in each other's memory; see node_collective.hpp.
#include <sched.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include <tutti/collectives/node/node_collective.hpp>
#include <tutti/kernels/copy.hpp>

namespace tutti::detail {
namespace {

/// Where all ranks read all inputs, so much at most is read.
constexpr std::size_t kMostRead = std::size_t{32} << 10;

/// Elements of the largest block.
std::size_t longest_block(const Call& call, std::size_t ranks) noexcept {
  if (!call.is_uneven()) return has_own_input(call.collective) ? call.input.count : call.data_count / ranks;
  std::size_t longest = 0;
  for (std::size_t r = 0; r < ranks; ++r) longest = std::max(longest, call.count_of(static_cast<int>(r)));
  return longest;
}

bool is_from_root(Collective collective) noexcept {
  return collective == Collective::broadcast || collective == Collective::scatter;
}

bool is_small(const Call& call, std::size_t ranks) noexcept {
  const std::size_t element = size_of(call.dtype);
  if (has_own_input(call.collective)) {
    const std::size_t block = longest_block(call, ranks) * element;
    return block <= kPublishedBytes && block * ranks <= kMostRead;
  }
  const std::size_t bytes = call.data_count * element;
  const bool is_read_by_all = call.collective == Collective::allreduce || call.collective == Collective::reduce;
  return bytes <= kPublishedBytes && (!is_read_by_all || bytes * ranks <= kMostRead);
}

}  // namespace

NodePlan plan_in_node(const Call& call, int number, int ranks) noexcept {
  NodePlan plan = {.pattern = pulling_pattern(call.collective),
                   .is_small = is_small(call, static_cast<std::size_t>(ranks))};
  if (plan.is_small && call.collective != Collective::barrier) {
    const bool takes = is_among(plan.pattern.owners, number, number, call.root);
    plan.awaited = takes ? plan.pattern.sources : Who::nobody;
  }
  return plan;
}

NodeCollective::NodeCollective(LocalRanks& peers, const Call& call, const NodePlan& plan, const KeptHeader* header,
                               std::uint64_t digest, Participation participation)
    : peers_(&peers),
      call_(&call),
      digest_(digest),
      number_(peers.take_number()),
      participation_(participation),
      plan_(plan),
      header_(header) {
  if (refused()) {
    plan_ = {};
  } else if (!plan_.is_small) {
    turn_ = peers.take_turn();
  } else if (participation == Participation::asked) {
    plan_.awaited = Who::all;
  }
}

NodeCollective::NodeCollective(LocalRanks& peers, const Call& call, const KeptHeader* header, std::uint64_t digest,
                               const ReservedSlot& slot)
    : peers_(&peers),
      call_(&call),
      digest_(digest),
      number_(slot.number),
      turn_(slot.turn),
      participation_(Participation::given),
      plan_{.is_small = false},
      header_(header) {}

Task::Progress NodeCollective::advance() {
  using Progress = Task::Progress;
  bool any = false;
  if (stage_ == Stage::posting) {
    if (!peers_->may_publish(number_)) return Progress::none;
    post();
    stage_ = Stage::meeting;
    any = true;
  }
  if (stage_ == Stage::meeting) {
    const int before = met_;
    if (!refused() && !meet()) return any || met_ != before ? Progress::some : Progress::none;
    any = true;
    if (plan_.is_small) {
      if (!refused()) take_from_posts();
      finish();
    } else {
      begin_pipeline();
    }
  }
  if (stage_ == Stage::copying) {
    const Progress progress = moving_->advance();
    if (progress == Progress::complete) finish();
    any = any || progress == Progress::some;
  }
  if (stage_ == Stage::over) return Progress::complete;
  return any ? Progress::some : Progress::none;
}

void NodeCollective::post() {
  PublishedCall& own = published_call_of(peers_->number());
  own.digest = digest_;
  if (header_ != nullptr) own.header.become(*header_);
  if (!refused()) {
    const ConstBuffer input = input_of(*call_, peers_->number());
    if (!plan_.is_small) {
      const BufferHandles places = {peers_->handle_of(input.data, input.size_bytes()),
                                    peers_->handle_of(call_->output.data, call_->output.size_bytes())};
      std::memcpy(own.body, &places, sizeof places);
      if (participation_ == Participation::given && is_from_root(call_->collective))
        plan_.awaited = first_awaited(places);
    } else if (input.count > 0 && is_among(plan_.pattern.sources, peers_->number())) {
      std::memcpy(own.body, input.data, input.size_bytes());
    }
  }
  std::atomic<std::int32_t>& processor = peers_->own().processor;
  if (const int here = sched_getcpu(); processor.load(std::memory_order_relaxed) != here)
    processor.store(here, std::memory_order_relaxed);
  own.number.store(published_number(number_, refused()), std::memory_order_release);
}

/// Of a call in which all data come from the root: if it has to stage them, nothing else matters.
Who NodeCollective::first_awaited(const BufferHandles& own) const noexcept {
  if (peers_->number() != call_->root) return Who::root;
  return own.input.is_reachable() ? Who::all : Who::nobody;
}

/// Whether the peer, which was found not to have posted, is past this collective all the same.
bool NodeCollective::has_let_pass(int peer) const noexcept {
  if (participation_ == Participation::given || !peers_->has_passed(peer, number_)) return false;
  return published_call_of(peer).number.load(std::memory_order_acquire) < published_number(number_, false);
}

/// Whether all peers that have to have posted, and call alike.
bool NodeCollective::meet() {
  if (differs_) return false;
  if (plan_.awaited == Who::nobody) return true;
  for (; met_ < peers_->size(); ++met_) {
    if (!is_among(plan_.awaited, met_)) continue;
    const PublishedCall& theirs = published_call_of(met_);
    const std::uint64_t number = theirs.number.load(std::memory_order_acquire);
    if (number < published_number(number_, false)) {
      if (!has_let_pass(met_)) return false;
      participation_ = Participation::refused;
    } else if (declines(number)) {
      participation_ = Participation::refused;
    } else if (theirs.digest != digest_) {
      differs_ = true;
      return false;
    }
  }
  if (plan_.is_small || plan_.awaited != Who::root || refused()) return true;
  BufferHandles places;
  std::memcpy(&places, published_call_of(call_->root).body, sizeof places);
  if (!places.input.is_reachable()) return true;
  plan_.awaited = Who::all;
  met_ = 0;
  return meet();
}

/// Where the input of a rank is.
const std::byte* NodeCollective::posted(int number) const noexcept {
  if (number != peers_->number()) return published_call_of(number).body;
  return static_cast<const std::byte*>(input_of(*call_, number).data);
}

void NodeCollective::take_from_posts() {
  const int self = peers_->number();
  if (!is_among(plan_.pattern.owners, self)) return;
  if (call_->reduces()) return reduce_published();
  if (call_->collective == Collective::broadcast) {
    const Buffer& output = call_->output;
    if (output.count > 0) copy_bytes(output.data, posted(call_->root), output.size_bytes());
    return;
  }
  WorkSplit pieces(*call_, peers_->size());
  pieces.cut(plan_.pattern.cut, WorkSplit::Chunks::single);
  const std::size_t element = size_of(call_->dtype);
  for (int r = 0; r < peers_->size(); ++r) {
    if (!is_among(plan_.pattern.sources, r)) continue;
    const Piece piece = pieces.piece(self, r, 0);
    std::byte* const to = static_cast<std::byte*>(call_->output.data) + piece.output * element;
    const std::byte* const from = posted(r) + piece.input * element;
    if (piece.count > 0 && to != from) copy_bytes(to, from, piece.count * element);
  }
}

void NodeCollective::reduce_published() {
  constexpr int kFew = 16;
  std::array<ConstBuffer, kFew> few;
  std::vector<ConstBuffer> many;
  const int ranks = peers_->size();
  if (ranks > kFew) many.resize(static_cast<std::size_t>(ranks));
  const std::span<ConstBuffer> inputs =
      ranks > kFew ? std::span(many) : std::span(few).first(static_cast<std::size_t>(ranks));
  std::size_t first = 0;  // element of the inputs, of the result
  if (call_->collective == Collective::reduce_scatter) {
    const auto self = static_cast<std::size_t>(peers_->number());
    first = call_->is_uneven() ? call_->offsets[self] : call_->output.count * self;
  }
  for (int r = 0; r < ranks; ++r) {
    const std::byte* const from = posted(r) + first * size_of(call_->dtype);
    inputs[static_cast<std::size_t>(r)] = ConstBuffer(from, call_->output.count, call_->dtype);
  }
  reduce_all(call_->op, inputs, call_->output);
  finish_reduction(call_->op, call_->output, ranks);
}

/// Once all that matter have posted. Nothing is moved if a peer refused, but the turn has to pass all the same.
void NodeCollective::begin_pipeline() {
  if (moving_ == nullptr) moving_ = peers_->take_pipeline();
  if (refused()) {
    moving_->begin_nothing(*peers_, turn_);
  } else {
    moving_->begin(*peers_, *call_, number_, turn_, plan_.awaited == Who::all);
  }
  stage_ = Stage::copying;
}

void NodeCollective::finish() {
  stage_ = Stage::over;
  peers_->leave(number_, plan_.is_small);
  if (moving_ != nullptr) peers_->give_back(std::move(moving_));
}

bool NodeCollective::awaits(int peer) const noexcept {
  switch (stage_) {
    case Stage::posting:
      return peers_->rank_block(peer).left.load(std::memory_order_acquire) + kPublishedCalls <= number_;
    case Stage::meeting:
      return is_among(plan_.awaited, peer) &&
             published_call_of(peer).number.load(std::memory_order_acquire) < published_number(number_, false);
    case Stage::copying:
      return moving_->awaits(peer);
    case Stage::over:
      break;
  }
  return false;
}

bool NodeCollective::is_in_the_way() const noexcept {
  const int here = sched_getcpu();
  const int self = peers_->number();
  for (int r = 0; r < peers_->size(); ++r) {
    if (r != self && peers_->rank_block(r).processor.load(std::memory_order_relaxed) == here && awaits(r)) return true;
  }
  return false;
}

std::vector<int> NodeCollective::awaited() const {
  std::vector<int> found;
  for (int r = 0; r < peers_->size(); ++r) {
    if (r != peers_->number() && awaits(r)) found.push_back(r);
  }
  return found;
}

}  // namespace tutti::detail
