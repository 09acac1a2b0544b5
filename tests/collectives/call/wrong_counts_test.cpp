// Counts of every rank's own that do not fit: on all ranks alike, or between ranks.
#include <gtest/gtest.h>

#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include <tests/support/ranks/errors.hpp>
#include <tests/support/ranks/grid.hpp>
#include <tutti/collectives/collectives.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti {
namespace {

using test::attempt;
using test::contains;
using test::Outcome;

using Counts = std::vector<std::size_t>;

std::size_t total(const Counts& counts) { return std::accumulate(counts.begin(), counts.end(), std::size_t{0}); }

TEST(WrongCounts, AreInvalidAlike) {
  const Communicator comm = test::world();
  const auto ranks = static_cast<std::size_t>(comm.size());
  const Counts twos(ranks, 2);
  std::vector<float> own(2);
  std::vector<float> all(2 * ranks);
  const auto expect = [&](auto call, const std::vector<std::string>& parts) {
    const auto result = attempt(call);
    EXPECT_EQ(result.outcome, Outcome::invalid);
    for (const std::string& part : parts) EXPECT_TRUE(contains(result.message, part));
  };
  const auto gathered = [&](std::size_t n, const Counts& counts, std::string_view algorithm = {}) {
    return [&, n, counts, algorithm] {
      all_gather_v(comm, std::span(own).first(n), std::span(all), counts, {.algorithm = algorithm});
    };
  };
  expect(gathered(2, Counts(ranks + 1, 2)), {"all_gather", text(ranks + 1, " counts for ", ranks, " ranks")});
  expect(gathered(2, Counts()), {text("0 counts for ", ranks, " ranks")});
  expect(gathered(1, twos), {"input has 1 elements, and the counts give this rank 2"});
  Counts more = twos;
  more.back() = 3;
  expect(gathered(2, more), {text("output has ", 2 * ranks, " elements, and the counts add up to ", 2 * ranks + 1)});
  if (comm.size() > 1) {
    const std::string too_much = "the counts add up to more than memory holds";
    Counts huge = twos;  // their sum would be that of the output, were there no more bits
    huge.front() = SIZE_MAX;
    huge.back() = 2 * ranks + 1;
    expect(gathered(2, huge), {too_much});
    huge = twos;  // others than the root have no buffer of that size, but pass blocks on
    huge.back() = SIZE_MAX / 4 - 2 * ranks;
    const CollectiveOptions tree = {.algorithm = "knomial", .radix = 2};
    expect([&] { gather_v(comm, std::span(own), std::span(all), huge, 0, tree); }, {"gather", too_much});
    expect([&] { scatter_v(comm, std::span(all), std::span(own), huge, 0, tree); }, {"scatter", too_much});
    expect(gathered(2, twos, "pat"), {"algorithm 'pat' needs the same count of every rank"});
  }
  expect([&] { reduce_scatter_v(comm, std::span(all), std::span(own).first(1), twos, ReduceOp::sum); },
         {"reduce_scatter", "output has 1 elements, and the counts give this rank 2"});
  if (comm.size() > 1) {
    Counts to = twos;
    Counts from = twos;
    const auto me = static_cast<std::size_t>(comm.rank());
    const std::size_t other = me == 0 ? 1 : 0;
    to[me] = 1;
    to[other] = 3;
    expect([&] { all_to_all_v(comm, std::span<const float>(std::vector<float>(all)), to, std::span(all), from); },
           {"all_to_all", text("the counts send 1 elements from rank ", me, " to itself and take 2")});
    expect(
        [&] {
          all_to_all_v(comm, std::span<const float>(std::vector<float>(all)), twos, std::span(all), twos,
                       {.algorithm = "bruck"});
        },
        {"algorithm 'bruck' needs the same count of every rank"});
  }
  all_gather_v(comm, std::span(own), std::span(all), twos);  // the communicator is as good as before
}

TEST(DifferentCounts, AreNoticed) {
  for (const std::size_t count : {std::size_t{2}, std::size_t{50'000}}) {
    const Communicator comm = test::world();
    if (comm.size() == 1) return;
    const auto ranks = static_cast<std::size_t>(comm.size());
    Counts counts(ranks, count);
    if (comm.rank() == 0) {  // the same sum as the others, but not the same counts
      counts.front() += count / 2;
      counts.back() -= count / 2;
    }
    const auto own = test::lasting<float>(counts[static_cast<std::size_t>(comm.rank())]);
    const auto all = test::lasting<float>(count * ranks);
    const auto result = attempt([&] { all_gather_v(comm, own, all, counts); });
    EXPECT_EQ(result.outcome, Outcome::communication);
    EXPECT_TRUE(contains(result.message, "calls differ")) << result.message;
    MPI_Barrier(MPI_COMM_WORLD);
  }
}

TEST(DifferentCounts, OfAPairAreNoticed) {
  for (const std::size_t surplus : {std::size_t{1}, std::size_t{2000}}) {  // with its signature, and after it
    const Communicator comm = test::world();
    if (comm.size() == 1) return;
    const auto ranks = static_cast<std::size_t>(comm.size());
    Counts to(ranks, 2);
    const Counts from(ranks, 2);
    if (comm.rank() == 0) to[ranks - 1] += surplus;
    const auto input = test::lasting<float>(total(to));
    const auto output = test::lasting<float>(total(from));
    const auto result = attempt([&] { all_to_all_v(comm, input, to, output, from); });
    if (comm.rank() == comm.size() - 1) {  // the others may have had all they wait for
      EXPECT_EQ(result.outcome, Outcome::communication);
      EXPECT_TRUE(contains(result.message, text("awaits 2 elements of f32 from rank 0, which sends ", 2 + surplus)));
    }
    MPI_Barrier(MPI_COMM_WORLD);
  }
}

}  // namespace
}  // namespace tutti
