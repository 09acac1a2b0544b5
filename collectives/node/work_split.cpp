// Who moves what on a node; see work_split.hpp.
#include <algorithm>

#include <tutti/collectives/node/work_split.hpp>

namespace tutti::detail {
namespace {

/// Where all is mapped, a rank moves so much before it looks at anything else.
constexpr std::size_t kMovedAtOnce = std::size_t{1} << 20;

/// And so much of what others then take, which is in a cache.
constexpr std::size_t kTakenAtOnce = std::size_t{128} << 10;

/// Boundary `i` of `parts` nearly equal parts, at whole cache lines.
std::size_t cut_at_lines(std::size_t count, std::size_t element, int i, int parts) noexcept {
  const std::size_t line = kCacheLine / element;
  const std::size_t lines = (count + line - 1) / line;
  const auto at = static_cast<std::size_t>(i);
  const auto of = static_cast<std::size_t>(parts);
  return std::min(count, (lines / of * at + std::min(at, lines % of)) * line);
}

}  // namespace

Pattern pattern_of(Collective collective, bool mapped_outputs, bool mapped_root) noexcept {
  switch (collective) {
    case Collective::allreduce:
      return {Cut::shares, Who::all, Who::all, Who::all};
    case Collective::reduce:
      return {Cut::shares, Who::all, Who::all, Who::root};
    case Collective::broadcast:
      if (mapped_outputs && mapped_root) return {Cut::shares, Who::all, Who::root, Who::all_but_root};
      break;
    case Collective::all_gather:
      if (mapped_outputs) return {Cut::blocks, Who::all, Who::self, Who::all};
      break;
    case Collective::gather:
      if (mapped_outputs) return {Cut::blocks, Who::all, Who::self, Who::root};
      break;
    default:
      break;
  }
  return pulling_pattern(collective);
}

Pattern domain_pattern_of(Collective collective) noexcept {
  switch (collective) {
    case Collective::allreduce:
      return {Cut::shares, Who::all, Who::peers, Who::domain};
    case Collective::reduce:
      return {Cut::shares, Who::roots_domain, Who::peers, Who::root};
    case Collective::reduce_scatter:
      return {Cut::blocks, Who::all, Who::peers, Who::self};
    case Collective::broadcast:
      return {Cut::shares, Who::all, Who::root, Who::domain_but_root};
    case Collective::all_gather:
      return {Cut::blocks, Who::all, Who::peers, Who::domain};
    default:
      return {};
  }
}

WorkSplit::WorkSplit(const Call& call, int ranks)
    : whole_input_(!has_own_input(call.collective)),
      whole_output_(!has_own_output(call.collective)),
      ranks_(ranks),
      element_(size_of(call.dtype)),
      count_(call.data_count),
      longest_block_(count_ / static_cast<std::size_t>(ranks)),
      offsets_(call.offsets) {
  if (!offsets_.empty()) {
    for (int r = 0; r < ranks; ++r) longest_block_ = std::max(longest_block_, length(r));
  }
}

void WorkSplit::cut(Cut cut, Chunks chunks, const Domains* domains) {
  cut_ = cut;
  domains_ = domains;
  const auto parts = static_cast<std::size_t>(parts_of_shares());
  const std::size_t longest = cut == Cut::blocks ? longest_block_ : count_;
  std::size_t bytes = kChunkBytes;
  if (cut == Cut::blocks && whole_input_) bytes = kChunkBytes / parts / kCacheLine * kCacheLine;
  if (chunks == Chunks::taken) bytes = kTakenAtOnce * parts;
  if (chunks == Chunks::reduced && cut == Cut::shares) bytes = kChunkBytes * parts;
  if (chunks == Chunks::reduced && cut == Cut::blocks)
    bytes = kChunkBytes / static_cast<std::size_t>(domains->count()) / kCacheLine * kCacheLine;
  if (chunks == Chunks::mapped) bytes = cut == Cut::shares ? kMovedAtOnce * parts : kMovedAtOnce;
  chunk_elements_ = chunks == Chunks::single ? std::max<std::size_t>(1, longest) : bytes / element_;
  chunks_ = (longest + chunk_elements_ - 1) / chunk_elements_;
}

std::size_t WorkSplit::offset(int block) const noexcept {
  const auto at = static_cast<std::size_t>(block);
  return offsets_.empty() ? count_ / static_cast<std::size_t>(ranks_) * at : offsets_[at];
}

Piece WorkSplit::piece(int owner, int source, std::uint64_t chunk) const noexcept {
  const std::size_t first = chunk * chunk_elements_;
  if (cut_ == Cut::blocks) {
    const int block = whole_input_ ? owner : source;
    const std::size_t has = length(block);
    const int slot = domains_ == nullptr ? owner : domains_->domain_of(owner);
    return {.input = (whole_input_ ? offset(owner) : 0) + first,
            .output = (whole_output_ ? offset(source) : 0) + first,
            .count = first < has ? std::min(chunk_elements_, has - first) : 0,
            .staged = whole_input_ ? static_cast<std::size_t>(slot) * chunk_elements_ : 0};
  }
  const std::size_t count = std::min(chunk_elements_, count_ - first);
  if (cut_ == Cut::whole) return {.input = first, .output = first, .count = count, .staged = 0};
  const int share = domains_ == nullptr ? owner : domains_->handle_of(owner);
  const std::size_t begin = cut_at_lines(count, element_, share, parts_of_shares());
  const std::size_t end = cut_at_lines(count, element_, share + 1, parts_of_shares());
  return {.input = first + begin,
          .output = first + begin,
          .count = end - begin,
          .staged = domains_ == nullptr ? begin : 0};  // of a domain each rank stages one share
}

}  // namespace tutti::detail
