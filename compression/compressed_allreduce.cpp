// Compressed allreduce: encoded slices go to their owners, who add them up and send the encoded sums to all.
//
// Before: every rank holds n values, cut into P slices; slices are padded to equal length, so that messages are. An
// all-to-all brings the P encoded versions of slice r to rank r; it decodes and adds them in rank order, encodes the
// sum, and an all-gather brings the encoded sums to all ranks, the owner decoding its own too. Bytes per rank: 2
// (P-1)/P times the encoded size.
#include <algorithm>
#include <exception>
#include <vector>

#include <tutti/collectives/engine/dispatch.hpp>
#include <tutti/collectives/engine/waiting_task.hpp>
#include <tutti/collectives/schedule/algorithm_table.hpp>
#include <tutti/collectives/system/available_memory.hpp>
#include <tutti/collectives/system/leak_until_exit.hpp>
#include <tutti/compression/compression.hpp>
#include <tutti/kernels/crc32c.hpp>
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

class CompressedAllreduce final : public detail::WaitingTask {
 public:
  CompressedAllreduce(const Communicator& comm, std::uint64_t sequence, std::span<float> data, ReduceOp op,
                      std::shared_ptr<const Codec> codec)
      : WaitingTask(comm, sequence, detail::Role::whole),
        data_(data),
        op_(op),
        codec_(std::move(codec)),
        ranks_(static_cast<std::size_t>(comm.size())),
        slice_((data.size() + ranks_ - 1) / ranks_),
        slice_bytes_(codec_->encoded_bytes(slice_)),
        encoded_(std::make_shared<Encoded>(ranks_ * slice_bytes_)) {}
  CompressedAllreduce(const CompressedAllreduce&) = delete;
  CompressedAllreduce& operator=(const CompressedAllreduce&) = delete;
  ~CompressedAllreduce() override {
    if (!stage_) return;
    state().failures().fail(sequence(), text(label(), " was given up before it was complete"));
    detail::leak_until_exit(encoded_);
  }

  void begin() {
    for (std::size_t r = 0; r < ranks_; ++r) encode_slice(r, encoded(encoded_->outgoing, r));
    stage_ = detail::start_stage(comm(), state().everyone(), collective_algorithms(),
                                 {.collective = Collective::all_to_all,
                                  .input = ConstBuffer(encoded_->outgoing.data(), encoded_->outgoing.size(), DType::u8),
                                  .output = Buffer(encoded_->incoming.data(), encoded_->incoming.size(), DType::u8),
                                  .data_count = encoded_->outgoing.size(),
                                  .dtype = DType::u8,
                                  .variant = variant()},
                                 sequence());
  }

  Progress advance() override {
    Progress progress = Progress::none;
    while (stage_) {
      const Progress of_stage = stage_->advance();
      if (of_stage != Progress::none) progress = Progress::some;
      if (of_stage != Progress::complete) return progress;
      next_stage();
    }
    return Progress::complete;
  }

 private:
  std::string label() const override { return text("compressed allreduce #", sequence(), " (", call(), ")"); }
  std::uint64_t current_sequence() const override { return sequence() + (gathering_ ? 1 : 0); }
  std::string call() const { return text(name(op_), " f32 x ", data_.size(), ", ", codec_->name()); }

  /// Ranks must agree on more than the bytes that travel.
  std::uint32_t variant() const {
    const std::string words = call();
    return crc32c(std::as_bytes(std::span(words)));
  }

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
      for (std::size_t r = 0; r < ranks_; ++r) decode_into(encoded(encoded_->incoming, r), slice(r));
      stage_.reset();
      return;
    }
    gathering_ = true;
    sum_own_slice();
    const auto own = encoded(encoded_->outgoing, static_cast<std::size_t>(comm().rank()));
    stage_ = detail::start_stage(comm(), state().everyone(), collective_algorithms(),
                                 {.collective = Collective::all_gather,
                                  .input = ConstBuffer(own.data(), own.size(), DType::u8),
                                  .output = Buffer(encoded_->incoming.data(), encoded_->incoming.size(), DType::u8),
                                  .data_count = encoded_->incoming.size(),
                                  .dtype = DType::u8,
                                  .variant = variant()},
                                 sequence() + 1);
  }

  void sum_own_slice() {
    const auto rank = static_cast<std::size_t>(comm().rank());
    const std::span<float> sum = slice(rank);
    if (!sum.empty()) {
      std::vector<float> term(sum.size());
      decode_into(encoded(encoded_->incoming, 0), sum);
      for (std::size_t r = 1; r < ranks_; ++r) {
        decode_into(encoded(encoded_->incoming, r), term);
        reduce_local(ReduceOp::sum, ConstBuffer(sum), ConstBuffer(std::span(term)), Buffer(sum));
      }
      finish_reduction(op_, Buffer(sum), comm().size());
    }
    encode_slice(rank, encoded(encoded_->outgoing, rank));
  }

  std::span<float> data_;
  ReduceOp op_;
  std::shared_ptr<const Codec> codec_;
  std::size_t ranks_;
  std::size_t slice_;  ///< values, rounded up
  std::size_t slice_bytes_;
  std::shared_ptr<Encoded> encoded_;
  std::unique_ptr<detail::Task> stage_;
  bool gathering_ = false;
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
  const std::uint64_t sequence = state.take_sequence(2);
  if (!problem.empty()) state.failures().refuse(sequence, text("compressed allreduce #", sequence, ": ", problem));
  try {
    auto task = std::make_unique<CompressedAllreduce>(comm, sequence, data, op, std::move(codec));
    task->begin();
    return Request(std::move(task));
  } catch (const std::exception& error) {  // of memory, or the codec's: the other ranks would wait for this one
    if (!state.failures().unusable())
      state.failures().fail(sequence, text("compressed allreduce #", sequence, ": ", error.what()));
    throw;
  }
}

}  // namespace tutti
