// Collectives in each other's memory; see direct.hpp.
#include <sched.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include <tutti/collectives/node/direct.hpp>
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
    return block <= kPostedBytes && block * ranks <= kMostRead;
  }
  const std::size_t bytes = call.data_count * element;
  const bool is_read_by_all = call.collective == Collective::allreduce || call.collective == Collective::reduce;
  return bytes <= kPostedBytes && (!is_read_by_all || bytes * ranks <= kMostRead);
}

}  // namespace

DirectPlan plan_direct(const Call& call, int number, int ranks) noexcept {
  DirectPlan plan = {.pattern = pulling_pattern(call.collective),
                     .is_small = is_small(call, static_cast<std::size_t>(ranks))};
  if (plan.is_small && call.collective != Collective::barrier) {
    const bool takes = is_among(plan.pattern.owners, number, number, call.root);
    plan.awaited = takes ? plan.pattern.sources : Who::nobody;
  }
  return plan;
}

DirectCollective::DirectCollective(NodeMates& mates, const Call& call, const DirectPlan& plan, const KeptHeader* header,
                                   std::uint64_t digest, Consent consent)
    : mates_(&mates),
      call_(&call),
      digest_(digest),
      number_(mates.take_number()),
      consent_(consent),
      plan_(plan),
      header_(header) {
  if (refused()) {
    plan_ = {};
  } else if (!plan_.is_small) {
    turn_ = mates.take_turn();
  } else if (consent == Consent::asked) {
    plan_.awaited = Who::all;
  }
}

DirectCollective::DirectCollective(NodeMates& mates, const Call& call, const KeptHeader* header, std::uint64_t digest,
                                   const Ticket& ticket)
    : mates_(&mates),
      call_(&call),
      digest_(digest),
      number_(ticket.number),
      turn_(ticket.turn),
      consent_(Consent::given),
      plan_{.is_small = false},
      header_(header) {}

Task::Progress DirectCollective::advance() {
  using Progress = Task::Progress;
  bool any = false;
  if (stage_ == Stage::posting) {
    if (!mates_->may_post(number_)) return Progress::none;
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
      begin_moving();
    }
  }
  if (stage_ == Stage::moving) {
    const Progress progress = moving_->advance();
    if (progress == Progress::complete) finish();
    any = any || progress == Progress::some;
  }
  if (stage_ == Stage::over) return Progress::complete;
  return any ? Progress::some : Progress::none;
}

void DirectCollective::post() {
  Post& own = post_of(mates_->number());
  own.digest = digest_;
  if (header_ != nullptr) own.header.become(*header_);
  if (!refused()) {
    const ConstBuffer input = input_of(*call_, mates_->number());
    if (!plan_.is_small) {
      const Places places = {mates_->place_of(input.data, input.size_bytes()),
                             mates_->place_of(call_->output.data, call_->output.size_bytes())};
      std::memcpy(own.body, &places, sizeof places);
      if (consent_ == Consent::given && is_from_root(call_->collective)) plan_.awaited = first_awaited(places);
    } else if (input.count > 0 && is_among(plan_.pattern.sources, mates_->number())) {
      std::memcpy(own.body, input.data, input.size_bytes());
    }
  }
  std::atomic<std::int32_t>& processor = mates_->own().processor;
  if (const int here = sched_getcpu(); processor.load(std::memory_order_relaxed) != here)
    processor.store(here, std::memory_order_relaxed);
  own.number.store(posted_number(number_, refused()), std::memory_order_release);
}

/// Of a call in which all data come from the root: if it has to stage them, nothing else matters.
Who DirectCollective::first_awaited(const Places& own) const noexcept {
  if (mates_->number() != call_->root) return Who::root;
  return own.input.is_reachable() ? Who::all : Who::nobody;
}

/// Whether the mate, which was found not to have posted, is past this collective all the same.
bool DirectCollective::has_let_pass(int mate) const noexcept {
  if (consent_ == Consent::given || !mates_->has_passed(mate, number_)) return false;
  return post_of(mate).number.load(std::memory_order_acquire) < posted_number(number_, false);
}

/// Whether all mates that have to have posted, and call alike.
bool DirectCollective::meet() {
  if (differs_) return false;
  if (plan_.awaited == Who::nobody) return true;
  for (; met_ < mates_->size(); ++met_) {
    if (!is_among(plan_.awaited, met_)) continue;
    const Post& theirs = post_of(met_);
    const std::uint64_t number = theirs.number.load(std::memory_order_acquire);
    if (number < posted_number(number_, false)) {
      if (!has_let_pass(met_)) return false;
      consent_ = Consent::refused;
    } else if (declines(number)) {
      consent_ = Consent::refused;
    } else if (theirs.digest != digest_) {
      differs_ = true;
      return false;
    }
  }
  if (plan_.is_small || plan_.awaited != Who::root || refused()) return true;
  Places places;
  std::memcpy(&places, post_of(call_->root).body, sizeof places);
  if (!places.input.is_reachable()) return true;
  plan_.awaited = Who::all;
  met_ = 0;
  return meet();
}

/// Where the input of a rank is.
const std::byte* DirectCollective::posted(int number) const noexcept {
  if (number != mates_->number()) return post_of(number).body;
  return static_cast<const std::byte*>(input_of(*call_, number).data);
}

void DirectCollective::take_from_posts() {
  const int self = mates_->number();
  if (!is_among(plan_.pattern.owners, self)) return;
  if (call_->reduces()) return combine_posts();
  if (call_->collective == Collective::broadcast) {
    const Buffer& output = call_->output;
    if (output.count > 0) copy_bytes(output.data, posted(call_->root), output.size_bytes());
    return;
  }
  Pieces pieces(*call_, mates_->size());
  pieces.cut(plan_.pattern.cut, Pieces::Chunks::single);
  const std::size_t element = size_of(call_->dtype);
  for (int r = 0; r < mates_->size(); ++r) {
    if (!is_among(plan_.pattern.sources, r)) continue;
    const Piece piece = pieces.piece(self, r, 0);
    std::byte* const to = static_cast<std::byte*>(call_->output.data) + piece.output * element;
    const std::byte* const from = posted(r) + piece.input * element;
    if (piece.count > 0 && to != from) copy_bytes(to, from, piece.count * element);
  }
}

void DirectCollective::combine_posts() {
  constexpr int kFew = 16;
  std::array<ConstBuffer, kFew> few;
  std::vector<ConstBuffer> many;
  const int ranks = mates_->size();
  if (ranks > kFew) many.resize(static_cast<std::size_t>(ranks));
  const std::span<ConstBuffer> inputs =
      ranks > kFew ? std::span(many) : std::span(few).first(static_cast<std::size_t>(ranks));
  std::size_t first = 0;  // element of the inputs, of the result
  if (call_->collective == Collective::reduce_scatter) {
    const auto self = static_cast<std::size_t>(mates_->number());
    first = call_->is_uneven() ? call_->offsets[self] : call_->output.count * self;
  }
  for (int r = 0; r < ranks; ++r) {
    const std::byte* const from = posted(r) + first * size_of(call_->dtype);
    inputs[static_cast<std::size_t>(r)] = ConstBuffer(from, call_->output.count, call_->dtype);
  }
  combine_all(call_->op, inputs, call_->output);
  finish_reduction(call_->op, call_->output, ranks);
}

/// Once all that matter have posted. Nothing is moved if a mate refused, but the turn has to pass all the same.
void DirectCollective::begin_moving() {
  if (moving_ == nullptr) moving_ = mates_->take_moving();
  if (refused()) {
    moving_->begin_nothing(*mates_, turn_);
  } else {
    moving_->begin(*mates_, *call_, number_, turn_, plan_.awaited == Who::all);
  }
  stage_ = Stage::moving;
}

void DirectCollective::finish() {
  stage_ = Stage::over;
  mates_->leave(number_, plan_.is_small);
  if (moving_ != nullptr) mates_->give_back(std::move(moving_));
}

bool DirectCollective::awaits(int mate) const noexcept {
  switch (stage_) {
    case Stage::posting:
      return mates_->board(mate).left.load(std::memory_order_acquire) + kPosts <= number_;
    case Stage::meeting:
      return is_among(plan_.awaited, mate) &&
             post_of(mate).number.load(std::memory_order_acquire) < posted_number(number_, false);
    case Stage::moving:
      return moving_->awaits(mate);
    case Stage::over:
      break;
  }
  return false;
}

bool DirectCollective::is_in_the_way() const noexcept {
  const int here = sched_getcpu();
  const int self = mates_->number();
  for (int r = 0; r < mates_->size(); ++r) {
    if (r != self && mates_->board(r).processor.load(std::memory_order_relaxed) == here && awaits(r)) return true;
  }
  return false;
}

std::vector<int> DirectCollective::awaited() const {
  std::vector<int> found;
  for (int r = 0; r < mates_->size(); ++r) {
    if (r != mates_->number() && awaits(r)) found.push_back(r);
  }
  return found;
}

}  // namespace tutti::detail
