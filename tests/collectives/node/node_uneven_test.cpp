// Blocks of every rank's own size in the memory of a node.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <tests/support/ranks/grid.hpp>
#include <tutti/collectives/collectives.hpp>
#include <tutti/collectives/communicator/communicator_state.hpp>
#include <tutti/collectives/node/node_collective.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti {
namespace {

std::shared_ptr<void> memory(const Communicator& comm, bool is_mapped, std::size_t bytes) {
  if (is_mapped) return comm.allocate_bytes(bytes);
  return {std::calloc(1, bytes), std::free};
}

/// Element `i` of what rank `r` brings, in which every element of every rank is another.
std::int32_t brought(int r, std::size_t i) { return r * 1'000'003 + static_cast<std::int32_t>(i); }

// Blocks of every rank's own size, of which some are empty, small (posted), large (moved), or both on different ranks:
// every element is where it belongs, and came from where it was.
TEST(NodeUneven, EveryElementIsWhereItBelongs) {
  const Communicator comm = test::world();
  if (comm.size() == 1) GTEST_SKIP() << "alone, a collective is a copy";
  ASSERT_NE(comm.state().node(), nullptr) << "the ranks of this node cannot map each other's memory";
  const auto size = static_cast<std::size_t>(comm.size());
  const auto self = static_cast<std::size_t>(comm.rank());
  for (const std::size_t scale : {std::size_t{1}, std::size_t{37}, std::size_t{400}, std::size_t{30'000}}) {
    for (const int mapped_of : {0, 1, 2}) {  // memory of no rank, of all ranks, of every other one can be mapped
      SCOPED_TRACE(text("scale ", scale, ", mapped ", mapped_of));
      std::vector<std::size_t> counts;
      std::vector<std::size_t> begins = {0};
      for (std::size_t r = 0; r < size; ++r) {
        counts.push_back(r == 1 ? 0 : scale * (1 + (r * r) % 5) + r);
        begins.push_back(begins.back() + counts.back());
      }
      const std::size_t total = begins.back();
      const bool is_mapped = mapped_of == 1 || (mapped_of == 2 && comm.rank() % 2 == 0);
      const auto own_memory = memory(comm, is_mapped, 4 * counts[self] + 4);
      const auto all_memory = memory(comm, is_mapped, 4 * total);
      const std::span own(static_cast<std::int32_t*>(own_memory.get()), counts[self]);
      const std::span all(static_cast<std::int32_t*>(all_memory.get()), total);
      const auto own_is = [&](auto expected) {
        for (std::size_t i = 0; i < own.size(); ++i) {
          if (own[i] != expected(i)) return text("own element ", i, " is ", own[i], ", not ", expected(i));
        }
        return std::string();
      };
      const auto all_are_gathered = [&] {
        for (std::size_t r = 0; r < size; ++r) {
          for (std::size_t i = 0; i < counts[r]; ++i) {
            const std::int32_t found = all[begins[r] + i];
            if (found != brought(static_cast<int>(r), i)) return text("element ", i, " of rank ", r, " is ", found);
          }
        }
        return std::string();
      };
      for (std::size_t i = 0; i < own.size(); ++i) own[i] = brought(comm.rank(), i);
      all_gather_v(comm, own, all, counts);
      EXPECT_EQ(all_are_gathered(), "") << "all_gather_v";
      const int root = comm.size() - 1;
      std::fill(all.begin(), all.end(), -1);
      gather_v(comm, own, all, counts, root);
      if (comm.rank() == root) {
        EXPECT_EQ(all_are_gathered(), "") << "gather_v";
      }
      for (std::size_t i = 0; i < total; ++i) all[i] = brought(comm.rank(), i);
      scatter_v(comm, all, own, counts, root);
      EXPECT_EQ(own_is([&](std::size_t i) { return brought(root, begins[self] + i); }), "") << "scatter_v";
      reduce_scatter_v(comm, all, own, counts, ReduceOp::max);
      EXPECT_EQ(own_is([&](std::size_t i) { return brought(root, begins[self] + i); }), "") << "reduce_scatter_v max";
      reduce_scatter_v(comm, all, own, counts, ReduceOp::min);
      EXPECT_EQ(own_is([&](std::size_t i) { return brought(0, begins[self] + i); }), "") << "reduce_scatter_v min";
    }
  }
}

// Ranks that took the same call for a small one and a large one would wait for each other, or read what is not there.
TEST(NodeUneven, AllRanksPlanAlike) {
  constexpr int kRanks = 4;
  const std::vector<std::size_t> counts = {8, 2000, 0, 500};  // of f32: the second is more than is posted
  std::size_t total = 0;
  for (const std::size_t count : counts) total += count;
  std::vector<float> data(total);
  for (const Collective collective :
       {Collective::all_gather, Collective::gather, Collective::scatter, Collective::reduce_scatter}) {
    for (int rank = 0; rank < kRanks; ++rank) {
      const Buffer block(data.data(), counts[static_cast<std::size_t>(rank)], DType::f32);
      const Buffer all(data.data(), total, DType::f32);
      const bool gathers = has_own_input(collective);
      detail::Call call = {.collective = collective,
                           .input = gathers ? block : all,
                           .output = gathers ? all : block,
                           .dtype = DType::f32};
      detail::set_counts(call, counts);
      EXPECT_FALSE(detail::plan_in_node(call, rank, kRanks).is_small) << name(collective) << " on rank " << rank;
    }
  }
}

}  // namespace
}  // namespace tutti
