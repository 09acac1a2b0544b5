// The processes that make a data set together. This folder knows no MPI: whoever starts several gives them this way to
// speak to each other.
#pragma once

#include <cstdint>
#include <functional>
#include <type_traits>
#include <utility>
#include <vector>

namespace tutti::io {

class Ranks {
 public:
  virtual ~Ranks() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;

  /// Collective: what every rank gives, by rank. \throws Error if a rank has gone.
  virtual std::vector<std::vector<std::uint64_t>> all_gather(const std::vector<std::uint64_t>& mine) = 0;
};

/// A process by itself.
Ranks& one_rank() noexcept;

/// Collective: runs `step` on every rank; if it threw on any, all throw what the lowest of them did, InvalidArgument as
/// such and anything else as DataError. `step` itself is not collective.
void agree(Ranks& ranks, const std::function<void()>& step);

/// The same for a step that returns something.
template <class Step>
requires(!std::is_void_v<std::invoke_result_t<Step>>) auto agree(Ranks& ranks, Step step) {
  std::invoke_result_t<Step> result{};
  agree(ranks, std::function<void()>([&] { result = step(); }));
  return result;
}

}  // namespace tutti::io
