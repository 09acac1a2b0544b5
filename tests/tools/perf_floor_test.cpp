// The memory floor of `tutti perf`: its arithmetic, against buffers counted one by one, and what it reads of caches.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "tests/support/temporary_folder.hpp"
#include "tools/perf/floor.hpp"

namespace tutti::tools {
namespace {

constexpr std::size_t kMega = std::size_t{1} << 20;

Call call_of(const MeasuredCollective& collective, int rank, int ranks, int root, bool in_place) {
  Call call{.rank = rank, .ranks = ranks, .root = root, .in_place = in_place};
  set_count(collective, call, 1000, DType::f32);
  return call;
}

bool only_root_gives(const std::string& name) { return name == "broadcast" || name.rfind("scatter", 0) == 0; }
bool only_root_gets(const std::string& name) { return name == "reduce" || name.rfind("gather", 0) == 0; }

TEST(NodeWork, LoadsEveryInputAndStoresEveryOutputOnce) {
  constexpr int kRoot = 2;
  for (const auto& collective : all_collectives()) {
    if (!collective.out_of_place_possible) continue;
    const std::string name(collective.name);
    for (const int ranks : {3, 5}) {
      double bytes = 0;
      for (int rank = 0; rank < ranks; ++rank) {
        const Call call = call_of(collective, rank, ranks, kRoot, false);
        if (!only_root_gives(name) || rank == kRoot) bytes += static_cast<double>(call.input.size_bytes());
        if (!only_root_gets(name) || rank == kRoot) bytes += static_cast<double>(call.output.size_bytes());
      }
      for (int rank = 0; rank < ranks; ++rank) {
        const NodeWork work = node_work(collective, call_of(collective, rank, ranks, kRoot, false));
        EXPECT_DOUBLE_EQ(work.moved, bytes) << name << ", rank " << rank << " of " << ranks;
      }
    }
  }
}

/// For 3 ranks, root 2, blocks of 1000 elements or of 500, 1000 and 1500.
TEST(NodeWork, InPlaceWhatIsThereNeedNotMove) {
  const auto moved = [](const char* name) {
    return node_work(collective_from_name(name), call_of(collective_from_name(name), 1, 3, 2, true)).moved;
  };
  EXPECT_DOUBLE_EQ(moved("allreduce"), 4.0 * 6 * 1000);
  EXPECT_DOUBLE_EQ(moved("broadcast"), 4.0 * 3 * 1000);
  EXPECT_DOUBLE_EQ(moved("reduce"), 4.0 * 4 * 1000);
  EXPECT_DOUBLE_EQ(moved("all_gather"), 4.0 * (3000 + 3 * 2000));
  EXPECT_DOUBLE_EQ(moved("all_gather_v"), 4.0 * (3000 + 3 * 2000));
  EXPECT_DOUBLE_EQ(moved("reduce_scatter"), 4.0 * (3 * 3000 + 3000));
  EXPECT_DOUBLE_EQ(moved("gather"), 4.0 * 2 * 2000);
  EXPECT_DOUBLE_EQ(moved("gather_v"), 4.0 * 2 * 1500);
  EXPECT_DOUBLE_EQ(moved("scatter"), 4.0 * 2 * 2000);
  EXPECT_DOUBLE_EQ(moved("scatter_v"), 4.0 * 2 * 1500);
}

TEST(NodeWork, ReducesEveryContributionButTheFirst) {
  const auto reduced = [](const char* name) {
    return node_work(collective_from_name(name), call_of(collective_from_name(name), 1, 3, 2, false)).reduced;
  };
  for (const char* name : {"allreduce", "reduce"}) EXPECT_DOUBLE_EQ(reduced(name), 4.0 * 2 * 1000) << name;
  for (const char* name : {"reduce_scatter", "reduce_scatter_v"}) EXPECT_DOUBLE_EQ(reduced(name), 4.0 * 2 * 3000);
  for (const char* name : {"broadcast", "all_gather", "gather", "scatter_v", "all_to_all", "barrier"})
    EXPECT_DOUBLE_EQ(reduced(name), 0.0) << name;
}

TEST(Floor, IsTheLargestOfNodeCoreAndReducing) {
  const NodeWork work{.moved = 400e6, .reduced = 100e6};
  const MemoryFloor node{.node_gb_s = 20, .core_gb_s = 10, .reduce_gb_s = 50, .cache_bytes = kMega};
  EXPECT_DOUBLE_EQ(floor_time(node, 4, work).value(), 20'000);  // 400 MB at 20 GB/s
  const MemoryFloor core{.node_gb_s = 40, .core_gb_s = 5, .reduce_gb_s = 50, .cache_bytes = kMega};
  EXPECT_DOUBLE_EQ(floor_time(core, 4, work).value(), 20'000);  // 100 MB at 5 GB/s
  const MemoryFloor reducing{.node_gb_s = 400, .core_gb_s = 100, .reduce_gb_s = 1, .cache_bytes = kMega};
  EXPECT_DOUBLE_EQ(floor_time(reducing, 4, work).value(), 25'000);  // 25 MB at 1 GB/s
  const MemoryFloor moving{.node_gb_s = 400, .core_gb_s = 100, .cache_bytes = kMega};
  EXPECT_DOUBLE_EQ(floor_time(moving, 4, {.moved = 400e6}).value(), 1'000);
}

TEST(Floor, IsThereOnlyForWhatCachesCannotHold) {
  const MemoryFloor floor{.node_gb_s = 20, .core_gb_s = 10, .cache_bytes = kMega};
  EXPECT_TRUE(floor_time(floor, 2, {.moved = 4.0 * kMega}).has_value());
  EXPECT_FALSE(floor_time(floor, 2, {.moved = 4.0 * kMega - 1}).has_value());
  EXPECT_FALSE(exceeds_caches(1e15, 0));  // caches that are not known
}

TEST(Floor, CachesAreAsManyAsRanksCanUseAtATime) {
  EXPECT_EQ(cache_bytes_of({.count = 4, .bytes = kMega}, 2), 2 * kMega);
  EXPECT_EQ(cache_bytes_of({.count = 4, .bytes = kMega}, 64), 4 * kMega);
  EXPECT_EQ(cache_bytes_of({}, 64), 0U);
}

void describe_cache(const std::filesystem::path& folder, const std::string& level, const std::string& size,
                    const std::string& processors) {
  std::filesystem::create_directories(folder);
  test::write_file(folder / "level", level + "\n");
  test::write_file(folder / "size", size + "\n");
  test::write_file(folder / "shared_cpu_list", processors + "\n");
}

TEST(Caches, AreCountedOnceForAllProcessorsThatShareThem) {
  const test::TemporaryFolder folder;
  const char* sharing[] = {"0-1", "0-1", "2-3", "2-3"};
  for (int cpu = 0; cpu < 4; ++cpu) {
    const auto caches = folder.path() / ("cpu" + std::to_string(cpu)) / "cache";
    describe_cache(caches / "index0", "1", "32K", std::to_string(cpu));
    describe_cache(caches / "index3", "3", cpu < 2 ? "8192K" : "16384K", sharing[cpu]);
    describe_cache(caches / "index2", "2", "512K", std::to_string(cpu));
  }
  std::filesystem::create_directories(folder.path() / "cpufreq");
  const LastLevelCaches found = last_level_caches(folder.path());
  EXPECT_EQ(found.count, 2);
  EXPECT_EQ(found.bytes, 16 * kMega);
}

TEST(Caches, AreUnknownWhereNothingIsSaid) {
  EXPECT_EQ(last_level_caches("/nonexistent").count, 0);
  const test::TemporaryFolder folder;
  describe_cache(folder.path() / "cpu0" / "cache" / "index0", "3", "", "0");
  EXPECT_EQ(last_level_caches(folder.path()).count, 0);
}

}  // namespace
}  // namespace tutti::tools
