// NUMA domains: what is made of those of the ranks, where they come from, and in which order reductions then go.
#include <gtest/gtest.h>
#include <sched.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <tests/support/ranks/errors.hpp>
#include <tutti/collectives/communicator/communicator_state.hpp>
#include <tutti/collectives/node/domains.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti {
namespace {

using detail::Domains;
using test::attempt;
using test::contains;

constexpr unsigned kSeed = 20261128;

/// A machine of two domains, of one processor each, is what hwloc is told before it is first asked: the library asks it
/// once.
class TwoDomains final : public testing::Environment {
  void SetUp() override {
    setenv("HWLOC_SYNTHETIC", "numa:2 core:1 pu:1", 1);
    setenv("HWLOC_THISSYSTEM", "1", 1);
    detail::domain_of_this_thread();
    unsetenv("HWLOC_SYNTHETIC");
    unsetenv("HWLOC_THISSYSTEM");
  }
};
const testing::Environment* const kTwoDomains = testing::AddGlobalTestEnvironment(new TwoDomains);

Domains domains(const std::vector<std::int32_t>& domain_of, int fewest = 1) { return Domains(domain_of, fewest); }

TEST(Domains, MatterWhereThereAreSeveralOfEquallyManyRanks) {
  EXPECT_FALSE(Domains().matter());
  EXPECT_FALSE(domains({}).matter());
  EXPECT_FALSE(domains({3, 3}).matter());
  EXPECT_FALSE(domains({0, 0, 1}).matter());
  EXPECT_FALSE(domains({0, 0, 1, detail::kNoDomain}).matter());
  EXPECT_FALSE(domains({0, 0, 1, 1}, 3).matter());
  EXPECT_EQ(domains({0, 0, 1}).count(), 1);
  EXPECT_TRUE(domains({0, 0, 1, 1}, 2).matter());
}

TEST(Domains, AreNumberedByTheirLowestRanks) {
  const Domains made = domains({7, 4, 9, 4, 9, 7});
  EXPECT_EQ(made.count(), 3);
  EXPECT_EQ(made.ranks_each(), 2);
  const int expected_domains[] = {0, 1, 2, 1, 2, 0};
  const int expected_places[] = {0, 0, 0, 1, 1, 1};
  for (int r = 0; r < 6; ++r) {
    EXPECT_EQ(made.domain_of(r), expected_domains[r]) << r;
    EXPECT_EQ(made.handle_of(r), expected_places[r]) << r;
    EXPECT_EQ(made.rank_at(expected_domains[r], expected_places[r]), r);
  }
  EXPECT_TRUE(made.share_domain(2, 4));
  EXPECT_FALSE(made.share_domain(0, 1));
  EXPECT_TRUE(made.are_peers(3, 5));
}

/// A communicator that pretends so many domains.
Communicator with_domains(int count, CommunicatorOptions options = test::patient()) {
  setenv("TUTTI_NUMA", std::to_string(count).c_str(), 1);
  Communicator comm = test::world(std::move(options));
  unsetenv("TUTTI_NUMA");
  return comm;
}

TEST(Domains, AreWhatTheEnvironmentSays) {
  const Communicator plain = test::world();
  const bool is_even = plain.size() % 2 == 0;
  for (const char* wrong : {"1", "-1", "2000", "two", "2x"}) {
    setenv("TUTTI_NUMA", wrong, 1);
    EXPECT_TRUE(contains(attempt([] { test::world(); }).message,
                         text("TUTTI_NUMA: '", wrong, "' is not 0, or a number of domains from 2 to 1024")));
  }
  setenv("TUTTI_NUMA", plain.rank() == 0 ? "0" : "2", 1);
  if (plain.size() > 1) {
    EXPECT_TRUE(contains(attempt([] { test::world(); }).message, "TUTTI_NUMA of each rank"));
  }
  unsetenv("TUTTI_NUMA");
  if (plain.size() == 1) return;
  EXPECT_EQ(with_domains(2).state().node()->domains().count(), is_even ? 2 : 1);
  EXPECT_EQ(with_domains(0).state().node()->domains().count(), 1);
}

/// Each rank is bound to one of the two processors.
TEST(Domains, AreThoseToWhichRanksAreBound) {
#ifndef TUTTI_HAVE_HWLOC
  GTEST_SKIP() << "built without hwloc";
#endif
  cpu_set_t before;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  if (!CPU_ISSET(0, &before) || !CPU_ISSET(1, &before)) GTEST_SKIP() << "needs processors 0 and 1";
  const int rank = test::world().rank();
  const int size = test::world().size();
  cpu_set_t own;
  CPU_ZERO(&own);
  CPU_SET(rank % 2, &own);
  ASSERT_EQ(sched_setaffinity(0, sizeof own, &own), 0);
  EXPECT_EQ(detail::domain_of_this_thread(), rank % 2);
  if (size > 1) {
    const Communicator comm = test::world();
    const Domains& found = comm.state().node()->domains();
    EXPECT_EQ(found.count(), size % 2 == 0 && size >= 8 ? 2 : 1) << "fewer than four ranks of a domain gain too little";
    if (found.matter()) {
      EXPECT_EQ(found.domain_of(rank), rank % 2);
    }
  }
  CPU_SET(1 - rank % 2, &own);
  ASSERT_EQ(sched_setaffinity(0, sizeof own, &own), 0);
  EXPECT_EQ(detail::domain_of_this_thread(), detail::kNoDomain);
  ASSERT_EQ(sched_setaffinity(0, sizeof before, &before), 0);
}

/// What rank `rank` brings.
template <class T>
std::vector<T> drawn(int rank, std::size_t count) {
  std::mt19937 generator(kSeed + static_cast<unsigned>(rank));
  std::normal_distribution<float> normal;
  std::vector<T> values(count);
  for (T& value : values) value = static_cast<T>(normal(generator));
  return values;
}

/// The sum of all ranks: those of `parts` equal parts, each from left to right, from left to right.
std::vector<float> summed(int ranks, std::size_t count, int parts) {
  const int each = ranks / parts;
  std::vector<float> all;
  for (int part = 0; part < parts; ++part) {
    std::vector<float> sum = drawn<float>(part * each, count);
    for (int r = 1; r < each; ++r) {
      const std::vector<float> next = drawn<float>(part * each + r, count);
      for (std::size_t i = 0; i < count; ++i) sum[i] += next[i];
    }
    if (part == 0) {
      all = sum;
    } else {
      for (std::size_t i = 0; i < count; ++i) all[i] += sum[i];
    }
  }
  return all;
}

class ByDomain : public testing::Test {
 protected:
  static constexpr int kDomains = 2;
  static constexpr std::size_t kEach = 70'003;  // elements of a rank's block

  void SetUp() override {
    if (test::world().size() % kDomains != 0) GTEST_SKIP() << "needs an even number of ranks";
  }

  std::size_t count() const { return kEach * static_cast<std::size_t>(comm_.size()); }

  Allocation<float> filled() const {
    Allocation<float> data = comm_.allocate<float>(count());
    const std::vector<float> values = drawn<float>(comm_.rank(), count());
    std::copy(values.begin(), values.end(), data.begin());
    return data;
  }

  Communicator comm_ = with_domains(kDomains);
};

template <class Range>
std::vector<float> values_of(const Range& range) {
  return {range.begin(), range.end()};
}

TEST_F(ByDomain, ReductionsCombineEachDomainFirst) {
  const std::vector<float> expected = summed(comm_.size(), count(), kDomains);
  Allocation<float> data = filled();
  Allocation<float> all = comm_.allocate<float>(count());
  allreduce(comm_, ConstBuffer(data.span()), Buffer(all.span()), ReduceOp::sum);
  EXPECT_EQ(values_of(all), expected) << "allreduce, seed " << kSeed;
  allreduce(comm_, ConstBuffer(data.span()), Buffer(all.span()), ReduceOp::avg);
  for (std::size_t i = 0; i < count(); ++i)
    ASSERT_EQ(all[i], expected[i] / static_cast<float>(comm_.size())) << "average, " << i << ", seed " << kSeed;
  for (int root = 0; root < comm_.size(); ++root) {
    std::fill(all.begin(), all.end(), -1.0F);
    reduce(comm_, data.span(), all.span(), ReduceOp::sum, root);
    if (comm_.rank() == root) {
      EXPECT_EQ(values_of(all), expected) << "reduce, root " << root << ", seed " << kSeed;
    }
  }
  Allocation<float> block = comm_.allocate<float>(kEach);
  reduce_scatter(comm_, data.span(), block.span(), ReduceOp::sum);
  const auto first = expected.begin() + static_cast<std::ptrdiff_t>(kEach) * comm_.rank();
  EXPECT_EQ(values_of(block), std::vector<float>(first, first + kEach)) << "reduce_scatter, seed " << kSeed;
  EXPECT_EQ(values_of(data), drawn<float>(comm_.rank(), count())) << "the input has changed";
  allreduce(comm_, data.span(), ReduceOp::sum);
  EXPECT_EQ(values_of(data), expected) << "allreduce in place, seed " << kSeed;
}

TEST_F(ByDomain, RankOrderIsKeptWhereItIsPromised) {
  const std::vector<float> expected = summed(comm_.size(), count(), 1);
  Allocation<float> data = filled();
  CommunicatorOptions options = test::patient();
  options.reproducibility = Reproducibility::layout;
  const Communicator strict = with_domains(kDomains, options);
  Allocation<float> strict_data = strict.allocate<float>(count());
  std::copy(data.begin(), data.end(), strict_data.begin());
  allreduce(strict, strict_data.span(), ReduceOp::sum);
  EXPECT_EQ(values_of(strict_data), expected) << "at level layout, seed " << kSeed;

  std::vector<float> other = drawn<float>(comm_.rank(), count());
  allreduce(comm_, std::span(other), ReduceOp::sum);
  EXPECT_EQ(other, expected) << "memory that is not mapped, seed " << kSeed;

  // Half precision is rounded once, from sums in f32.
  const std::shared_ptr<void> halves = comm_.allocate_bytes(2 * count());
  const Buffer half(halves.get(), count(), DType::bf16);
  std::vector<std::vector<std::uint16_t>> inputs;
  for (int r = 0; r < comm_.size(); ++r) {
    const std::vector<float> values = drawn<float>(r, count());
    std::vector<std::uint16_t> cut(count());  // an f32 whose lower half is left out is a bf16
    for (std::size_t i = 0; i < count(); ++i) {
      std::uint32_t bits = 0;
      std::memcpy(&bits, &values[i], sizeof bits);
      cut[i] = static_cast<std::uint16_t>(bits >> 16);
    }
    inputs.push_back(std::move(cut));
  }
  std::vector<ConstBuffer> views;
  for (const auto& input : inputs) views.emplace_back(input.data(), count(), DType::bf16);
  std::vector<std::uint16_t> once(count());
  reduce_all(ReduceOp::sum, views, Buffer(once.data(), count(), DType::bf16));
  std::memcpy(halves.get(), inputs[static_cast<std::size_t>(comm_.rank())].data(), 2 * count());
  allreduce(comm_, half, ReduceOp::sum);
  EXPECT_EQ(std::memcmp(halves.get(), once.data(), 2 * count()), 0) << "bf16, seed " << kSeed;
}

TEST_F(ByDomain, WhatIsCopiedIsTheSame) {
  for (int root = 0; root < comm_.size(); ++root) {
    Allocation<float> data = filled();
    broadcast(comm_, data.span(), root);
    EXPECT_EQ(values_of(data), drawn<float>(root, count())) << "root " << root << ", seed " << kSeed;
  }
  Allocation<float> own = comm_.allocate<float>(kEach);
  const std::vector<float> values = drawn<float>(comm_.rank(), kEach);
  std::copy(values.begin(), values.end(), own.begin());
  Allocation<float> all = comm_.allocate<float>(count());
  all_gather(comm_, own.span(), all.span());
  for (int r = 0; r < comm_.size(); ++r) {
    const auto* const first = all.begin() + static_cast<std::ptrdiff_t>(kEach) * r;
    EXPECT_EQ(std::vector<float>(first, first + kEach), drawn<float>(r, kEach)) << "of rank " << r;
  }
}

}  // namespace
}  // namespace tutti
