#include <tutti/compression/sparse/exchange_costs.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>

#include <tutti/collectives/schedule/algorithm_table.hpp>
#include <tutti/collectives/selection/selection.hpp>
#include <tutti/compression/sparse/sparse_list.hpp>

namespace tutti::detail {
namespace {

/// Adding an element of a list to a sum in the cache, in seconds: as the constants of transports, an order of
/// magnitude.
constexpr double kSecondsAnElement = 1.5e-9;

double seconds_of(Selector& selector, Collective collective, double bytes, bool uneven) {
  const Plan plan =
      selector.choose(collective_algorithms(), collective, static_cast<std::size_t>(bytes), {.uneven = uneven});
  return plan.predicted.total();
}

}  // namespace

double expected_union(const ListTotals& lists, std::size_t ranks) noexcept {
  const auto universe = static_cast<double>(lists.universe);
  const double density = static_cast<double>(lists.elements) / static_cast<double>(ranks) / universe;
  return universe * -std::expm1(static_cast<double>(ranks) * std::log1p(-std::min(density, 1.0)));
}

bool slices_are_faster(Selector& selector, const ListTotals& lists) {
  if (selector.size() == 1 || lists.elements == 0) return false;
  const auto ranks = static_cast<std::size_t>(selector.size());
  const auto lengths = static_cast<double>(ranks * sizeof(std::uint64_t));
  const double in_union = expected_union(lists, ranks);
  const double gather = seconds_of(selector, Collective::all_gather, static_cast<double>(lists.bytes), true) +
                        static_cast<double>(lists.elements) * kSecondsAnElement;
  const auto sums =
      static_cast<double>(most_list_bytes(static_cast<std::size_t>(in_union), lists.universe, DType::f32));
  const double slices =
      seconds_of(selector, Collective::all_to_all, lengths, false) +
      seconds_of(selector, Collective::all_to_all, static_cast<double>(lists.longest), true) +
      seconds_of(selector, Collective::all_gather, lengths, false) +
      seconds_of(selector, Collective::all_gather, sums, true) +
      (static_cast<double>(lists.elements) / static_cast<double>(ranks) + in_union) * kSecondsAnElement;
  return slices < gather;
}

}  // namespace tutti::detail
