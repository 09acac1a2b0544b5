// The choice of algorithm; see selection.hpp.
#include <algorithm>

#include <tutti/collectives/schedule/step_order.hpp>
#include <tutti/collectives/selection/selection.hpp>
#include <tutti/collectives/selection/staged_algorithm.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti {
namespace {

constexpr std::size_t kMaxSegments = 65535;
constexpr std::size_t kSegmentBytes[] = {std::size_t{16} << 10, std::size_t{64} << 10, std::size_t{256} << 10,
                                         std::size_t{1} << 20, SIZE_MAX};

/// Radices worth a thought: small ones, where one more makes a difference, and few above.
std::vector<int> radices(const Algorithm& algorithm, int size, int wish) {
  if (wish != 0) return {wish};
  if (algorithm.radix == Radix::none) return {2};
  std::vector<int> found = {2};
  for (const int radix : {3, 4, 5, 6, 7, 8, 10, 12, 16, 20, 24, 32, 48, 64}) {
    if (radix < size) found.push_back(radix);
  }
  if (size > 2 && size <= 128) found.push_back(size);
  return found;
}

/// The largest message of a schedule in one segment, about.
std::size_t message_bytes(const Algorithm& algorithm, const Shape& shape, std::size_t bytes) noexcept {
  return algorithm.single_block ? bytes / static_cast<std::size_t>(algorithm.blocks(shape)) : bytes / 2;
}

/// Of plans that are sorted by what is predicted: takes the one with the fewest messages of those as good as the first
/// to the front, among equals one that reduces in rank order.
void put_best_first(std::vector<Plan>& all, double as_good) {
  if (all.empty()) return;
  const double limit = all.front().predicted.total() * as_good;
  const auto end =
      std::find_if(all.begin(), all.end(), [&](const Plan& plan) { return plan.predicted.total() > limit; });
  const auto best = std::min_element(all.begin(), end, [](const Plan& a, const Plan& b) {
    return std::pair(a.messages, !a.algorithm->canonical_order) < std::pair(b.messages, !b.algorithm->canonical_order);
  });
  std::rotate(all.begin(), best, best + 1);
}

/// Inserts a plan of stages, whose messages do not compare with those of rounds: before the best plan only if it is
/// predicted faster.
void insert(std::vector<Plan>& all, const Plan& plan) {
  const auto is_slower = [&](const Plan& other) { return plan.predicted.total() < other.predicted.total(); };
  const bool wins = all.empty() || is_slower(all.front());
  all.insert(wins ? all.begin() : std::find_if(all.begin() + 1, all.end(), is_slower), plan);
}

/// Whether a row is a staged one that may be chosen: unless it is named, only where all is left open.
bool can_run_staged(const Algorithm& row, const Constraints& constraints) {
  if (row.staged == nullptr || constraints.levels == nullptr) return false;
  const bool is_open = constraints.algorithm.empty() && constraints.radix == 0 && constraints.segment_bytes == 0;
  bool only_widest = false;
  return (is_open || row.name == constraints.algorithm) && can_serve(row, constraints, only_widest) && !only_widest;
}

}  // namespace

bool can_serve(const Algorithm& algorithm, const Constraints& constraints, bool& only_widest) noexcept {
  only_widest = false;
  if (constraints.uneven && algorithm.moves_blocks) return false;
  const bool by_rank =
      algorithm.canonical_order && (!algorithm.order_from_root || constraints.order == Order::by_rank_root_first);
  if (constraints.order == Order::any || (by_rank && constraints.order != Order::one_pass)) return true;
  only_widest = true;
  return algorithm.reduces_at_once;
}

int count_segments(const Algorithm& algorithm, const Shape& shape, std::size_t bytes,
                   std::size_t segment_bytes) noexcept {
  if (has_bound_blocks(algorithm.collective) && !algorithm.single_block) return 1;
  const std::size_t message = message_bytes(algorithm, shape, bytes);
  const std::size_t segments = message / segment_bytes + (message % segment_bytes != 0 ? 1 : 0);
  return static_cast<int>(std::clamp<std::size_t>(segments, 1, kMaxSegments));
}

std::size_t segment_bytes(const Plan& plan, int size, std::size_t bytes) noexcept {
  const std::size_t message = message_bytes(*plan.algorithm, {size, plan.radix, plan.torus}, bytes);
  const auto segments = static_cast<std::size_t>(plan.segments);
  return std::max<std::size_t>(1, message / segments + (message % segments != 0 ? 1 : 0));
}

Selector::Selector(int size, const TransportCosts& costs, const CostContext& where)
    : size_(size), costs_(costs), where_(where) {
  if (!where.network) return;
  torus_ = where.network.torus.refined(where.ranks_per_node);
  if (torus_.nodes() != size)
    throw InvalidArgument(text("a torus ", where.network.torus.text(), " with ", where.ranks_per_node,
                               " ranks on a node does not have ", size, " ranks"));
}

const Profile& Selector::profile_of(const Algorithm& algorithm, int radix) {
  const auto key = std::pair(&algorithm, radix);
  const auto found = profiles_.find(key);
  if (found != profiles_.end()) return found->second;
  return profiles_.emplace(key, profile(algorithm, {size_, radix, torus_}, where_)).first->second;
}

Plan Selector::choose(std::span<const Algorithm* const> table, Collective collective, std::size_t bytes,
                      const Constraints& constraints) {
  const std::size_t key = bytes * 31 + constraints.segment_bytes * 7 + static_cast<std::size_t>(constraints.radix) * 3 +
                          constraints.algorithm.size() + static_cast<std::size_t>(collective);
  Answer& answer = answers_[key * 0x9E3779B97F4A7C15U >> 58];
  if (answer.table == table.data() && answer.collective == collective && answer.bytes == bytes &&
      answer.constraints == constraints) {
    return answer.plan;
  }
  const std::vector<Plan> all = candidates(table, collective, bytes, constraints);
  if (all.empty()) return {};
  answer = {table.data(), collective, bytes, constraints, all.front()};
  if (!constraints.algorithm.empty())
    answer.constraints.algorithm = all.front().algorithm->name;  // the wish's text may go
  return all.front();
}

/// The fastest first.
std::vector<Plan> Selector::schedules(std::span<const Algorithm* const> table, Collective collective, std::size_t bytes,
                                      const Constraints& constraints) {
  std::vector<Plan> all;
  for (const Algorithm* row : table) {
    if (row->staged != nullptr) continue;
    if (row->collective != collective || (!constraints.algorithm.empty() && row->name != constraints.algorithm))
      continue;
    if (constraints.algorithm.empty() && row->is_eligible != nullptr && !row->is_eligible({size_, 2, torus_})) continue;
    bool only_widest = false;
    if (!can_serve(*row, constraints, only_widest)) continue;
    const int widest = std::max(2, size_);
    if (only_widest && constraints.radix != 0 && constraints.radix != widest) continue;

    for (const int radix : radices(*row, size_, only_widest ? widest : constraints.radix)) {
      const Profile& its = profile_of(*row, radix);
      const int spacing = segment_spacing(*row, its.rounds);
      int before = 0;
      for (const std::size_t segment_bytes : kSegmentBytes) {
        const int segments = count_segments(*row, {size_, radix, torus_}, bytes,
                                            constraints.segment_bytes != 0 ? constraints.segment_bytes : segment_bytes);
        if (segments == before) continue;
        before = segments;
        const Prediction predicted = predict(its, bytes, segments, spacing, costs_, where_.node_byte);
        all.push_back({row, radix, segments, torus_, predicted, its.rank.messages * segments});
      }
    }
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const Plan& a, const Plan& b) { return a.predicted.total() < b.predicted.total(); });
  return all;
}

std::vector<Plan> Selector::candidates(std::span<const Algorithm* const> table, Collective collective,
                                       std::size_t bytes, const Constraints& constraints) {
  std::vector<Plan> all = schedules(table, collective, bytes, constraints);
  put_best_first(all, as_good());
  for (const Algorithm* row : table) {
    if (row->collective == collective && can_run_staged(*row, constraints)) {
      insert(all, row->staged->plan(*row, *constraints.levels, bytes, constraints.segment_bytes));
    }
  }
  return all;
}

}  // namespace tutti
