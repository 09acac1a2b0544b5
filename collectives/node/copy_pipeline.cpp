// Moves pieces in each other's memory; see copy_pipeline.hpp. What is staged first: staging.cpp.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <tutti/collectives/node/copy_pipeline.hpp>
#include <tutti/kernels/copy.hpp>

namespace tutti::detail {
namespace {

/// What goes to several places does so from the first-level cache.
constexpr std::size_t kBlockBytes = std::size_t{16} << 10;

/// So much of an input is read in another process at once.
constexpr std::size_t kReadBytes = std::size_t{64} << 10;

/// Data of so many bytes and more bypass the caches on their way to outputs.
constexpr std::size_t kStreamFrom = std::size_t{4} << 20;

void copy_to(std::byte* to, const std::byte* from, std::size_t bytes, bool streams) noexcept {
  if (to == from) return;
  if (streams) {
    stream_part(to, from, bytes);
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

}  // namespace

void CopyPipeline::begin(LocalRanks& peers, const Call& call, std::uint64_t number, std::uint64_t turn,
                         bool all_published) {
  peers_ = &peers;
  number_ = number;
  turn_ = turn;
  collective_ = call.collective;
  input_ = input_of(call, peers.number());
  output_ = call.output;
  dtype_ = call.dtype;
  op_ = call.op;
  root_ = call.root;
  has_begun_ = false;
  filled_ = moved_ = taken_ = moved_by_all_ = 0;
  gone_ = kNobody;
  pieces_ = WorkSplit(call, peers.size());
  reach_peers(all_published);
}

void CopyPipeline::begin_nothing(LocalRanks& peers, std::uint64_t turn) {
  peers_ = &peers;
  turn_ = turn;
  has_begun_ = stages_ = takes_ = is_taken_from_ = is_touched_ = touches_ = false;
  gone_ = kNobody;
  filled_ = moved_ = taken_ = moved_by_all_ = 0;
  pattern_ = {};
  has_two_steps_ = false;
  pieces_ = {};
}

/// Learns whose memory can be reached, and decides how the data are moved.
void CopyPipeline::reach_peers(bool all_published) {
  const Who sources = pulling_pattern(collective_).sources;
  const bool has_root_output = collective_ == Collective::reduce || collective_ == Collective::gather;
  reached_.assign(static_cast<std::size_t>(peers_->size()), {});
  bool map_inputs = true;
  bool reach_inputs = true;
  bool map_outputs = true;
  bool reach_outputs = true;
  bool map_root_input = true;
  const auto places_of = [&](int r) {
    BufferHandles places;
    if (!all_published && !is_self(r) && r != root_) return places;
    std::memcpy(&places, peers_->rank_block(r).posts[number_ % kPublishedCalls].body, sizeof places);
    return places;
  };
  for (int r = 0; r < peers_->size(); ++r) {
    const BufferHandles places = places_of(r);
    if (is_among(sources, r)) map_inputs = map_inputs && places.input.is_mapped();
    if (is_among(sources, r)) reach_inputs = reach_inputs && places.input.is_reachable();
    if (r == root_) map_root_input = places.input.is_mapped();
    if (has_root_output && r != root_) continue;
    map_outputs = map_outputs && places.output.is_mapped();
    reach_outputs = reach_outputs && places.output.is_reachable();
  }
  const bool is_by_domain = goes_by_domain(map_inputs, map_outputs);
  pattern_ = is_by_domain ? domain_pattern_of(collective_) : pattern_of(collective_, map_outputs, map_root_input);
  has_two_steps_ = is_by_domain && reduces(collective_);
  reads_staged_ = has_two_steps_ || (pattern_.sources != Who::self && !reach_inputs);
  is_taken_from_ = pattern_.cut == Cut::shares && pattern_.targets == Who::all && !map_outputs && reach_outputs;
  writes_staged_ = pattern_.cut == Cut::shares && !map_outputs && !is_taken_from_;
  const Who read = has_two_steps_ ? Who::domain : pattern_.sources;
  const bool is_owner = is_among(pattern_.owners, peers_->number());
  reads_ = touches_ = false;
  for (int r = 0; r < peers_->size(); ++r) {
    const BufferHandles places = places_of(r);
    const bool is_read = read != Who::self && is_among(read, r);
    const bool is_written = pattern_.targets != Who::self && is_among(pattern_.targets, r);
    Reached& peer = reached_[static_cast<std::size_t>(r)];
    if (is_self(r)) {
      peer.input = static_cast<const std::byte*>(input_.data);
      peer.output = static_cast<std::byte*>(output_.data);
      stages_ = has_two_steps_ || (is_read && !places.input.is_reachable());
      takes_ = is_written && !places.output.is_mapped();
      is_touched_ = (is_read && places.input.is_reachable()) || (is_written && places.output.is_mapped());
    } else if (is_owner || has_two_steps_) {  // others may have left, and freed
      if (is_read && places.input.is_mapped()) peer.input = peers_->address_of(r, places.input);
      if (is_read) peer.input_there = places.input.address;
      if (!is_owner) continue;
      if (is_written && places.output.is_mapped()) peer.output = peers_->address_of(r, places.output);
      if (is_written) peer.output_there = places.output.address;
      reads_ = reads_ || peer.input_there != 0;
      touches_ = touches_ || (is_read && places.input.is_reachable());
    }
  }
  touches_ = has_two_steps_ || touches_ || (is_taken_from_ && takes_);
  pieces_.cut(pattern_.cut,
              has_two_steps_                    ? WorkSplit::Chunks::reduced
              : reads_staged_ || writes_staged_ ? WorkSplit::Chunks::staged
              : is_taken_from_                  ? WorkSplit::Chunks::taken
                                                : WorkSplit::Chunks::mapped,
              is_by_domain ? &peers_->domains() : nullptr);
}

/// Whether ranks move within their domains what they can. What is reduced in two steps is rounded twice.
bool CopyPipeline::goes_by_domain(bool map_inputs, bool map_outputs) const noexcept {
  if (!peers_->domains().matter() || !map_inputs) return false;
  const Pattern pattern = domain_pattern_of(collective_);
  if (pattern.owners == Who::nobody || (pattern.targets != Who::self && !map_outputs)) return false;
  return !reduces(collective_) || (peers_->reduces_by_domain() && !is_half(dtype_));
}

Task::Progress CopyPipeline::advance() {
  using Progress = Task::Progress;
  if (!peers_->is_turn(turn_)) return Progress::none;
  if (!has_begun_) begin_chunks();
  bool any = take();
  any = move() || any;
  any = fill() || any;
  if (is_over()) {
    peers_->end_turn(pieces_.chunks());
    return Progress::complete;
  }
  return any || peers_progressed() ? Progress::some : Progress::none;
}

/// This rank's turn has come. What it has not to do with any chunk is done.
void CopyPipeline::begin_chunks() {
  has_begun_ = true;
  first_ = peers_->first_chunk();
  if (!stages_) filled_ = pieces_.chunks();
  if (!is_among(pattern_.owners, peers_->number())) moved_ = pieces_.chunks();
  if (!takes_) taken_ = pieces_.chunks();
  own().filled.store(first_ + filled_, std::memory_order_release);
  own().moved.store(first_ + moved_, std::memory_order_release);
  own().taken.store(first_ + taken_, std::memory_order_release);
}

/// Whether any rank has moved more than when this was last asked: one that waits for it is not stuck.
bool CopyPipeline::peers_progressed() noexcept {
  std::uint64_t sum = 0;
  for (int r = 0; r < peers_->size(); ++r) sum += counters(r).moved.load(std::memory_order_relaxed);
  return std::exchange(moved_by_all_, sum) != sum;
}

bool CopyPipeline::have(Who who, Counter counter, std::uint64_t least) const noexcept {
  for (int r = 0; r < peers_->size(); ++r) {
    if (is_among(who, r) && (counters(r).*counter).load(std::memory_order_acquire) < least) return false;
  }
  return true;
}

/// What all ranks must have counted before a chunk can be staged: what lay in its place has been read then.
std::uint64_t CopyPipeline::once_free(std::uint64_t chunk) const noexcept {
  const std::uint64_t number = first_ + chunk + 1;
  return number < kStagedChunks ? 0 : number - kStagedChunks;
}

/// Copies bytes from the process of `rank`; false if that is gone, of which others tell. \throws Unreadable
bool CopyPipeline::read(int rank, std::uint64_t address, void* to, std::size_t bytes) {
  const int error = peers_->read(rank, address, to, bytes);
  if (error != 0 && error != ESRCH) throw Unreadable{rank, error};
  if (error != 0) gone_ = rank;
  return error == 0;
}

/// Where a piece that this rank moves, and has of `rank`, is mapped.
const std::byte* CopyPipeline::source(int rank, const Piece& piece) const noexcept {
  const std::size_t element = size_of(dtype_);
  const std::byte* const input = reached(rank).input;
  if (!has_two_steps_ && (is_self(rank) || input != nullptr)) return input + piece.input * element;
  return peers_->staging(rank).inputs[slot(moved_)] + piece.staged * element;
}

/// Lists where a piece of this rank's belongs.
void CopyPipeline::find_targets(const Piece& piece) {
  const std::size_t element = size_of(dtype_);
  targets_.clear();
  if (pattern_.targets == Who::self) {
    targets_.push_back(static_cast<std::byte*>(output_.data) + piece.output * element);
    return;
  }
  for (int r = 0; r < peers_->size(); ++r) {
    std::byte* const output = reached(r).output;
    if (output != nullptr && is_among(pattern_.targets, r)) targets_.push_back(output + piece.output * element);
  }
  if (writes_staged_)
    targets_.push_back(peers_->staging(peers_->number()).results[slot(moved_)] + piece.staged * element);
}

bool CopyPipeline::streams() const noexcept {
  return !writes_staged_ && !is_taken_from_ && pieces_.all_bytes() >= kStreamFrom;
}

bool CopyPipeline::reduce_piece() {
  const int self = peers_->number();
  const Piece piece = pieces_.piece(self, self, moved_);
  const std::size_t most = reads_ ? kReadBytes / size_of(dtype_) : piece.count;
  for (std::size_t first = 0; first < piece.count; first += most) {
    if (!reduce_part(piece.part(first, std::min(most, piece.count - first)))) return false;
  }
  return true;
}

bool CopyPipeline::reduce_part(const Piece& part) {
  const std::size_t element = size_of(dtype_);
  if (reads_) read_parts_.resize(static_cast<std::size_t>(peers_->size()) * kReadBytes);
  const Domains& domains = peers_->domains();
  inputs_.clear();
  for (int i = 0; i < (has_two_steps_ ? domains.count() : peers_->size()); ++i) {
    const int r = has_two_steps_ ? domains.rank_at(i, domains.handle_of(peers_->number())) : i;
    const std::byte* from = nullptr;
    if (const std::uint64_t there = reached(r).input_there; there != 0) {
      std::byte* const to = read_parts_.data() + static_cast<std::size_t>(r) * kReadBytes;
      if (!read(r, there + part.input * element, to, part.count * element)) return false;
      from = to;
    } else {
      from = source(r, part);
    }
    inputs_.emplace_back(from, part.count, dtype_);
  }
  find_targets(part);
  reduce_into(op_, inputs_, targets_, peers_->size(), streams());
  return true;
}

bool CopyPipeline::copy_pieces() {
  const std::size_t element = size_of(dtype_);
  for (int r = 0; r < peers_->size(); ++r) {
    if (!is_among(pattern_.sources, r)) continue;
    const Piece piece = pieces_.piece(peers_->number(), r, moved_);
    if (piece.count == 0) continue;
    find_targets(piece);
    if (const std::uint64_t there = reached(r).input_there; there != 0) {  // a rank that pulls has one target
      if (!read(r, there + piece.input * element, targets_.front(), piece.count * element)) return false;
    } else {
      copy_into(source(r, piece), piece.count * element, targets_, streams());
    }
  }
  return true;
}

/// Moves this rank's pieces of a chunk.
bool CopyPipeline::move() {
  if (moved_ == pieces_.chunks()) return false;
  if (reads_staged_ && !have(pattern_.sources, &Counters::filled, first_ + moved_ + 1)) return false;
  if (writes_staged_ && !have(Who::all, &Counters::taken, once_free(moved_))) return false;
  if (gone_ != kNobody || !(reduces(collective_) ? reduce_piece() : copy_pieces())) return false;
  if (streams()) end_streams();
  ++moved_;
  own().moved.store(first_ + moved_, std::memory_order_release);
  return true;
}

/// Copies what others have of a result to the output.
bool CopyPipeline::take() {
  if (taken_ == pieces_.chunks() || taken_ == moved_ || gone_ != kNobody) return false;
  if (!have(Who::all, &Counters::moved, first_ + taken_ + 1)) return false;
  const std::size_t element = size_of(dtype_);
  for (int owner = 0; owner < peers_->size(); ++owner) {
    if (is_self(owner)) continue;
    const Piece piece = pieces_.piece(owner, owner, taken_);
    std::byte* const to = static_cast<std::byte*>(output_.data) + piece.output * element;
    const std::size_t bytes = piece.count * element;
    if (writes_staged_) {
      copy_bytes(to, peers_->staging(owner).results[slot(taken_)] + piece.staged * element, bytes);
    } else if (const Reached& peer = reached(owner); peer.output != nullptr) {
      copy_bytes(to, peer.output + piece.output * element, bytes);
    } else if (!read(owner, peer.output_there + piece.output * element, to, bytes)) {
      return false;
    }
  }
  ++taken_;
  own().taken.store(first_ + taken_, std::memory_order_release);
  return true;
}

/// Whether nothing is left to be done here, nor by others with this rank's memory.
bool CopyPipeline::is_over() const noexcept {
  const std::uint64_t all = pieces_.chunks();
  return moved_ == all && taken_ == all && filled_ == all &&
         (!is_touched_ || have(pattern_.owners, &Counters::moved, first_ + all)) &&
         (!is_taken_from_ || have(Who::all, &Counters::taken, first_ + all)) && !is_deceived();
}

/// Whether what was read of others' memory may be something else, because they had failed.
bool CopyPipeline::is_deceived() const noexcept {
  for (int r = 0; touches_ && r < peers_->size(); ++r) {
    if (peers_->may_have_deceived(r, number_)) return true;
  }
  return false;
}

bool CopyPipeline::awaits(int rank) const noexcept {
  const auto count = [](const std::atomic<std::uint64_t>& counter) { return counter.load(std::memory_order_acquire); };
  const Counters& theirs = counters(rank);
  const std::uint64_t all = pieces_.chunks();
  if (!has_begun_) return count(theirs.moved) <= peers_->first_chunk();
  if (rank == gone_ || (touches_ && peers_->may_have_deceived(rank, number_))) return true;
  return (reads_staged_ && moved_ < all && is_among(pattern_.sources, rank) &&
          count(theirs.filled) <= first_ + moved_) ||
         (writes_staged_ && moved_ < all && count(theirs.taken) < once_free(moved_)) ||
         (filled_ < all && count(theirs.moved) < once_free(filled_)) ||
         (taken_ < all && count(theirs.moved) <= first_ + taken_) ||
         (is_touched_ && is_among(pattern_.owners, rank) && count(theirs.moved) < first_ + all) ||
         (is_taken_from_ && count(theirs.taken) < first_ + all);
}

}  // namespace tutti::detail
