// Which algorithm runs, with which radix and segments, when the caller names none: of those that the cost model finds
// fastest, or as good as fastest, the one with the fewest messages, which a network that is not ideal delays least;
// among equals one that reduces in rank order.
//
// A pure function of collective, bytes, number of ranks and the constants of the transport: all ranks choose alike, and
// nothing is measured while a program runs.
#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <tutti/collectives/schedule/schedule.hpp>
#include <tutti/collectives/selection/cost_model.hpp>
#include <tutti/collectives/selection/link_use.hpp>

namespace tutti {

namespace detail {
struct LevelPrices;
}

/// Plans within this factor of the fastest are as good: the model cannot tell them apart on a network that it does not
/// know.
inline constexpr double kAsGood = 1.08;
inline constexpr double kAsGoodOnTorus = 1.02;  ///< and on one whose links it knows

/// An algorithm with everything that is open about it.
struct Plan {
  const Algorithm* algorithm = nullptr;
  int radix = 2;
  int segments = 1;  ///< of a staged row the parts
  Torus torus = {};  ///< that the ranks are laid out on, if known
  Prediction predicted = {};
  double messages = 0;  ///< of the busiest rank
};

/// The number of segments for messages of about `segment_bytes`, as many as the data allow; 1 for schedules whose
/// ranges of blocks do not stay contiguous in pieces.
int count_segments(const Algorithm& algorithm, const Shape& shape, std::size_t bytes,
                   std::size_t segment_bytes) noexcept;

/// A size of messages that count_segments() turns into the plan's number of segments.
std::size_t segment_bytes(const Plan& plan, int size, std::size_t bytes) noexcept;

/// In which order an algorithm has to reduce the ranks' contributions.
enum class Order : std::uint8_t {
  any,
  by_rank,             ///< 0, 1, ..., P-1, grouped in any way
  by_rank_root_first,  ///< the same, in a collective whose root is rank 0 or that has none
  one_pass,            ///< 0, 1, ..., P-1, all at once
};

/// What is left open; 0 and empty as in CollectiveOptions.
struct Constraints {
  std::string_view algorithm = {};
  int radix = 0;
  std::size_t segment_bytes = 0;
  bool uneven = false;  ///< blocks have different sizes
  Order order = Order::any;
  detail::LevelPrices* levels = nullptr;  ///< what staged rows are priced by; null: they cannot run

  friend bool operator==(const Constraints&, const Constraints&) = default;
};

/// Whether an algorithm can do what is wished. If only with a radix of all ranks, `only_widest` is set.
bool can_serve(const Algorithm& algorithm, const Constraints& constraints, bool& only_widest) noexcept;

class Selector {
 public:
  Selector(int size, const TransportCosts& costs, const CostContext& where = {});

  int size() const noexcept { return size_; }
  Shape shape() const noexcept { return {.size = size_, .torus = torus_}; }
  double as_good() const noexcept { return can_follow_links(where_.network) ? kAsGoodOnTorus : kAsGood; }
  const TransportCosts& costs() const noexcept { return costs_; }

  /// The best plan of `table` for `bytes` of data in all blocks that meets the constraints; without algorithm if the
  /// table has none. Remembers recent answers.
  Plan choose(std::span<const Algorithm* const> table, Collective collective, std::size_t bytes,
              const Constraints& constraints);

  /// Every plan that is considered: the best, then the others, the fastest first.
  std::vector<Plan> candidates(std::span<const Algorithm* const> table, Collective collective, std::size_t bytes,
                               const Constraints& constraints = {});

 private:
  std::vector<Plan> schedules(std::span<const Algorithm* const> table, Collective collective, std::size_t bytes,
                              const Constraints& constraints);
  struct Answer {
    const void* table = nullptr;
    Collective collective{};
    std::size_t bytes = 0;
    Constraints constraints;  ///< `algorithm` is the plan's own name
    Plan plan;
  };

  const Profile& profile_of(const Algorithm& algorithm, int radix);

  int size_;
  TransportCosts costs_;
  CostContext where_;
  Torus torus_;  // of ranks: those of a node are a dimension of their own
  std::map<std::pair<const Algorithm*, int>, Profile> profiles_;
  std::array<Answer, 64> answers_;
};

}  // namespace tutti
