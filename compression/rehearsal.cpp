#include <tutti/compression/rehearsal.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include <tutti/collectives/engine/waiting_task.hpp>
#include <tutti/compression/reduction.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/reduce.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti {

namespace {

using RehearsalClock = std::chrono::steady_clock;

double seconds_between(RehearsalClock::time_point begin, RehearsalClock::time_point end) {
  return std::chrono::duration<double>(end - begin).count();
}

/// Seconds of one call on both sides of its collectives.
struct RehearsedSeconds {
  double encode = 0.0;
  double decode = 0.0;
};

RehearsedSeconds rehearse_call(detail::Reduction& reduction, detail::RehearsedRanks& ranks, std::span<float> data,
                               std::uint64_t step) {
  ranks.forget();
  reduction.prepare(data, step);
  RehearsedSeconds spent;
  for (int number = 0; number < reduction.stages(); ++number) {
    const detail::Stage stage(reduction.comm(), 0, number, 0, 0);
    const double before = ranks.seconds();
    const auto begin = RehearsalClock::now();
    reduction.begin(stage);
    const auto middle = RehearsalClock::now();
    reduction.end(stage);
    spent.encode += seconds_between(begin, middle) - (ranks.seconds() - before);
    spent.decode += seconds_between(middle, RehearsalClock::now());
  }
  return spent;
}

double median_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2.0;
}

double square_sum(std::span<const float> values) {
  double sum = 0.0;
  for (const float value : values) sum += static_cast<double>(value) * static_cast<double>(value);
  return sum;
}

void copy_values(std::span<const float> from, std::span<float> to) { std::copy(from.begin(), from.end(), to.begin()); }

/// rehearse(), which throws anything.
Rehearsal rehearse_calls(const Communicator& comm, std::span<const TensorPart> parts, const CodecSettings& settings,
                         const RehearsalOptions& options, std::span<const float> values, std::span<float> result) {
  detail::RehearsedRanks ranks(options.ranks, options.costs);
  const auto reduction = detail::make_reduction({.comm = comm,
                                                 .parts = {parts.begin(), parts.end()},
                                                 .settings = settings,
                                                 .op = ReduceOp::sum,
                                                 .rehearsed = &ranks});
  reduction->allocate();
  copy_values(values, result);
  rehearse_call(*reduction, ranks, result, 0);
  Rehearsal found = {.collectives = ranks.collectives(),
                     .payload_bytes = reduction->payload_bytes(),
                     .facts = {reduction->facts().begin(), reduction->facts().end()}};
  std::vector<double> encode;
  std::vector<double> decode;
  for (int round = 1; round <= options.rounds; ++round) {
    copy_values(values, result);
    const RehearsedSeconds spent = rehearse_call(*reduction, ranks, result, static_cast<std::uint64_t>(round));
    encode.push_back(spent.encode);
    decode.push_back(spent.decode);
  }
  if (options.rounds == 0) return found;
  found.encode_seconds = median_of(std::move(encode));
  found.decode_seconds = median_of(std::move(decode));
  return found;
}

}  // namespace

Rehearsal rehearse(const Communicator& comm, std::span<const TensorPart> parts, const CodecSettings& settings,
                   const RehearsalOptions& options, std::span<const float> values, std::span<float> result) {
  try {
    return rehearse_calls(comm, parts, settings, options, values, result);
  } catch (const InvalidArgument&) {
    throw;
  } catch (const Error& error) {  // of what others would not have sent
    throw InvalidArgument(text("codec '", to_text(settings), "': a call of ", options.ranks,
                               " ranks cannot be told from one of them (", error.what(), ")"));
  }
}

std::optional<double> EncodingError::relative() const noexcept {
  if (!std::isfinite(error) || !std::isfinite(values) || !(values > 0.0)) return std::nullopt;
  return error / values;
}

EncodingError encoding_error(const Communicator& comm, std::span<const TensorPart> parts, const CodecSettings& settings,
                             int ranks, std::span<const float> values, std::span<float> scratch) {
  const double all = square_sum(values);
  // What is held back after one call is what its encoding lacks, also of a codec that should keep nothing for long.
  CodecSettings with_feedback = settings;
  with_feedback.feedback = true;
  const Rehearsal found = rehearse(comm, parts, with_feedback, {.ranks = ranks, .rounds = 0}, values, scratch);
  double error = 0.0;
  double contributed = 0.0;
  for (const CompressionFacts& facts : found.facts) {
    error += facts.error;
    contributed += facts.values;
  }
  if (contributed > 0.0) return {.error = error, .values = all};
  // It keeps nothing. Alone, what is decoded is what was encoded.
  rehearse(comm, parts, settings, {.ranks = 1, .rounds = 0}, values, scratch);
  for (std::size_t i = 0; i < values.size(); ++i) scratch[i] -= values[i];
  return {.error = square_sum(scratch), .values = all};
}

namespace detail {

void RehearsedRanks::take_part(const Call& call) {
  const auto begin = RehearsalClock::now();
  const std::size_t received = call.output.size_bytes();
  collectives_.push_back({.collective = call.collective,
                          .bytes = call.is_uneven() ? received : call.data_bytes(),
                          .uneven = call.is_uneven()});
  switch (call.collective) {
    case Collective::allreduce:
      add_up(call);
      break;
    case Collective::all_gather:
      gather(call);
      break;
    case Collective::all_to_all:
      exchange(call);
      break;
    default:
      throw InvalidArgument(text("a call with ", name(call.collective), " cannot be rehearsed"));
  }
  seconds_ += seconds_between(begin, RehearsalClock::now());
}

/// The sum of equal terms by doubling; other operators give the operand.
void RehearsedRanks::add_up(const Call& call) {
  const std::size_t bytes = call.output.size_bytes();
  if (bytes == 0) return;
  if (call.output.data != call.input.data) std::memcpy(call.output.data, call.input.data, bytes);
  if (call.op != ReduceOp::sum) return;
  std::vector<std::byte> memory(bytes);
  std::memcpy(memory.data(), call.input.data, bytes);
  const Buffer term(memory.data(), call.output.count, call.output.dtype);
  for (int rest = ranks_ - 1; rest > 0; rest /= 2) {
    if (rest % 2 == 1) reduce_local(ReduceOp::sum, call.output, term, call.output);
    if (rest > 1) reduce_local(ReduceOp::sum, term, term, term);
  }
}

void RehearsedRanks::gather(const Call& call) {
  const auto* own = static_cast<const std::byte*>(call.input.data);
  auto* to = static_cast<std::byte*>(call.output.data);
  const std::size_t element = call.element_bytes();
  const bool as_sent = !call.is_uneven() && sent_.size() == call.output.size_bytes();
  for (int rank = 0; rank < ranks_; ++rank) {
    const std::size_t bytes = call.is_uneven() ? call.count_of(rank) * element : call.input.size_bytes();
    const std::byte* from =
        as_sent && rank != this->rank() ? sent_.data() + static_cast<std::size_t>(rank) * bytes : own;
    const std::size_t copied = std::min(bytes, call.input.size_bytes());
    if (copied > 0 && to != from) std::memmove(to, from, copied);
    if (bytes > copied) std::memset(to + copied, 0, bytes - copied);
    to += bytes;
  }
}

void RehearsedRanks::exchange(const Call& call) {
  const auto* in = static_cast<const std::byte*>(call.input.data);
  auto* to = static_cast<std::byte*>(call.output.data);
  const std::size_t element = call.element_bytes();
  const auto all = static_cast<std::size_t>(ranks_);
  const std::size_t sent = call.is_uneven() ? call.input_count_of(rank()) * element : call.input.size_bytes() / all;
  const std::byte* own = in + call.input.size_bytes() - sent;  // the last block
  for (int rank = 0; rank < ranks_; ++rank) {
    const std::size_t bytes = call.is_uneven() ? call.count_of(rank) * element : call.output.size_bytes() / all;
    const std::size_t copied = std::min(bytes, sent);
    if (copied > 0) std::memcpy(to, own, copied);
    if (bytes > copied) std::memset(to + copied, 0, bytes - copied);
    to += bytes;
  }
  sent_ = {in, call.input.size_bytes()};
}

}  // namespace detail
}  // namespace tutti
