// Calls drawn at random: algorithm, radix, count, type, operator, root, cut, place, memory and pretended nodes, by a
// seed that is printed with what fails.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <tests/support/ranks/grid.hpp>
#include <tests/support/ranks/queue_double.hpp>
#include <tests/support/ranks/trial.hpp>
#include <tutti/allreduce/allreduce_table.hpp>
#include <tutti/allreduce/hierarchical.hpp>
#include <tutti/collectives/communicator/communicator_state.hpp>
#include <tutti/collectives/schedule/algorithm_table.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti {
namespace {

constexpr unsigned kSeed = 3141592;
constexpr int kDraws = 400;

/// One of each collective without a name.
std::vector<Algorithm> unnamed_rows() {
  std::vector<Algorithm> all;
  for (const Collective collective : kAllCollectives) {
    Algorithm unnamed{};
    unnamed.collective = collective;
    all.push_back(unnamed);
  }
  return all;
}

/// Those, and rows of both tables.
std::vector<Algorithm> rows() {
  std::vector<Algorithm> all = unnamed_rows();
  for (const Algorithm* row : collective_algorithms()) all.push_back(*row);
  for (const Algorithm* row : allreduce_algorithms()) all.push_back(*row);
  for (int i = 0; i < 5; ++i) all.push_back(kHierarchicalAllreduce);  // as often as what has many rows
  return all;
}

/// The same numbers on every rank.
class Draws {
 public:
  explicit Draws(unsigned seed) : generator_(seed) {}

  /// 0 to n-1
  std::size_t below(std::size_t n) { return generator_() % n; }
  template <class T>
  const T& of(const std::vector<T>& values) {
    return values[below(values.size())];
  }
  /// Many small ones, few large.
  std::size_t count() { return below(std::size_t{1} << below(15)); }

  /// Bits of ranks: none, all, or some.
  unsigned ranks() {
    constexpr unsigned kNoneOrAll[] = {0, ~0U};
    const std::size_t kind = below(4);
    return kind < 2 ? kNoneOrAll[kind] : static_cast<unsigned>(below(std::size_t{1} << 16));
  }

 private:
  std::mt19937 generator_;
};

TEST(Random, CallsAreRight) {
  std::map<int, Communicator> comms;  // by ranks per pretended node, 0: none
  const int size = test::world().size();
  for (int ranks = 0; ranks <= size; ++ranks) {
    CommunicatorOptions options = test::patient();
    options.ranks_per_node = ranks;
    comms.emplace(ranks, test::world(options));
  }
  Draws draw(kSeed + static_cast<unsigned>(size));
  const std::vector<Algorithm> all = rows();
  const std::vector<DType> dtypes(std::begin(kAllDTypes), std::end(kAllDTypes));
  const std::vector<ReduceOp> ops(std::begin(kAllReduceOps), std::end(kAllReduceOps));
  int failures = 0;
  for (int i = 0; i < kDraws; ++i) {
    const Communicator& comm = comms.at(static_cast<int>(draw.below(static_cast<std::size_t>(size) + 1)));
    const Algorithm& row = draw.of(all);
    const DType dtype = draw.of(dtypes);
    const std::size_t count = draw.count();
    const std::size_t pieces = 1 + draw.below(40);
    test::Case c{.algorithm = row,
                 .dtype = dtype,
                 .op = draw.of(ops),
                 .count = count,
                 .segment_bytes = pieces == 1 ? 0 : 1 + count * size_of(dtype) / pieces,
                 .root = is_rooted(row.collective) ? static_cast<int>(draw.below(static_cast<std::size_t>(size))) : 0,
                 .in_place = draw.below(2) == 0 && test::has_two_forms(row),
                 .misalignment = draw.below(5),
                 .radix = row.radix == Radix::none || draw.below(2) == 0
                              ? 0
                              : 2 + static_cast<int>(draw.below(static_cast<std::size_t>(std::max(1, size - 1))))};
    if (!is_supported(c.op, c.dtype) || !reduces(row.collective)) c.op = ReduceOp::sum;
    const bool two_levels = comm.state().hierarchy() != nullptr && comm.state().queue() == nullptr;
    if (row.staged != nullptr && !two_levels) continue;
    const std::string problem = test::try_case(comm, c);
    if (!problem.empty() && ++failures <= 3) {
      ADD_FAILURE() << "seed " << kSeed << ", draw " << i << ", " << comm.options().ranks_per_node
                    << " ranks a node: " << test::describe(c) << problem;
    }
  }
}

TEST(Random, CallsInTheMemoryOfTheNodeAreRight) {
  const Communicator comm = test::world();
  if (comm.state().node() == nullptr) GTEST_SKIP() << "ranks exchange messages";
  const auto size = static_cast<std::size_t>(comm.size());
  Draws draw(kSeed * 3 + static_cast<unsigned>(size));
  const std::vector<Algorithm> all = unnamed_rows();
  const std::vector<DType> dtypes(std::begin(kAllDTypes), std::end(kAllDTypes));
  const std::vector<ReduceOp> ops(std::begin(kAllReduceOps), std::end(kAllReduceOps));
  int failures = 0;
  for (int i = 0; i < kDraws; ++i) {
    const Algorithm& row = draw.of(all);
    test::Case c{.algorithm = row,
                 .dtype = draw.of(dtypes),
                 .op = draw.of(ops),
                 .count = draw.below(8) == 0 ? draw.below(300'000 / size) : draw.count(),
                 .root = is_rooted(row.collective) ? static_cast<int>(draw.below(size)) : 0,
                 .in_place = draw.below(2) == 0 && test::has_two_forms(row),
                 .misalignment = (draw.below(5) + static_cast<std::size_t>(comm.rank())) % 5,  // each its own
                 .mapped_inputs = draw.ranks(),
                 .mapped_outputs = draw.ranks()};
    if (!is_supported(c.op, c.dtype) || !reduces(row.collective)) c.op = ReduceOp::sum;
    const std::string problem = test::try_case(comm, c);
    if (!problem.empty() && ++failures <= 3) {
      ADD_FAILURE() << "seed " << kSeed << ", draw " << i << ": " << test::describe(c) << problem;
    }
  }
}

/// Over the stand-in collectives are enqueued, or the runs over it would say nothing.
TEST(Random, OverAQueueWorkIsDoneInIt) {
  const Communicator comm = test::world();
  const auto* queue = dynamic_cast<const test::QueueDouble*>(comm.state().queue());
  const char* const wish = std::getenv("TUTTI_TEST_TRANSPORT");
  ASSERT_EQ(queue != nullptr, wish != nullptr && std::string_view(wish) == "queue");
  if (queue == nullptr || comm.size() == 1) GTEST_SKIP() << "not over a queue";
  EXPECT_EQ(test::try_case(comm, {.algorithm = *allreduce_algorithms().front(), .count = 100}), "");
  EXPECT_GT(queue->done(), 2 * (comm.size() - 1));
}

}  // namespace
}  // namespace tutti
