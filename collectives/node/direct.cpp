// Collectives in each other's memory; see direct.hpp.
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

/// What goes to several places does so from the first-level cache.
constexpr std::size_t kBlockBytes = std::size_t{8} << 10;

/// Data of so many bytes and more bypass the caches on their way to outputs.
constexpr std::size_t kStreamFrom = std::size_t{4} << 20;

void copy_to(std::byte* to, const std::byte* from, std::size_t bytes, bool streams) noexcept {
  if (to == from) return;
  if (streams) {
    stream_bytes(to, from, bytes);
  } else {
    copy_bytes(to, from, bytes);
  }
}

/// Copies to all of `targets`, of which one may be where the bytes are.
void copy_into(const std::byte* from, std::size_t bytes, std::span<std::byte* const> targets, bool streams) noexcept {
  const std::size_t step = targets.size() == 1 ? bytes : kBlockBytes;
  for (std::size_t first = 0; first < bytes; first += step) {
    const std::size_t n = std::min(step, bytes - first);
    for (std::byte* const target : targets) copy_to(target + first, from + first, n, streams);
  }
}

/// Combines `inputs`, to be found at all of `targets`. Each target may be exactly one of the inputs.
void combine_into(ReduceOp op, std::span<const ConstBuffer> inputs, std::span<std::byte* const> targets, bool streams,
                  std::vector<ConstBuffer>& parts) {
  const DType dtype = inputs.front().dtype;
  const std::size_t count = inputs.front().count;
  const auto contributions = static_cast<int>(inputs.size());
  if (targets.size() == 1 && !streams) {
    const Buffer out(targets.front(), count, dtype);
    combine_all(op, inputs, out);
    return finish_reduction(op, out, contributions);
  }
  alignas(kCacheLine) std::array<std::byte, kBlockBytes> block;
  const std::size_t element = size_of(dtype);
  const std::size_t step = kBlockBytes / element;
  parts.resize(inputs.size());
  for (std::size_t first = 0; first < count; first += step) {
    const std::size_t n = std::min(step, count - first);
    for (std::size_t i = 0; i < parts.size(); ++i) parts[i] = inputs[i].slice(first, n);
    const Buffer out(block.data(), n, dtype);
    combine_all(op, parts, out);
    finish_reduction(op, out, contributions);
    for (std::byte* const target : targets) copy_to(target + first * element, block.data(), n * element, streams);
  }
}

/// Copies pieces one after the other, those that follow each other in both places at once.
class JoiningCopy {
 public:
  void add(std::byte* to, const std::byte* from, std::size_t bytes) noexcept {
    if (to == to_ + bytes_ && from == from_ + bytes_) {
      bytes_ += bytes;
      return;
    }
    flush();
    to_ = to;
    from_ = from;
    bytes_ = bytes;
  }
  void flush() noexcept { copy_bytes(to_, from_, std::exchange(bytes_, 0)); }

 private:
  std::byte* to_ = nullptr;
  const std::byte* from_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace

DirectCollective::DirectCollective(NodeMates& mates, const Call& call, const Header& header, std::uint64_t digest,
                                   Consent consent)
    : mates_(mates),
      input_(call.input),
      output_(call.output),
      collective_(call.collective),
      dtype_(call.dtype),
      op_(call.op),
      root_(call.root),
      header_(header),
      digest_(digest),
      number_(mates.take_number()),
      consent_(consent),
      pattern_(pulling_pattern(call.collective)) {
  if (refused()) return;
  if (collective_ == Collective::broadcast && is_self(root_)) input_ = output_;
  if (collective_ == Collective::broadcast && !is_self(root_)) input_ = {};
  pieces_ = Pieces(call, mates.size());
  lists_ = mates.take_lists();
  has_lists_ = true;
  const auto inputs = pattern_.sources == Who::all ? static_cast<std::size_t>(mates_.size()) : 1;
  is_small_ = pieces_.input_bytes() <= kPostedBytes && pieces_.read_bytes() * inputs <= kMostRead;
  if (is_small_) {
    pieces_.cut(pattern_.cut, Pieces::Chunks::single);
  } else {
    turn_ = mates.take_turn();
  }
}

bool DirectCollective::is_among(Who who, int rank) const noexcept {
  switch (who) {
    case Who::nobody:
      return false;
    case Who::self:
      return is_self(rank);
    case Who::root:
      return rank == root_;
    case Who::all_but_root:
      return rank != root_;
    case Who::all:
      break;
  }
  return true;
}

/// Whose posts this rank has to see before it does anything else.
Who DirectCollective::met_before() const noexcept {
  if (consent_ == Consent::asked || collective_ == Collective::barrier || !is_small_) return Who::all;
  return is_among(pattern_.owners, mates_.number()) ? pattern_.sources : Who::nobody;
}

Task::Progress DirectCollective::advance() {
  using Progress = Task::Progress;
  bool any = false;
  if (stage_ == Stage::posting) {
    if (!mates_.may_post(number_)) return Progress::none;
    post();
    stage_ = Stage::meeting;
    any = true;
  }
  if (stage_ == Stage::meeting) {
    const int before = met_;
    if (!refused() && !meet()) return any || met_ != before ? Progress::some : Progress::none;
    if (is_small_) {
      if (!refused()) take_from_posts();
      finish();
      return Progress::complete;
    }
    if (refused()) {
      pieces_ = {};  // its turn has to come all the same
    } else {
      map_mates();
    }
    stage_ = Stage::moving;
    any = true;
  }
  if (stage_ == Stage::moving) any = advance_chunks() || any;
  if (stage_ == Stage::over) return Progress::complete;
  return any ? Progress::some : Progress::none;
}

void DirectCollective::post() {
  Post& own_post = post_of(mates_.number());
  own_post.digest = digest_;
  own_post.header = header_;
  if (!refused() && !is_small_) {
    const Places places = {mates_.place_of(input_.data, input_.size_bytes()),
                           mates_.place_of(output_.data, output_.size_bytes())};
    std::memcpy(own_post.body, &places, sizeof places);
  } else if (!refused() && is_among(pattern_.sources, mates_.number()) && input_.count > 0) {
    std::memcpy(own_post.body, input_.data, input_.size_bytes());
  }
  own_post.number.store(posted_number(number_, refused()), std::memory_order_release);
}

/// Whether all mates that have to have posted, and call alike.
bool DirectCollective::meet() {
  if (differing_) return false;
  const Who awaited = met_before();
  for (; met_ < mates_.size(); ++met_) {
    if (!is_among(awaited, met_)) continue;
    const Post& theirs = post_of(met_);
    const std::uint64_t number = theirs.number.load(std::memory_order_acquire);
    if (number < posted_number(number_, false)) return false;
    if (declines(number)) {
      consent_ = Consent::refused;
    } else if (theirs.digest != digest_) {
      differing_ = met_;
      return false;
    }
  }
  return true;
}

void DirectCollective::take_from_posts() {
  if (!is_among(pattern_.owners, mates_.number())) return;
  if (reduces(collective_)) {
    combine_piece();
  } else {
    copy_pieces();
  }
}

/// Learns whose memory can be mapped, and decides how the data are moved.
void DirectCollective::map_mates() {
  mates_.tidy_up();
  const bool has_root_output = collective_ == Collective::reduce || collective_ == Collective::gather;
  std::vector<Mapped>& mapped = lists_.mapped;
  mapped.assign(static_cast<std::size_t>(mates_.size()), {});
  bool inputs = true;
  bool outputs = true;
  bool root_input = true;
  const auto places_of = [&](int r) {
    Places places;
    std::memcpy(&places, post_of(r).body, sizeof places);
    return places;
  };
  for (int r = 0; r < mates_.size(); ++r) {
    const Places places = places_of(r);
    const bool has_input = places.input.allocation != 0;
    if (is_among(pattern_.sources, r)) inputs = inputs && has_input;
    if (r == root_) root_input = has_input;
    if (!has_root_output || r == root_) outputs = outputs && places.output.allocation != 0;
  }
  pattern_ = pattern_of(collective_, outputs, root_input);
  reads_staged_ = pattern_.sources != Who::self && !inputs;
  writes_staged_ = pattern_.cut == Cut::shares && !outputs;
  for (int r = 0; r < mates_.size(); ++r) {
    const Places places = places_of(r);
    const bool is_read = pattern_.sources != Who::self && is_among(pattern_.sources, r);
    const bool is_written = pattern_.targets != Who::self && is_among(pattern_.targets, r);
    Mapped& mate = mapped[static_cast<std::size_t>(r)];
    const bool has_input = places.input.allocation != 0;
    const bool has_output = places.output.allocation != 0;
    if (is_self(r)) {
      mate = {static_cast<const std::byte*>(input_.data), static_cast<std::byte*>(output_.data)};
      stages_ = is_read && !has_input;
      takes_ = is_written && !has_output;
      is_touched_ = (is_read && has_input) || (is_written && has_output);
    } else if (is_among(pattern_.owners, mates_.number())) {  // others may have left, and freed
      if (is_read && has_input) mate.input = mates_.address_of(r, places.input);
      if (is_written && has_output) mate.output = mates_.address_of(r, places.output);
    }
  }
  pieces_.cut(pattern_.cut, reads_staged_ || writes_staged_ ? Pieces::Chunks::staged : Pieces::Chunks::mapped);
}

bool DirectCollective::advance_chunks() {
  if (!mates_.is_turn(turn_)) return false;
  if (!has_begun_) begin_chunks();
  bool any = take();
  any = move() || any;
  any = fill() || any;
  if (is_over()) {
    finish();
    return true;
  }
  return any || mates_got_further();
}

/// This rank's turn has come. What it has not to do with any chunk is done.
void DirectCollective::begin_chunks() {
  has_begun_ = true;
  first_ = mates_.first_chunk();
  if (!stages_) filled_ = pieces_.chunks();
  if (!is_among(pattern_.owners, mates_.number())) moved_ = pieces_.chunks();
  if (!takes_) taken_ = pieces_.chunks();
  own().filled.store(first_ + filled_, std::memory_order_release);
  own().moved.store(first_ + moved_, std::memory_order_release);
  own().taken.store(first_ + taken_, std::memory_order_release);
}

/// Whether any rank has moved more than when this was last asked: one that waits for it is not stuck.
bool DirectCollective::mates_got_further() noexcept {
  std::uint64_t sum = 0;
  for (int r = 0; r < mates_.size(); ++r) sum += counters(r).moved.load(std::memory_order_relaxed);
  return std::exchange(moved_by_all_, sum) != sum;
}

bool DirectCollective::have(Who who, Counter counter, std::uint64_t least) const noexcept {
  for (int r = 0; r < mates_.size(); ++r) {
    if (is_among(who, r) && (counters(r).*counter).load(std::memory_order_acquire) < least) return false;
  }
  return true;
}

/// What all ranks must have counted before a chunk can be staged: what lay in its place has been read then.
std::uint64_t DirectCollective::once_free(std::uint64_t chunk) const noexcept {
  const std::uint64_t number = first_ + chunk + 1;
  return number < kStagedChunks ? 0 : number - kStagedChunks;
}

/// Where `rank` has a piece that this one reads.
const std::byte* DirectCollective::source(int rank, const Piece& piece) const noexcept {
  const std::size_t element = size_of(dtype_);
  if (is_self(rank)) return static_cast<const std::byte*>(input_.data) + piece.input * element;
  if (stage_ != Stage::moving) return post_of(rank).body + piece.input * element;
  const std::byte* const mapped = lists_.mapped[static_cast<std::size_t>(rank)].input;
  if (mapped != nullptr) return mapped + piece.input * element;
  return mates_.staging(rank).inputs[slot(moved_)] + piece.staged * element;
}

/// Lists where a piece of this rank's belongs.
void DirectCollective::find_targets(const Piece& piece) {
  const std::size_t element = size_of(dtype_);
  std::vector<std::byte*>& targets = lists_.targets;
  targets.clear();
  if (pattern_.targets == Who::self) {
    targets.push_back(static_cast<std::byte*>(output_.data) + piece.output * element);
    return;
  }
  for (int r = 0; r < mates_.size(); ++r) {
    std::byte* const output = lists_.mapped[static_cast<std::size_t>(r)].output;
    if (output != nullptr && is_among(pattern_.targets, r)) targets.push_back(output + piece.output * element);
  }
  if (writes_staged_) targets.push_back(mates_.staging(mates_.number()).results[slot(moved_)] + piece.staged * element);
}

bool DirectCollective::streams() const noexcept { return !writes_staged_ && pieces_.all_bytes() >= kStreamFrom; }

void DirectCollective::combine_piece() {
  const int self = mates_.number();
  const Piece piece = pieces_.piece(self, self, moved_);
  if (piece.count == 0) return;
  lists_.inputs.clear();
  for (int r = 0; r < mates_.size(); ++r) lists_.inputs.emplace_back(source(r, piece), piece.count, dtype_);
  find_targets(piece);
  combine_into(op_, lists_.inputs, lists_.targets, streams(), lists_.parts);
}

void DirectCollective::copy_pieces() {
  for (int r = 0; r < mates_.size(); ++r) {
    if (!is_among(pattern_.sources, r)) continue;
    const Piece piece = pieces_.piece(mates_.number(), r, moved_);
    if (piece.count == 0) continue;
    find_targets(piece);
    copy_into(source(r, piece), piece.count * size_of(dtype_), lists_.targets, streams());
  }
}

/// Stages a chunk of what others read of the input.
bool DirectCollective::fill() {
  if (filled_ == pieces_.chunks() || !have(Who::all, &Counters::moved, once_free(filled_))) return false;
  const std::size_t element = size_of(dtype_);
  const int self = mates_.number();
  const auto* const from = static_cast<const std::byte*>(input_.data);
  std::byte* const to = mates_.staging(self).inputs[slot(filled_)];
  const bool is_for_each = pattern_.cut == Cut::shares || !has_own_input(collective_);
  JoiningCopy copy;
  for (int owner = 0; owner < mates_.size(); ++owner) {
    if (is_self(owner) || !is_among(pattern_.owners, owner)) continue;
    const Piece piece = pieces_.piece(owner, self, filled_);
    copy.add(to + piece.staged * element, from + piece.input * element, piece.count * element);
    if (pattern_.cut == Cut::whole || !is_for_each) break;
  }
  copy.flush();
  ++filled_;
  own().filled.store(first_ + filled_, std::memory_order_release);
  return true;
}

/// Moves this rank's pieces of a chunk.
bool DirectCollective::move() {
  if (moved_ == pieces_.chunks()) return false;
  if (reads_staged_ && !have(pattern_.sources, &Counters::filled, first_ + moved_ + 1)) return false;
  if (writes_staged_ && !have(Who::all, &Counters::taken, once_free(moved_))) return false;
  if (reduces(collective_)) {
    combine_piece();
  } else {
    copy_pieces();
  }
  ++moved_;
  own().moved.store(first_ + moved_, std::memory_order_release);
  return true;
}

/// Copies what others staged of a result to the output.
bool DirectCollective::take() {
  if (taken_ == pieces_.chunks() || taken_ == moved_) return false;
  if (!have(Who::all, &Counters::moved, first_ + taken_ + 1)) return false;
  const std::size_t element = size_of(dtype_);
  for (int owner = 0; owner < mates_.size(); ++owner) {
    if (is_self(owner)) continue;
    const Piece piece = pieces_.piece(owner, owner, taken_);
    copy_bytes(static_cast<std::byte*>(output_.data) + piece.output * element,
               mates_.staging(owner).results[slot(taken_)] + piece.staged * element, piece.count * element);
  }
  ++taken_;
  own().taken.store(first_ + taken_, std::memory_order_release);
  return true;
}

/// Whether nothing is left to be done here, nor by others with this rank's memory.
bool DirectCollective::is_over() const noexcept {
  const std::uint64_t all = pieces_.chunks();
  return moved_ == all && taken_ == all && filled_ == all &&
         (!is_touched_ || have(pattern_.owners, &Counters::moved, first_ + all));
}

void DirectCollective::finish() {
  if (stage_ == Stage::moving) mates_.end_turn(pieces_.chunks());
  stage_ = Stage::over;
  mates_.leave(number_);
  if (has_lists_) mates_.give_back(std::move(lists_));
}

std::vector<int> DirectCollective::awaited() const {
  const auto count = [](const std::atomic<std::uint64_t>& counter) { return counter.load(std::memory_order_acquire); };
  const std::uint64_t all = pieces_.chunks();
  const auto lacks = [&](int r) {
    const Counters& theirs = counters(r);
    switch (stage_) {
      case Stage::posting:
        return count(mates_.board(r).left) + kPosts <= number_;
      case Stage::meeting:
        return is_among(met_before(), r) && count(post_of(r).number) < posted_number(number_, false);
      case Stage::moving:
        if (!has_begun_) return count(theirs.moved) <= mates_.first_chunk();
        return (reads_staged_ && moved_ < all && is_among(pattern_.sources, r) &&
                count(theirs.filled) <= first_ + moved_) ||
               (writes_staged_ && moved_ < all && count(theirs.taken) < once_free(moved_)) ||
               (filled_ < all && count(theirs.moved) < once_free(filled_)) ||
               (taken_ < all && count(theirs.moved) <= first_ + taken_) ||
               (is_touched_ && is_among(pattern_.owners, r) && count(theirs.moved) < first_ + all);
      case Stage::over:
        break;
    }
    return false;
  };
  std::vector<int> found;
  for (int r = 0; r < mates_.size(); ++r) {
    if (!is_self(r) && lacks(r)) found.push_back(r);
  }
  return found;
}

}  // namespace tutti::detail
