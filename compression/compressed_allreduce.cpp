// Compressed allreduce: encoded slices go to their owners, who add them up and send the encoded sums to all.
//
// Before: every rank holds n values, cut into P slices; slices are padded to equal length, so that messages are. An
// all-to-all brings the P encoded versions of slice r to rank r; it decodes and adds them in rank order, encodes the
// sum, and an all-gather brings the encoded sums to all ranks, the owner decoding its own too. Bytes per rank: 2
// (P-1)/P times the encoded size.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <tutti/collectives/communicator/communicator_state.hpp>
#include <tutti/collectives/engine/staged_task.hpp>
#include <tutti/collectives/flight_recorder.hpp>
#include <tutti/collectives/schedule/algorithm_table.hpp>
#include <tutti/collectives/system/available_memory.hpp>
#include <tutti/compression/compression.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti {
namespace {

/// What MPI reads and writes.
struct Encoded {
  explicit Encoded(std::size_t bytes) {
    detail::require_memory(2 * bytes);
    outgoing.resize(bytes);
    incoming.resize(bytes);
  }
  std::vector<std::byte> outgoing;
  std::vector<std::byte> incoming;
};

enum StageNumber : int { exchange, gather };
constexpr int kStages = 2;

class CompressedAllreduce final : public detail::Stages {
 public:
  CompressedAllreduce(const Communicator& comm, std::span<float> data, ReduceOp op, std::shared_ptr<const Codec> codec)
      : data_(data),
        op_(op),
        codec_(std::move(codec)),
        ranks_(static_cast<std::size_t>(comm.size())),
        slice_((data.size() + ranks_ - 1) / ranks_),
        slice_bytes_(codec_->encoded_bytes(slice_)),
        encoded_(ranks_ * slice_bytes_) {}

  std::unique_ptr<detail::WaitingTask> begin(const detail::Stage& stage) override {
    detail::Call call = {.collective = Collective::all_to_all,
                         .input = ConstBuffer(encoded_.outgoing.data(), encoded_.outgoing.size(), DType::u8),
                         .output = Buffer(encoded_.incoming.data(), encoded_.incoming.size(), DType::u8),
                         .data_count = encoded_.incoming.size(),
                         .dtype = DType::u8};
    if (stage.number() == exchange) {
      for (std::size_t r = 0; r < ranks_; ++r) encode_slice(r, encoded(encoded_.outgoing, r));
    } else {
      const auto own = encoded(encoded_.outgoing, static_cast<std::size_t>(stage.comm().rank()));
      call.collective = Collective::all_gather;
      call.input = ConstBuffer(own.data(), own.size(), DType::u8);
    }
    return stage.start(stage.comm().state().everyone(), collective_algorithms(), std::move(call));
  }

  void end(const detail::Stage& stage) override {
    if (stage.number() == exchange) return sum_own_slice(stage.comm());
    for (std::size_t r = 0; r < ranks_; ++r) decode_into(encoded(encoded_.incoming, r), slice(r));
  }

 private:
  std::span<float> slice(std::size_t r) const {
    const std::size_t first = std::min(r * slice_, data_.size());
    return data_.subspan(first, std::min(slice_, data_.size() - first));
  }
  std::span<std::byte> encoded(std::vector<std::byte>& all, std::size_t r) const {
    return std::span(all).subspan(r * slice_bytes_, slice_bytes_);
  }

  /// The last slices may be short; what pads them on the wire is never decoded.
  void encode_slice(std::size_t r, std::span<std::byte> out) const {
    const TraceSpan span("encode");
    const std::span<float> values = slice(r);
    codec_->encode(values, out.first(codec_->encoded_bytes(values.size())));
  }
  void decode_into(std::span<const std::byte> in, std::span<float> values) const {
    const TraceSpan span("decode");
    codec_->decode(in.first(codec_->encoded_bytes(values.size())), values);
  }

  void sum_own_slice(const Communicator& comm) {
    const auto rank = static_cast<std::size_t>(comm.rank());
    const std::span<float> sum = slice(rank);
    if (!sum.empty()) {
      std::vector<float> term(sum.size());
      decode_into(encoded(encoded_.incoming, 0), sum);
      for (std::size_t r = 1; r < ranks_; ++r) {
        decode_into(encoded(encoded_.incoming, r), term);
        reduce_local(ReduceOp::sum, ConstBuffer(sum), ConstBuffer(std::span(term)), Buffer(sum));
      }
      finish_reduction(op_, Buffer(sum), comm.size());
    }
    encode_slice(rank, encoded(encoded_.outgoing, rank));
  }

  std::span<float> data_;
  ReduceOp op_;
  std::shared_ptr<const Codec> codec_;
  std::size_t ranks_;
  std::size_t slice_;  ///< values, rounded up
  std::size_t slice_bytes_;
  Encoded encoded_;
};

}  // namespace

Request icompressed_allreduce(const Communicator& comm, std::span<float> data, ReduceOp op,
                              std::shared_ptr<const Codec> codec) {
  detail::CommunicatorState& state = comm.state();
  std::string problem;
  if (codec == nullptr) problem = "the codec is null";
  if (op != ReduceOp::sum && op != ReduceOp::avg)
    problem = text("operator ", name(op), " cannot be compressed, only sum and avg");
  if (data.data() == nullptr && !data.empty())
    problem = text("data is null and should hold ", data.size(), " elements");
  const std::uint64_t sequence = state.take_sequence();
  if (!problem.empty()) state.failures().refuse(sequence, text("compressed allreduce #", sequence, ": ", problem));
  detail::StagedCall call = {.name = "compressed allreduce",
                             .arguments = text(name(op), " f32 x ", data.size(), ", ", codec->name()),
                             .collective = Collective::allreduce,
                             .count = data.size(),
                             .dtype = DType::f32,
                             .op = op,
                             .algorithm = "compressed",
                             .stages = kStages};
  return Request(detail::start_staged(comm, std::move(call), sequence, [&] {
    return std::make_shared<CompressedAllreduce>(comm, data, op, std::move(codec));
  }));
}

}  // namespace tutti
