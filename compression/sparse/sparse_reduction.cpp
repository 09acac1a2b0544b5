// Compressed allreduce of the largest values: lists of them go to all ranks, or to owners of slices who add them up.
//
// Before: every rank holds contributions and what it has held back of earlier ones. It selects the largest of what they
// are together; the rest is held back. All ranks learn the lengths of all lists, and from them which of two ways is
// predicted to be faster:
//   gather   an all-gather of the lists, which each rank adds up in rank order. Bytes received: those of P-1 lists.
//   slices   an all-to-all brings what concerns slice r to rank r, which adds it up in rank order; the sums, as a list
//            or where that is shorter all of them, come to all ranks by an all-gather. Bytes received: (P-1)/P times
//            one list and the list of what any rank has sent, at most 4 for each element.
// Both give the same bits. With reselection owners of slices send the largest of their sums only and hold back the
// rest: (P-1)/P times two lists.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include <tutti/collectives/communicator/communicator_state.hpp>
#include <tutti/collectives/flight_recorder.hpp>
#include <tutti/compression/reduction.hpp>
#include <tutti/compression/sparse/exchange_costs.hpp>
#include <tutti/compression/sparse/largest.hpp>
#include <tutti/compression/sparse/list_sums.hpp>
#include <tutti/compression/sparse/memory_plan.hpp>
#include <tutti/compression/sparse/part_places.hpp>
#include <tutti/compression/sparse/selection.hpp>
#include <tutti/compression/sparse/slices.hpp>
#include <tutti/compression/sparse/sparse_list.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/reduce.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::detail {
namespace {

namespace sparse_stage {
enum Number : int { learn_lists, gather_lists, exchange_lists, learn_sums, gather_sums };
constexpr int kStages = 5;
}  // namespace sparse_stage

/// What ranks tell about their lists.
struct ListLength {
  std::uint64_t bytes = 0;
  std::uint64_t elements = 0;
};

static_assert(sizeof(std::size_t) == sizeof(std::uint64_t), "bytes of lists travel as 64 bits");

class SparseReduction final : public Reduction {
 public:
  explicit SparseReduction(ReductionParts&& made_from)
      : Reduction(std::move(made_from)),
        places_(parts()),
        selection_(parts(), settings(), ranks(), rank()),
        slices_(places_.count(), ranks()),
        format_({.values = dtype_from_name(settings().values), .rice = settings().indices == "rice"}),
        sums_format_({.values = settings().reselect ? format_.values : DType::f32, .rice = format_.rice}),
        may_choose_(settings().exchange == "auto" && !settings().reselect && ranks() > 1),
        by_slices_(settings().exchange == "slices" || settings().reselect),
        lengths_(ranks()),
        dealt_ends_(ranks()),
        sent_bytes_(ranks()),
        received_bytes_(ranks()) {
    if (settings().reselect && settings().exchange == "gather")
      throw InvalidArgument(
          text("codec '", to_text(settings()), "': owners of slices reselect, so the exchange cannot be gather"));
    const std::size_t slice = slices_.size(0);  // the longest
    longest_list_ = most_list_bytes(selection_.most(), places_.count(), format_.values);
    longest_slice_list_ = most_list_bytes(std::min(selection_.most(), slice), slice, format_.values);
    longest_sum_ = most_list_bytes(std::min(ranks() * selection_.most(), slice), slice, sums_format_.values);
    payload_bytes_ = longest_list_;
  }

  int stages() const noexcept override { return sparse_stage::kStages; }

  void allocate() override {
    if (memory_ != nullptr) return;
    MemoryPlan sizes;
    plan(sizes);
    std::shared_ptr<void> memory = comm().allocate_bytes(sizes.bytes());
    MemoryPlan arrays(static_cast<std::byte*>(memory.get()));
    plan(arrays);
    memory_ = std::move(memory);
  }

  std::size_t payload_bytes() const noexcept override { return payload_bytes_; }

  std::vector<CompressionState> state() override {
    std::vector<CompressionState> all;
    selection_.add_state(all);
    for (std::size_t first = 0; first < owner_residual_.size(); first += slices_.run()) {
      const std::size_t count = std::min(slices_.run(), owner_residual_.size() - first);
      places_.visit(slices_.element(rank(), first), count, [&](const PartPlaces::Piece& piece) {
        all.push_back({.name = "owner_residual",
                       .part = piece.part,
                       .first = piece.first,
                       .values = owner_residual_.subspan(first + piece.offset, piece.count),
                       .weight = op() == ReduceOp::avg ? static_cast<double>(ranks()) : 1.0});
      });
    }
    return all;
  }

 private:
  bool can_slice() const noexcept { return may_choose_ || by_slices_; }

  void plan(MemoryPlan& memory) {
    selection_.plan(memory);
    const std::size_t own = can_slice() ? slices_.size(rank()) : 0;
    const std::size_t dealt = can_slice() ? selection_.most() : 0;
    const std::size_t room = can_slice() ? element_room(0, own, own) : 0;
    memory.place(sums_, own);
    memory.place(owner_residual_, settings().reselect && settings().feedback ? own : 0);
    memory.place(dealt_.indices, dealt);
    memory.place(dealt_.values, dealt);
    memory.place(summed_.indices, room);
    memory.place(summed_.values, room);
    memory.place(summed_.scratch, settings().reselect ? room : 0);
    memory.place(scratch_, 1);
    memory.place(block_, kListBlock);
    // Lists of slices: what each takes without elements, and the elements of all.
    const std::size_t sliced = ranks() * most_list_bytes(0, slices_.size(0), format_.values) +
                               dealt * (sizeof(std::uint16_t) + size_of(format_.values));
    memory.place(outgoing_, can_slice() ? std::max({longest_list_, sliced, longest_sum_}) : longest_list_);
    memory.place(incoming_, ranks() * (can_slice() ? std::max(longest_slice_list_, longest_sum_) : longest_list_));
  }

  std::unique_ptr<WaitingTask> begin_stage(const Stage& stage) override {
    if (stage.number() == sparse_stage::learn_lists) return begin_lists(stage);
    if (stage.number() == sparse_stage::gather_lists && !by_slices_)
      return start_all_gather(stage, outgoing_.first(payload_bytes_), received(), received_bytes_);
    if (!by_slices_) return nullptr;
    switch (stage.number()) {
      case sparse_stage::gather_lists:
        write_slices();
        return start_all_to_all(stage, std::as_bytes(std::span(sent_bytes_)),
                                std::as_writable_bytes(std::span(received_bytes_)));
      case sparse_stage::exchange_lists:
        return start_all_to_all(stage, outgoing_.first(payload_bytes_), sent_bytes_, received(), received_bytes_);
      case sparse_stage::learn_sums:
        return start_all_gather(stage, std::as_bytes(std::span(&sum_bytes_, 1)),
                                std::as_writable_bytes(std::span(received_bytes_)));
      default:
        return start_all_gather(stage, outgoing_.first(sum_bytes_), received(), received_bytes_);
    }
  }

  void end_stage(const Stage& stage) override {
    if (stage.number() == sparse_stage::learn_lists) return choose_exchange();
    if (stage.number() == sparse_stage::gather_lists && !by_slices_) return add_lists();
    if (!by_slices_) return;
    switch (stage.number()) {
      case sparse_stage::gather_lists:
        return require_list_bytes(received_bytes_, longest_slice_list_);
      case sparse_stage::exchange_lists:
        return add_own_slice();
      case sparse_stage::learn_sums:
        return require_list_bytes(received_bytes_, longest_sum_);
      default:
        return take_sums();
    }
  }

  /// Selects, and where the lists may be gathered writes this rank's; tells its length where others cannot know.
  std::unique_ptr<WaitingTask> begin_lists(const Stage& stage) {
    {
      const TraceSpan span("select");
      sent_ = selection_.select(data(), step(), own_facts());
    }
    if (may_choose_) by_slices_ = false;
    if (by_slices_) return nullptr;
    const TraceSpan span("encode");
    payload_bytes_ = write_list(sent_.indices, sent_.values, places_.count(), format_, outgoing_);
    own_length_ = {.bytes = payload_bytes_, .elements = sent_.indices.size()};
    if (ranks() == 1 || (selection_.sends_equally_many() && !format_.rice)) {
      std::fill(lengths_.begin(), lengths_.end(), own_length_);
      return nullptr;
    }
    return start_all_gather(stage, std::as_bytes(std::span(&own_length_, 1)),
                            std::as_writable_bytes(std::span(lengths_)));
  }

  void choose_exchange() {
    if (by_slices_) return;
    ListTotals totals = {.universe = places_.count()};
    for (std::size_t r = 0; r < ranks(); ++r) {
      received_bytes_[r] = lengths_[r].bytes;
      totals.longest = std::max(totals.longest, received_bytes_[r]);
      totals.elements += lengths_[r].elements;
    }
    require_list_bytes(received_bytes_, longest_list_);
    totals.bytes = received_total();
    if (may_choose_) by_slices_ = totals.bytes > incoming_.size() || slices_are_faster(selector(), totals);
  }

  void add_lists() {
    const TraceSpan span("decode");
    list_sums_.begin(received(), received_bytes_, places_.count());
    for (std::size_t first = 0; first < places_.count(); first += kListBlock) {
      const std::size_t count = std::min(kListBlock, places_.count() - first);
      const std::span<float> sums = results(first, count);
      list_sums_.take_block(sums, scratch_[0]);
      finish_reduction(op(), Buffer(sums), comm().size());
      if (sums.data() == block_.data()) put_results(first, sums);
    }
  }

  void write_slices() {
    const TraceSpan span("encode");
    deal(sent_, slices_, dealt_, dealt_ends_);
    payload_bytes_ = 0;
    std::size_t begin = 0;
    for (std::size_t r = 0; r < ranks(); ++r) {
      const std::size_t count = dealt_ends_[r] - begin;
      sent_bytes_[r] = write_list(dealt_.indices.subspan(begin, count), dealt_.values.subspan(begin, count),
                                  slices_.size(r), format_, outgoing_.subspan(payload_bytes_));
      payload_bytes_ += sent_bytes_[r];
      begin = dealt_ends_[r];
    }
  }

  void add_own_slice() {
    {
      const TraceSpan span("decode");
      list_sums_.begin(received(), received_bytes_, sums_.size());
      for (std::size_t first = 0; first < sums_.size(); first += kListBlock)
        list_sums_.take_block(sums_.subspan(first, std::min(kListBlock, sums_.size() - first)), scratch_[0]);
      finish_reduction(op(), Buffer(sums_), comm().size());
    }
    const TraceSpan span("encode");
    Contribution from = {.values = sums_.data(), .count = sums_.size()};
    SelectionLimits limits = {.magnitude = 1, .most = sums_.size()};  // all but zeros
    if (settings().reselect) {
      if (!owner_residual_.empty()) from.residual = owner_residual_.data();
      limits = selection_.limits_of_sums(from, step());
    }
    const Selected summed = select_elements(from, limits, 0, 0, summed_);
    const Elements elements = {summed_.indices.first(summed.count), summed_.values.first(summed.count)};
    if (settings().reselect) round_values(elements, sums_format_.values, owner_residual_);
    sum_bytes_ = write_list(elements.indices, elements.values, sums_.size(), sums_format_, outgoing_);
  }

  void take_sums() {
    const TraceSpan span("decode");
    std::size_t at = 0;
    for (std::size_t r = 0; r < ranks(); ++r) {
      const std::size_t size = slices_.size(r);
      const std::size_t universe = is_rehearsed() ? sums_.size() : size;  // each list is this rank's own
      list_sums_.begin(received().subspan(at, received_bytes_[r]), std::span(received_bytes_).subspan(r, 1), universe);
      at += received_bytes_[r];
      for (std::size_t first = 0; first < universe; first += kListBlock) {
        const std::span<float> sums = block_.first(std::min(kListBlock, universe - first));
        list_sums_.take_block(sums, scratch_[0]);
        for (std::size_t run = 0; run < sums.size() && first + run < size; run += slices_.run())
          put_results(slices_.element(r, first + run),
                      sums.subspan(run, std::min({slices_.run(), sums.size() - run, size - first - run})));
      }
    }
  }

  /// Where results of elements [first, first + count) can be computed: where they belong, if that is one place.
  std::span<float> results(std::size_t first, std::size_t count) const {
    std::span<float> found = block_.first(count);
    places_.visit(first, count, [&](const PartPlaces::Piece& piece) {
      if (piece.count == count) found = data_of(parts()[piece.part]).subspan(piece.first, count);
    });
    return found;
  }

  void put_results(std::size_t first, std::span<const float> values) const {
    places_.visit(first, values.size(), [&](const PartPlaces::Piece& piece) {
      std::memcpy(data_of(parts()[piece.part]).data() + piece.first, values.data() + piece.offset,
                  piece.count * sizeof(float));
    });
  }

  std::size_t received_total() const {
    return std::accumulate(received_bytes_.begin(), received_bytes_.end(), std::size_t{0});
  }
  std::span<std::byte> received() const { return incoming_.first(received_total()); }

  PartPlaces places_;
  PartSelection selection_;
  DealtSlices slices_;
  ListFormat format_;
  ListFormat sums_format_;
  bool may_choose_;
  bool by_slices_;  // in this call, if it may be chosen
  std::size_t longest_list_ = 0;
  std::size_t longest_slice_list_ = 0;
  std::size_t longest_sum_ = 0;
  std::size_t payload_bytes_ = 0;  // of the last call
  std::size_t sum_bytes_ = 0;
  Elements sent_;
  ListLength own_length_;
  std::vector<ListLength> lengths_;
  std::vector<std::size_t> dealt_ends_;
  std::vector<std::size_t> sent_bytes_;      // to each rank
  std::vector<std::size_t> received_bytes_;  // from each
  ListSums list_sums_;
  std::shared_ptr<void> memory_;  // of all that follows
  std::span<float> sums_;         // of this rank's slice
  std::span<float> owner_residual_;
  Elements dealt_;
  ElementMemory summed_;
  std::span<ListScratch> scratch_;
  std::span<float> block_;
  std::span<std::byte> outgoing_, incoming_;
};

}  // namespace

std::shared_ptr<Reduction> make_sparse_reduction(ReductionParts&& parts) {
  return std::make_shared<SparseReduction>(std::move(parts));
}

}  // namespace tutti::detail
