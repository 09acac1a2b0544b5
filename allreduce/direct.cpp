// Allreduce in each other's memory; see direct.hpp.
#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include <tutti/allreduce/direct.hpp>
#include <tutti/kernels/copy.hpp>

namespace tutti::detail {
namespace {

/// Where all ranks read all inputs, so much at most is read.
constexpr std::size_t kMostRead = std::size_t{32} << 10;

/// Results go to several places from the first-level cache.
constexpr std::size_t kBlockBytes = std::size_t{8} << 10;

/// Where all is mapped, a rank combines so much before it looks at anything else.
constexpr std::size_t kShareBytes = std::size_t{1} << 20;

/// Outputs of so many bytes and more bypass the caches.
constexpr std::size_t kStreamFrom = std::size_t{4} << 20;

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
    for (std::byte* const target : targets) {
      if (streams) {
        stream_bytes(target + first * element, block.data(), n * element);
      } else {
        copy_bytes(target + first * element, block.data(), n * element);
      }
    }
  }
}

/// As cut() of equal parts, but at whole cache lines.
std::size_t cut(std::size_t count, std::size_t element, int i, int parts) noexcept {
  const std::size_t line = kCacheLine / element;
  const std::size_t lines = (count + line - 1) / line;
  const auto at = static_cast<std::size_t>(i);
  const auto of = static_cast<std::size_t>(parts);
  return std::min(count, (lines / of * at + std::min(at, lines % of)) * line);
}

}  // namespace

DirectAllreduce::DirectAllreduce(NodeMates& mates, ConstBuffer input, Buffer output, ReduceOp op, const Header& header,
                                 std::uint64_t digest)
    : mates_(mates),
      input_(input),
      output_(output),
      op_(op),
      header_(header),
      digest_(digest),
      number_(mates.take_number()) {
  if (is_small()) return;
  chunked_ = mates.take_chunked();
  lists_ = mates.take_lists();
}

bool DirectAllreduce::is_small() const noexcept {
  const std::size_t bytes = input_.size_bytes();
  return bytes <= kPostedBytes && bytes * static_cast<std::size_t>(mates_.size()) <= kMostRead;
}

Task::Progress DirectAllreduce::advance() {
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
    if (!meet()) return any || met_ != before ? Progress::some : Progress::none;
    if (is_small()) {
      combine_posts();
      finish();
      return Progress::complete;
    }
    map_mates();
    stage_ = Stage::in_chunks;
    any = true;
  }
  if (stage_ == Stage::in_chunks) any = advance_chunks() || any;
  if (stage_ == Stage::over) return Progress::complete;
  return any ? Progress::some : Progress::none;
}

void DirectAllreduce::post() {
  Post& own = post_of(mates_.number());
  own.digest = digest_;
  own.header = header_;
  if (is_small()) {
    if (input_.count > 0) std::memcpy(own.body, input_.data, input_.size_bytes());
  } else {
    const Places places = {mates_.place_of(input_.data, input_.size_bytes()),
                           mates_.place_of(output_.data, output_.size_bytes())};
    std::memcpy(own.body, &places, sizeof places);
  }
  own.number.store(number_ + 1, std::memory_order_release);
}

/// Whether all mates have posted, and call alike.
bool DirectAllreduce::meet() {
  if (differing_) return false;
  for (; met_ < mates_.size(); ++met_) {
    const Post& theirs = post_of(met_);
    if (theirs.number.load(std::memory_order_acquire) != number_ + 1) return false;
    if (theirs.digest != digest_) {
      differing_ = met_;
      return false;
    }
  }
  return true;
}

void DirectAllreduce::combine_posts() {
  NodeLists lists = mates_.take_lists();
  lists.inputs.clear();
  for (int r = 0; r < mates_.size(); ++r) lists.inputs.emplace_back(post_of(r).body, input_.count, input_.dtype);
  combine_all(op_, lists.inputs, output_);
  mates_.give_back(std::move(lists));
  finish_reduction(op_, output_, mates_.size());
}

void DirectAllreduce::map_mates() {
  const std::size_t element = size_of(input_.dtype);
  mates_.tidy_up();
  lists_.mapped.assign(static_cast<std::size_t>(mates_.size()), {});
  for (int r = 0; r < mates_.size(); ++r) {
    Mapped& mate = lists_.mapped[static_cast<std::size_t>(r)];
    Places places;
    std::memcpy(&places, post_of(r).body, sizeof places);
    const bool has_input = places.input.allocation != 0;
    const bool has_output = places.output.allocation != 0;
    if (r == mates_.number()) {
      mate = {static_cast<const std::byte*>(input_.data), static_cast<std::byte*>(output_.data)};
      stages_input_ = !has_input;
      takes_ = !has_output;
    } else {
      if (has_input) mate.input = mates_.address_of(r, places.input);
      if (has_output) mate.output = mates_.address_of(r, places.output);
    }
    reads_staged_ = reads_staged_ || !has_input;
    writes_staged_ = writes_staged_ || !has_output;
  }
  const std::size_t chunk_bytes =
      reads_staged_ || writes_staged_ ? kChunkBytes : kShareBytes * static_cast<std::size_t>(mates_.size());
  chunk_elements_ = chunk_bytes / element;
  chunks_ = (input_.count + chunk_elements_ - 1) / chunk_elements_;
}

bool DirectAllreduce::advance_chunks() {
  // Those before this one first.
  if (counters(mates_.number()).taken.load(std::memory_order_relaxed) < base()) return false;
  bool any = take();
  any = reduce() || any;
  any = fill() || any;
  if (reduced_ == chunks_ && taken_ == chunks_ && have_all(&Counters::reduced, base() + chunks_)) {
    finish();
    return true;
  }
  return any || mates_got_further();
}

/// Whether any rank has combined more than when this was last asked: one that waits for it is not stuck.
bool DirectAllreduce::mates_got_further() noexcept {
  std::uint64_t sum = 0;
  for (int r = 0; r < mates_.size(); ++r) sum += counters(r).reduced.load(std::memory_order_relaxed);
  return std::exchange(reduced_by_all_, sum) != sum;
}

bool DirectAllreduce::have_all(Counter counter, std::uint64_t least) const noexcept {
  for (int r = 0; r < mates_.size(); ++r) {
    if ((counters(r).*counter).load(std::memory_order_acquire) < least) return false;
  }
  return true;
}

/// Whether everyone has read what lay where chunk `index` is to be staged.
bool DirectAllreduce::is_free_slot(Counter counter, std::uint64_t index) const noexcept {
  return have_all(counter, index < kStagedChunks ? base() : base() + index - kStagedChunks + 1);
}

DirectAllreduce::Range DirectAllreduce::chunk(std::uint64_t index) const noexcept {
  const std::size_t first = index * chunk_elements_;
  return {first, std::min(chunk_elements_, input_.count - first)};
}

DirectAllreduce::Range DirectAllreduce::share(Range of, int number) const noexcept {
  const std::size_t element = size_of(input_.dtype);
  const std::size_t first = cut(of.count, element, number, mates_.size());
  return {of.first + first, cut(of.count, element, number + 1, mates_.size()) - first};
}

/// Stages a chunk of the input, but for this rank's own share.
bool DirectAllreduce::fill() {
  if (filled_ == chunks_) return false;
  if (stages_input_) {
    if (!is_free_slot(&Counters::reduced, filled_)) return false;
    const std::size_t element = size_of(input_.dtype);
    const auto* const from = static_cast<const std::byte*>(input_.data);
    std::byte* const to = mates_.staging(mates_.number()).inputs[filled_ % kStagedChunks];
    const Range all = chunk(filled_);
    const Range own = share(all, mates_.number());
    const std::size_t after = own.first + own.count;
    copy_bytes(to, from + all.first * element, (own.first - all.first) * element);
    copy_bytes(to + (after - all.first) * element, from + after * element, (all.first + all.count - after) * element);
  }
  ++filled_;
  counters(mates_.number()).filled.store(base() + filled_, std::memory_order_release);
  return true;
}

/// Combines this rank's share of a chunk.
bool DirectAllreduce::reduce() {
  if (reduced_ == chunks_) return false;
  if (reads_staged_ && !have_all(&Counters::filled, base() + reduced_ + 1)) return false;
  if (writes_staged_ && !is_free_slot(&Counters::taken, reduced_)) return false;
  const std::size_t element = size_of(input_.dtype);
  const std::size_t slot = reduced_ % kStagedChunks;
  const Range all = chunk(reduced_);
  const Range own = share(all, mates_.number());
  const std::size_t staged_at = (own.first - all.first) * element;
  auto& [mapped, inputs, parts, targets] = lists_;
  inputs.clear();
  targets.clear();
  for (int r = 0; r < mates_.size(); ++r) {
    const Mapped& mate = mapped[static_cast<std::size_t>(r)];
    const std::byte* const from =
        mate.input != nullptr ? mate.input + own.first * element : mates_.staging(r).inputs[slot] + staged_at;
    inputs.emplace_back(from, own.count, input_.dtype);
    if (mate.output != nullptr) targets.push_back(mate.output + own.first * element);
  }
  if (writes_staged_) targets.push_back(mates_.staging(mates_.number()).results[slot] + staged_at);
  const bool streams = !writes_staged_ && output_.size_bytes() >= kStreamFrom;
  if (own.count > 0) combine_into(op_, inputs, targets, streams, parts);
  ++reduced_;
  counters(mates_.number()).reduced.store(base() + reduced_, std::memory_order_release);
  return true;
}

/// Copies the others' shares of a chunk to the output.
bool DirectAllreduce::take() {
  if (taken_ == chunks_) return false;
  if (takes_) {
    if (taken_ == reduced_ || !have_all(&Counters::reduced, base() + taken_ + 1)) return false;
    const std::size_t element = size_of(input_.dtype);
    const Range all = chunk(taken_);
    for (int r = 0; r < mates_.size(); ++r) {
      if (r == mates_.number()) continue;
      const Range theirs = share(all, r);
      copy_bytes(static_cast<std::byte*>(output_.data) + theirs.first * element,
                 mates_.staging(r).results[taken_ % kStagedChunks] + (theirs.first - all.first) * element,
                 theirs.count * element);
    }
  }
  ++taken_;
  counters(mates_.number()).taken.store(base() + taken_, std::memory_order_release);
  return true;
}

void DirectAllreduce::finish() {
  stage_ = Stage::over;
  mates_.leave(number_);
  if (is_small()) return;
  mates_.give_back(std::move(lists_));
  Counters& own = counters(mates_.number());
  const std::uint64_t next = chunk_base(chunked_ + 1);
  own.filled.store(next, std::memory_order_release);
  own.reduced.store(next, std::memory_order_release);
  own.taken.store(next, std::memory_order_release);
}

std::vector<int> DirectAllreduce::awaited() const {
  std::vector<int> found;
  for (int r = 0; r < mates_.size(); ++r) {
    bool lacks = false;
    if (stage_ == Stage::posting) {
      lacks = mates_.board(r).left.load(std::memory_order_acquire) + kPosts <= number_;
    } else if (stage_ == Stage::meeting) {
      lacks = post_of(r).number.load(std::memory_order_acquire) != number_ + 1;
    } else if (stage_ == Stage::in_chunks) {
      const Counters& theirs = counters(r);
      lacks =
          (reads_staged_ && theirs.filled.load(std::memory_order_acquire) < base() + std::min(chunks_, reduced_ + 1)) ||
          theirs.reduced.load(std::memory_order_acquire) < base() + std::min(chunks_, taken_ + 1) ||
          (writes_staged_ && reduced_ >= kStagedChunks &&
           theirs.taken.load(std::memory_order_acquire) < base() + reduced_ - kStagedChunks + 1);
    }
    if (lacks && r != mates_.number()) found.push_back(r);
  }
  return found;
}

}  // namespace tutti::detail
