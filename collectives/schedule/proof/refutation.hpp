// How a replay of a schedule ends when it finds something wrong; for the verifier's own sources.
#pragma once

#include <string>

#include <tutti/collectives/schedule/proof/verifier.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::detail {

struct Refuted {
  std::string why;
};

template <class... Parts>
[[noreturn]] void refute(const Parts&... parts) {
  throw Refuted{text(parts...)};
}

/// Runs a replay; a refutation becomes a verdict.
template <class Body>
Verdict judge(const Algorithm& algorithm, const Shape& shape, int root, Body body) {
  try {
    return body();
  } catch (const Refuted& refuted) {
    Verdict verdict;
    verdict.why_not =
        text(algorithm.name, " ", name(algorithm.collective), ", P = ", shape.size,
             algorithm.radix == Radix::none ? "" : text(", radix ", shape.radix), ", root ", root, ": ", refuted.why);
    return verdict;
  }
}

}  // namespace tutti::detail
