// Compressed allreduce: encoded slices go to their owners, who add them up and send the encoded sums to all.
//
// Before: every rank holds n values, cut into P slices; slices are padded to equal length, so that messages are. An
// all-to-all brings the P encoded versions of slice r to rank r; it decodes and adds them in rank order, encodes the
// sum, and an all-gather brings the encoded sums to all ranks, the owner decoding its own too. Bytes per rank: 2
// (P-1)/P times the encoded size.
#include <algorithm>
#include <vector>

#include <tutti/collectives/choice.hpp>
#include <tutti/compression/compression.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti {
namespace {

class CompressedAllreduce final : public detail::Task {
 public:
  CompressedAllreduce(Communicator comm, std::span<float> data, ReduceOp op, std::shared_ptr<const Codec> codec)
      : comm_(std::move(comm)),
        data_(data),
        op_(op),
        codec_(std::move(codec)),
        sequence_(comm_.state().take_sequence(2)),
        ranks_(static_cast<std::size_t>(comm_.size())),
        slice_((data.size() + ranks_ - 1) / ranks_),
        slice_bytes_(codec_->encoded_bytes(slice_)),
        outgoing_(ranks_ * slice_bytes_),
        incoming_(ranks_ * slice_bytes_) {}

  void begin() {
    for (std::size_t r = 0; r < ranks_; ++r) encode_slice(r, encoded(outgoing_, r));
    stage_ = detail::start_collective(comm_, detail::collective_source(),
                                      {.collective = Collective::all_to_all,
                                       .input = ConstBuffer(outgoing_.data(), outgoing_.size(), DType::u8),
                                       .output = Buffer(incoming_.data(), incoming_.size(), DType::u8),
                                       .data_count = outgoing_.size(),
                                       .dtype = DType::u8},
                                      sequence_);
  }

  bool poll() override {
    while (stage_ && stage_->poll()) next_stage();
    return !stage_;
  }

  void wait() override {
    while (stage_) {
      stage_->wait();
      next_stage();
    }
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
    const std::span<float> values = slice(r);
    codec_->encode(values, out.first(codec_->encoded_bytes(values.size())));
  }
  void decode_into(std::span<const std::byte> in, std::span<float> values) const {
    codec_->decode(in.first(codec_->encoded_bytes(values.size())), values);
  }

  void next_stage() {
    if (gathering_) {
      for (std::size_t r = 0; r < ranks_; ++r) decode_into(encoded(incoming_, r), slice(r));
      stage_.reset();
      return;
    }
    gathering_ = true;
    sum_own_slice();
    const auto own = encoded(outgoing_, static_cast<std::size_t>(comm_.rank()));
    stage_ = detail::start_collective(comm_, detail::collective_source(),
                                      {.collective = Collective::all_gather,
                                       .input = ConstBuffer(own.data(), own.size(), DType::u8),
                                       .output = Buffer(incoming_.data(), incoming_.size(), DType::u8),
                                       .data_count = incoming_.size(),
                                       .dtype = DType::u8},
                                      sequence_ + 1);
  }

  void sum_own_slice() {
    const auto rank = static_cast<std::size_t>(comm_.rank());
    const std::span<float> sum = slice(rank);
    if (!sum.empty()) {
      std::vector<float> term(sum.size());
      decode_into(encoded(incoming_, 0), sum);
      for (std::size_t r = 1; r < ranks_; ++r) {
        decode_into(encoded(incoming_, r), term);
        combine(ReduceOp::sum, ConstBuffer(sum), ConstBuffer(std::span(term)), Buffer(sum));
      }
      finish_reduction(op_, Buffer(sum), comm_.size());
    }
    encode_slice(rank, encoded(outgoing_, rank));
  }

  Communicator comm_;
  std::span<float> data_;
  ReduceOp op_;
  std::shared_ptr<const Codec> codec_;
  std::uint64_t sequence_;  ///< and the next one
  std::size_t ranks_;
  std::size_t slice_;  ///< values, rounded up
  std::size_t slice_bytes_;
  std::vector<std::byte> outgoing_;
  std::vector<std::byte> incoming_;
  std::unique_ptr<detail::Task> stage_;
  bool gathering_ = false;
};

}  // namespace

Operation icompressed_allreduce(const Communicator& comm, std::span<float> data, ReduceOp op,
                                std::shared_ptr<const Codec> codec) {
  detail::CommunicatorState& state = comm.state();
  std::string problem;
  if (codec == nullptr) problem = "the codec is null";
  if (op != ReduceOp::sum && op != ReduceOp::avg)
    problem = text("operator ", name(op), " cannot be compressed, only sum and avg");
  if (data.data() == nullptr && !data.empty())
    problem = text("data is null and should hold ", data.size(), " elements");
  if (!problem.empty()) {
    const std::uint64_t sequence = state.take_sequence(2);
    state.refuse(sequence, text("compressed allreduce #", sequence, ": ", problem));
  }
  auto task = std::make_unique<CompressedAllreduce>(comm, data, op, std::move(codec));
  task->begin();
  return Operation(std::move(task));
}

}  // namespace tutti
