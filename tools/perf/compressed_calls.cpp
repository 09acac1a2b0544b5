#include "tools/perf/compressed_calls.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <span>

#include <tutti/collectives/inspect/mpi.hpp>
#include <tutti/compression/normal_values.hpp>

namespace tutti::tools {
namespace {

std::span<float> floats_of(const Call& call) { return {static_cast<float*>(call.output.data), call.output.count}; }

}  // namespace

CompressedCalls::CompressedCalls(const Call& call, const CodecSettings& settings)
    : normal_(normal_values((std::size_t{1} << 16) + 1)),  // odd: what follows each other differs
      operation_(*call.comm, {{.count = call.count, .rows = square_rows(call.count)}}, settings, call.op) {}

void CompressedCalls::prepare(const Call& call, int iteration) const {
  const std::span<float> out = floats_of(call);
  std::size_t from =
      (static_cast<std::size_t>(iteration) * 7919 + static_cast<std::size_t>(call.rank) * 104729) % normal_.size();
  for (std::size_t done = 0; done < out.size();) {
    const std::size_t count = std::min(out.size() - done, normal_.size() - from);
    std::memcpy(out.data() + done, normal_.data() + from, count * sizeof(float));
    done += count;
    from = 0;
  }
}

Request CompressedCalls::start(const Call& call) { return operation_.start(floats_of(call), step_++); }

std::size_t CompressedCalls::count_different(const Call& call) const {
  const std::span<const float> mine = floats_of(call);
  constexpr std::size_t kMost = std::size_t{1} << 18;
  std::vector<std::uint32_t> first(std::min(mine.size(), kMost));
  std::size_t different = 0;
  for (std::size_t done = 0; done < mine.size(); done += first.size()) {
    const std::size_t count = std::min(mine.size() - done, first.size());
    if (call.rank == 0) std::memcpy(first.data(), mine.data() + done, count * sizeof(float));
    detail::check_mpi(MPI_Bcast(first.data(), static_cast<int>(count), MPI_UINT32_T, 0, call.comm->mpi()), "MPI_Bcast");
    for (std::size_t i = 0; i < count; ++i)
      different += first[i] != std::bit_cast<std::uint32_t>(mine[done + i]) ? 1U : 0U;
  }
  return different;
}

}  // namespace tutti::tools
