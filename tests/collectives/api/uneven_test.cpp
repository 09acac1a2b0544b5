// Collectives of which every rank has a count of its own, against a naive reference.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <numeric>
#include <random>

#include <tests/support/ranks/grid.hpp>
#include <tutti/collectives/collectives.hpp>
#include <tutti/collectives/schedule/algorithm_table.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti {
namespace {

using test::Bytes;
using test::Guarded;

using Counts = std::vector<std::size_t>;

std::size_t sum(const Counts& counts, std::size_t end) {
  return std::accumulate(counts.begin(), counts.begin() + static_cast<std::ptrdiff_t>(end), std::size_t{0});
}
std::size_t sum(const Counts& counts) { return sum(counts, counts.size()); }

struct Case {
  const Algorithm& algorithm;
  Counts counts = {};
  DType dtype = DType::f32;
  ReduceOp op = ReduceOp::sum;
  std::size_t segment_bytes = 0;
  int root = 0;
  bool in_place = false;
  int radix = 0;
  bool chosen = false;  ///< the algorithm is left to the library
};

std::string describe(const Case& c) {
  std::string counts;
  for (const std::size_t count : c.counts) counts += text(" ", count);
  return text(name(c.algorithm.collective), "_v ", c.algorithm.name, c.chosen ? " or another " : " ", name(c.op), " ",
              name(c.dtype), ", counts", counts, ", radix ", c.radix, ", segments of ", c.segment_bytes, " B, root ",
              c.root, c.in_place ? ", in place: " : ", out of place: ");
}

/// Runs one case on every rank; the answer says what is wrong, and is empty if nothing is.
class Trial {
 public:
  Trial(const Communicator& comm, const Case& c)
      : comm_(comm),
        c_(c),
        rank_(static_cast<std::size_t>(comm.rank())),
        own_(c.counts[rank_]),
        first_(sum(c.counts, rank_)),
        all_(sum(c.counts)),
        options_{.algorithm = c.chosen ? std::string_view() : c.algorithm.name,
                 .radix = c.radix,
                 .segment_bytes = c.segment_bytes} {}

  std::string operator()() {
    switch (c_.algorithm.collective) {
      case Collective::all_gather:
      case Collective::gather:
        return gathering_case(c_.algorithm.collective == Collective::gather);
      case Collective::scatter:
        return scatter_case();
      case Collective::reduce_scatter:
        return reduce_scatter_case();
      default:
        return all_to_all_case();
    }
  }

 private:
  Bytes of_rank(std::size_t rank, std::size_t first, std::size_t count) const {
    return test::contributions(c_.dtype, c_.op, static_cast<int>(rank), first, count);
  }
  Bytes of_all(std::size_t first, std::size_t count) const {
    return test::reductions(c_.dtype, c_.op, comm_.size(), first, count);
  }
  Guarded memory(std::size_t count) const { return {c_.dtype, count}; }
  bool is_root() const { return comm_.rank() == c_.root; }

  std::string gathering_case(bool rooted) {
    const bool has_output = !rooted || is_root();
    Guarded output = memory(has_output ? all_ : 0);
    Guarded input = memory(own_);
    const Bytes own = of_rank(rank_, 0, own_);
    const bool in_place = c_.in_place && has_output;
    if (in_place) {
      output.set(first_, own);
    } else {
      input.set(0, own);
    }
    const ConstBuffer from = in_place ? ConstBuffer(output.at(first_), own_, c_.dtype) : input.buffer();
    if (rooted) {
      gather_v(comm_, from, output.buffer(), c_.counts, c_.root, options_);
    } else {
      all_gather_v(comm_, from, output.buffer(), c_.counts, options_);
    }
    std::string wrong = output.compare_guards("output") + input.compare_guards("input");
    for (std::size_t r = 0; has_output && r < c_.counts.size(); ++r) {
      wrong += output.compare("output", sum(c_.counts, r), of_rank(r, 0, c_.counts[r]));
    }
    if (!in_place) wrong += input.compare("input", 0, own);
    return wrong;
  }

  std::string scatter_case() {
    Guarded input = memory(is_root() ? all_ : 0);
    Guarded output = memory(own_);
    const auto root = static_cast<std::size_t>(c_.root);
    if (is_root()) input.set(0, of_rank(root, 0, all_));
    const bool in_place = c_.in_place && is_root();
    const Buffer to = in_place ? Buffer(input.at(first_), own_, c_.dtype) : output.buffer();
    scatter_v(comm_, input.buffer(), to, c_.counts, c_.root, options_);
    std::string wrong = input.compare_guards("input") + output.compare_guards("output");
    if (is_root()) wrong += input.compare("input", 0, of_rank(root, 0, all_));
    if (!in_place) wrong += output.compare("output", 0, of_rank(root, first_, own_));
    return wrong;
  }

  std::string reduce_scatter_case() {
    Guarded input = memory(all_);
    Guarded output = memory(own_);
    const Bytes contribution = of_rank(rank_, 0, all_);
    input.set(0, contribution);
    const Buffer to = c_.in_place ? Buffer(input.at(first_), own_, c_.dtype) : output.buffer();
    reduce_scatter_v(comm_, input.buffer(), to, c_.counts, c_.op, options_);
    const Bytes expected = of_all(first_, own_);
    if (c_.in_place) return input.compare("data", first_, expected) + input.compare_guards("data");
    return output.compare("output", 0, expected) + output.compare_guards("output") +
           input.compare("input", 0, contribution) + input.compare_guards("input");
  }

  /// Rank i sends counts[(i + 2 j) % P] elements to rank j, so that the two directions differ.
  std::string all_to_all_case() {
    const std::size_t ranks = c_.counts.size();
    const auto sent = [&](std::size_t from, std::size_t to) { return c_.counts[(from + 2 * to) % ranks]; };
    Counts to(ranks);
    Counts from(ranks);
    for (std::size_t r = 0; r < ranks; ++r) {
      to[r] = sent(rank_, r);
      from[r] = sent(r, rank_);
    }
    Guarded input = memory(sum(to));
    Guarded output = memory(sum(from));
    const auto place = [](std::size_t rank) { return 1000 * rank; };  // where the contribution to a rank begins
    for (std::size_t r = 0; r < ranks; ++r) input.set(sum(to, r), of_rank(rank_, place(r), to[r]));
    all_to_all_v(comm_, input.buffer(), to, output.buffer(), from, options_);
    std::string wrong = output.compare_guards("output") + input.compare_guards("input");
    for (std::size_t r = 0; r < ranks; ++r) {
      wrong += output.compare("output", sum(from, r), of_rank(r, place(rank_), from[r]));
      wrong += input.compare("input", sum(to, r), of_rank(rank_, place(r), to[r]));
    }
    return wrong;
  }

  const Communicator& comm_;
  const Case& c_;
  std::size_t rank_;
  std::size_t own_;
  std::size_t first_;
  std::size_t all_;
  CollectiveOptions options_;
};

/// Algorithms that have a form with counts.
std::vector<const Algorithm*> algorithms_with_counts() {
  std::vector<const Algorithm*> found;
  for (const Algorithm* row : collective_algorithms()) {
    const bool bound =
        has_own_input(row->collective) || has_own_output(row->collective) || row->collective == Collective::all_to_all;
    if (bound && !row->moves_blocks) found.push_back(row);
  }
  return found;
}

std::vector<Counts> patterns(int size) {
  const auto ranks = static_cast<std::size_t>(size);
  Counts rising(ranks);
  std::iota(rising.begin(), rising.end(), 0);
  Counts falling(rising.rbegin(), rising.rend());
  Counts lonely_first(ranks);
  lonely_first.at(0) = 1300;  // more than a signature carries along
  Counts lonely_last(ranks);
  lonely_last.at(ranks - 1) = 7;
  Counts mixed(ranks, 5);
  mixed[ranks / 2] = 4097;
  return {Counts(ranks), rising, falling, lonely_first, lonely_last, mixed};
}

class Uneven : public testing::Test {
 protected:
  void expect_right(const Case& c) {
    const std::string wrong = Trial(comm_, c)();
    EXPECT_EQ(wrong, "") << describe(c);
  }
  Communicator comm_ = test::world();
};

TEST_F(Uneven, EveryAlgorithmEveryPattern) {
  ASSERT_FALSE(algorithms_with_counts().empty());
  for (const Algorithm* row : algorithms_with_counts()) {
    std::vector<int> radices = {0};
    if (row->radix != Radix::none) radices = {2, std::max(2, comm_.size())};
    for (const Counts& counts : patterns(comm_.size())) {
      for (const int radix : radices) {
        for (const std::size_t segment_bytes : {std::size_t{0}, std::size_t{64}}) {
          const bool can_be_in_place = row->collective != Collective::all_to_all;
          for (const bool in_place : {false, true}) {
            if (in_place && !can_be_in_place) continue;
            expect_right({.algorithm = *row,
                          .counts = counts,
                          .segment_bytes = segment_bytes,
                          .root = comm_.size() - 1,
                          .in_place = in_place,
                          .radix = radix});
          }
        }
      }
    }
  }
}

TEST_F(Uneven, DrawnAtRandom) {
  constexpr unsigned kSeed = 20261121;
  constexpr int kDraws = 300;
  if (comm_.rank() == 0) std::printf("seed %u, %d draws\n", kSeed, kDraws);
  std::mt19937 random(kSeed);  // the same on all ranks
  const auto draw = [&](std::size_t below) { return static_cast<std::size_t>(random()) % below; };
  const std::vector<const Algorithm*> rows = algorithms_with_counts();
  constexpr DType kTypes[] = {DType::u8, DType::i32, DType::f64, DType::bf16};
  for (int i = 0; i < kDraws; ++i) {
    const Algorithm& row = *rows[draw(rows.size())];
    Counts counts(static_cast<std::size_t>(comm_.size()));
    for (std::size_t& count : counts) count = draw(3) == 0 ? 0 : draw(draw(4) == 0 ? 3000 : 20);
    const auto most = static_cast<std::size_t>(std::max(2, comm_.size()));
    expect_right({.algorithm = row,
                  .counts = counts,
                  .dtype = kTypes[draw(std::size(kTypes))],
                  .segment_bytes = draw(2) == 0 ? 0 : 1 + draw(500),
                  .root = static_cast<int>(draw(static_cast<std::size_t>(comm_.size()))),
                  .in_place = row.collective != Collective::all_to_all && draw(2) == 0,
                  .radix = static_cast<int>(2 + draw(most - 1)),
                  .chosen = draw(4) == 0});
    if (HasFailure()) FAIL() << "seed " << kSeed << ", draw " << i;
  }
}

/// Counts may be forgotten once a call returns, and operations end in any order.
TEST_F(Uneven, StartedOperationsKeepTheirCounts) {
  const auto ranks = static_cast<std::size_t>(comm_.size());
  const auto rank = static_cast<std::size_t>(comm_.rank());
  Counts counts(ranks);
  std::iota(counts.begin(), counts.end(), 1);
  const std::size_t all = sum(counts);
  const std::size_t own = counts[rank];
  const Counts alike(ranks, own);  // to all, as many as the own rank says
  std::vector<int> ones(std::max(all, ranks * own), 1);
  std::vector<int> gathered(all);
  std::vector<int> at_root(all);
  std::vector<int> scattered(own);
  std::vector<int> reduced(own);
  std::vector<int> exchanged(all);
  const auto part = [&](std::size_t n) { return Buffer(std::span(ones).first(n)); };
  std::vector<Request> operations;
  {
    Counts temporary = counts;
    operations.push_back(iall_gather_v(comm_, part(own), Buffer(std::span(gathered)), temporary));
    operations.push_back(igather_v(comm_, part(own), Buffer(std::span(at_root)), temporary, 0));
    operations.push_back(iscatter_v(comm_, part(all), Buffer(std::span(scattered)), temporary, 0));
    operations.push_back(ireduce_scatter_v(comm_, part(all), Buffer(std::span(reduced)), temporary, ReduceOp::sum));
    operations.push_back(iall_to_all_v(comm_, part(ranks * own), alike, Buffer(std::span(exchanged)), temporary));
    std::fill(temporary.begin(), temporary.end(), 1000);
  }
  for (std::size_t i = operations.size(); i-- > 0;) operations[i].wait();
  EXPECT_EQ(gathered, std::vector<int>(all, 1));
  EXPECT_EQ(at_root, std::vector<int>(all, rank == 0 ? 1 : 0));
  EXPECT_EQ(scattered, std::vector<int>(own, 1));
  EXPECT_EQ(reduced, std::vector<int>(own, comm_.size()));
  EXPECT_EQ(exchanged, std::vector<int>(all, 1));
}

}  // namespace
}  // namespace tutti
