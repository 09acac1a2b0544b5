#include <tutti/compression/compressed_allreduce.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <tutti/collectives/communicator/communicator_state.hpp>
#include <tutti/compression/reduction.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti {

namespace {

/// Where data end at most, in elements: what encoding takes is a few times as much, and still a number of bytes.
constexpr std::size_t kMostElements = PTRDIFF_MAX / (16 * sizeof(float));

/// What is wrong with the parts; empty if nothing is.
std::string problem_of(std::span<const TensorPart> parts) {
  std::vector<TensorPart> sorted(parts.begin(), parts.end());
  std::sort(sorted.begin(), sorted.end(), [](const TensorPart& a, const TensorPart& b) { return a.offset < b.offset; });
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    const TensorPart& part = sorted[i];
    if (part.offset > kMostElements || part.count > kMostElements - part.offset)
      return text("a part at ", part.offset, " of ", part.count, " elements needs more than memory holds");
    if (part.first % kPartAlignment != 0)
      return text("a part begins at element ", part.first, " of its tensor, no multiple of ", kPartAlignment);
    if (part.rows != 0 && (part.first != 0 || part.count % part.rows != 0))
      return text("a part of ", part.count, " elements is no matrix of ", part.rows, " rows");
    if (i > 0 && sorted[i - 1].offset + sorted[i - 1].count > part.offset)
      return text("two parts overlap at element ", part.offset, " of the data");
  }
  return {};
}

}  // namespace

namespace detail {

std::shared_ptr<Reduction> make_reduction(ReductionParts&& parts) {
  if (parts.op > ReduceOp::logical_or)
    throw InvalidArgument(text("compressed allreduce: there is no operator ", static_cast<int>(parts.op)));
  if (parts.op != ReduceOp::sum && parts.op != ReduceOp::avg)
    throw InvalidArgument(
        text("compressed allreduce: operator ", name(parts.op), " cannot be compressed, only sum and avg"));
  if (const std::string problem = problem_of(parts.parts); !problem.empty())
    throw InvalidArgument(text("compressed allreduce: ", problem));
  CodecSettings checked = parts.settings;
  if (parts.rehearsed != nullptr) checked.feedback = false;  // to measure an error it is kept once
  require_valid(checked);
  return codec_named(parts.settings.codec).make(std::move(parts));
}

void refuse_reduction(const Communicator& comm, std::string_view problem) {
  const std::uint64_t sequence = comm.state().take_sequence();
  comm.state().failures().refuse(sequence, text("compressed allreduce #", sequence, ": ", problem));
}

}  // namespace detail

CompressedAllreduce::CompressedAllreduce(const Communicator& comm, std::vector<TensorPart> parts,
                                         const CodecSettings& settings, ReduceOp op)
    : reduction_(detail::make_reduction({.comm = comm, .parts = std::move(parts), .settings = settings, .op = op})) {}

CompressedAllreduce::CompressedAllreduce(CompressedAllreduce&& other) noexcept = default;
CompressedAllreduce& CompressedAllreduce::operator=(CompressedAllreduce&& other) noexcept = default;
CompressedAllreduce::~CompressedAllreduce() = default;

Request CompressedAllreduce::start(std::span<float> data, std::uint64_t step) {
  return detail::start_reduction(reduction_, data, step);
}

const CodecSettings& CompressedAllreduce::settings() const noexcept { return reduction_->settings(); }
std::span<const TensorPart> CompressedAllreduce::parts() const noexcept { return reduction_->parts(); }
std::size_t CompressedAllreduce::payload_bytes() const noexcept { return reduction_->payload_bytes(); }

std::vector<CompressionState> CompressedAllreduce::state() {
  reduction_->allocate();
  return reduction_->state();
}

std::span<const CompressionFacts> CompressedAllreduce::facts() const noexcept { return reduction_->facts(); }

Request icompressed_allreduce(const Communicator& comm, std::span<float> data, ReduceOp op,
                              const CodecSettings& settings, std::uint64_t step) {
  std::shared_ptr<detail::Reduction> reduction;
  std::string problem = settings.feedback ? "feedback needs a CompressedAllreduce, which keeps it" : "";
  try {
    if (problem.empty())
      reduction = detail::make_reduction(
          {.comm = comm, .parts = {{.offset = 0, .count = data.size()}}, .settings = settings, .op = op});
  } catch (const InvalidArgument& error) {
    problem = error.what();
  }
  if (!problem.empty()) detail::refuse_reduction(comm, problem);
  return detail::start_reduction(reduction, data, step);
}

void compressed_allreduce(const Communicator& comm, std::span<float> data, ReduceOp op, const CodecSettings& settings,
                          std::uint64_t step) {
  icompressed_allreduce(comm, data, op, settings, step).wait();
}

}  // namespace tutti
