// The allreduce of a row by a codec, beside the plain one: on data that look like gradients, since the small integers
// of Pattern are exact for some codecs and all equal to others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <tutti/collectives/request.hpp>
#include <tutti/compression/compressed_allreduce.hpp>

#include "tools/perf/collective.hpp"

namespace tutti::tools {

class CompressedCalls {
 public:
  /// For calls like `call`, of an allreduce in place of f32. Local. \throws InvalidArgument: settings that cannot be
  CompressedCalls(const Call& call, const CodecSettings& settings);

  std::size_t payload_bytes() const noexcept { return operation_.payload_bytes(); }

  /// Writes this rank's contribution: normally distributed values, other ones for every rank and iteration.
  void prepare(const Call& call, int iteration) const;

  /// One at a time. Collective.
  Request start(const Call& call);

  /// Elements of the result whose bits are not those of rank 0. Collective.
  std::size_t count_different(const Call& call) const;

 private:
  std::vector<float> normal_;  // draws, which calls use in turn
  CompressedAllreduce operation_;
  std::uint64_t step_ = 0;
};

}  // namespace tutti::tools
