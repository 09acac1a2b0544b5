// What a rank stages for others: its input, or what its NUMA domain brings; see copy_pipeline.hpp.
#include <utility>

#include <tutti/collectives/node/copy_pipeline.hpp>
#include <tutti/kernels/copy.hpp>

namespace tutti::detail {
namespace {

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

/// Stages a chunk of what others read.
bool CopyPipeline::fill() {
  if (filled_ == pieces_.chunks() || !have(Who::all, &Counters::moved, once_free(filled_))) return false;
  std::byte* const to = peers_->staging(peers_->number()).inputs[slot(filled_)];
  if (has_two_steps_) {
    reduce_domain(to);
  } else {
    stage_input(to);
  }
  ++filled_;
  own().filled.store(first_ + filled_, std::memory_order_release);
  return true;
}

/// The pieces of the input that are other ranks'.
void CopyPipeline::stage_input(std::byte* to) {
  const std::size_t element = size_of(dtype_);
  const int self = peers_->number();
  const auto* const from = static_cast<const std::byte*>(input_.data);
  const bool is_for_each = pattern_.cut == Cut::shares || !has_own_input(collective_);
  JoiningCopy copy;
  for (int owner = 0; owner < peers_->size(); ++owner) {
    if (is_self(owner) || !is_among(pattern_.owners, owner)) continue;
    const Piece piece = pieces_.piece(owner, self, filled_);
    copy.add(to + piece.staged * element, from + piece.input * element, piece.count * element);
    if (pattern_.cut == Cut::whole || !is_for_each) break;
  }
  copy.flush();
}

/// What the ranks of the domain bring to the pieces of each peer; shares are the same of all.
void CopyPipeline::reduce_domain(std::byte* to) {
  const std::size_t element = size_of(dtype_);
  const Domains& domains = peers_->domains();
  const int self = peers_->number();
  for (int d = 0; d < domains.count(); ++d) {
    const Piece piece = pieces_.piece(domains.rank_at(d, domains.handle_of(self)), self, filled_);
    inputs_.clear();
    for (int place = 0; place < domains.ranks_each(); ++place) {
      const std::byte* const input = reached(domains.rank_at(domains.domain_of(self), place)).input;
      inputs_.emplace_back(input + piece.input * element, piece.count, dtype_);
    }
    if (piece.count > 0) reduce_all(op_, inputs_, Buffer(to + piece.staged * element, piece.count, dtype_));
    if (pattern_.cut == Cut::shares) break;
  }
}

}  // namespace tutti::detail
