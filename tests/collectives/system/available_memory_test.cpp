// What memory is available, read from made-up files: of machines, of control groups of both versions, and of others
// that take memory at the same time. No test here takes memory; memory_limit_test.cpp does, in a control group.
#include <gtest/gtest.h>

#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>

#include <tests/support/temporary_folder.hpp>
#include <tutti/collectives/node/node_memory.hpp>
#include <tutti/collectives/system/available_memory.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::detail {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;

/// A machine with 8 GiB available.
class Machine : public testing::Test {
 protected:
  Machine() { write("proc/meminfo", "MemTotal: 16777216 kB\nMemFree: 1024 kB\nMemAvailable:    8388608 kB\n"); }

  std::string root() const { return folder_.path().string(); }
  void write(const std::string& path, const std::string& content) const {
    const std::filesystem::path file = folder_.path() / path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << content;
  }

  /// This process in group `name` of version 2, mounted with `top` at /sys/fs/cgroup.
  void in_group2(const std::string& name, const std::string& top = "/") const {
    write("proc/self/cgroup", "0::" + name + "\n");
    write("proc/self/mountinfo", "21 20 0:5 / /proc rw - proc proc rw\n31 23 0:28 " + top +
                                     " /sys/fs/cgroup rw,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate\n");
  }
  void group2(const std::string& name, const std::string& limit, std::uint64_t used, std::uint64_t cached = 0) const {
    const std::string folder = "sys/fs/cgroup" + name;
    write(folder + "/memory.max", limit + "\n");
    write(folder + "/memory.current", text(used, "\n"));
    write(folder + "/memory.stat", text("anon 1\nfile 77\nworkingset_inactive_file 5\ninactive_file ", cached / 2,
                                        "\nactive_file ", cached - cached / 2, "\n"));
  }
  std::string refusal(std::size_t bytes, Claims claims = {}) const {
    claims.root = root();
    try {
      const MemoryClaim claim(bytes, std::move(claims));
    } catch (const OutOfMemory& error) {
      return error.what();
    }
    return {};
  }

  test::TemporaryFolder folder_;
};

TEST_F(Machine, MemAvailableIsTheLimit) {
  EXPECT_EQ(refusal(8 * kGiB), "");
  EXPECT_EQ(refusal(8 * kGiB + 1), "8 GiB of memory asked for; 8 GiB available on this machine (MemAvailable)");
  EXPECT_EQ(refusal(256 * kGiB), "256 GiB of memory asked for; 8 GiB available on this machine (MemAvailable)");
  EXPECT_NE(refusal(SIZE_MAX), "");
}

TEST_F(Machine, ControlGroupOfVersion2LeavesLess) {
  in_group2("/job/step");
  group2("/job", text(4 * kGiB), 3 * kGiB);
  group2("/job/step", "max", 2 * kGiB);
  EXPECT_EQ(refusal(kGiB), "");
  EXPECT_EQ(refusal(kGiB + kMiB), "1 GiB of memory asked for; 1 GiB available in control group /job (limit 4 GiB)");
}

TEST_F(Machine, TheInnermostControlGroupCounts) {
  in_group2("/job/step");
  group2("/job", text(4 * kGiB), kGiB);
  group2("/job/step", text(2 * kGiB), 512 * kMiB);
  EXPECT_EQ(refusal(1536 * kMiB), "");
  EXPECT_EQ(refusal(1537 * kMiB),
            "1.5 GiB of memory asked for; 1.5 GiB available in control group /job/step (limit 2 GiB)");
}

// A program that reads its data from files has little but cache in its group.
TEST_F(Machine, CacheThatCanBeDroppedIsAvailable) {
  in_group2("/job");
  group2("/job", text(4 * kGiB), 4 * kGiB, 3 * kGiB);
  EXPECT_EQ(refusal(3 * kGiB), "");
  EXPECT_NE(refusal(3 * kGiB + 1), "");
}

TEST_F(Machine, TopOfTheMountCounts) {
  in_group2("/");
  group2("", text(kGiB), 0);
  EXPECT_EQ(refusal(kGiB), "");
  EXPECT_EQ(refusal(2 * kGiB), "2 GiB of memory asked for; 1 GiB available in control group / (limit 1 GiB)");
}

// Containers see their own group where the hierarchy is mounted, whatever it is called outside.
TEST_F(Machine, GroupsOfContainers) {
  in_group2("/docker/abc", "/docker/abc");
  group2("", text(kGiB), 0);
  EXPECT_NE(refusal(2 * kGiB), "");
  in_group2("/../elsewhere");
  EXPECT_NE(refusal(2 * kGiB), "");
}

TEST_F(Machine, ControlGroupOfVersion1) {
  write("proc/self/cgroup", "5:cpu,cpuacct:/other\n4:memory:/a/b\n0::/\n");
  write("proc/self/mountinfo",
        "31 23 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
        "32 23 0:29 / /sys/fs/my\\040groups rw - cgroup cgroup rw,memory\n"
        "33 23 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
  const std::string folder = "sys/fs/my groups/a";
  for (const char* name : {"", "/b"}) {
    const bool is_inner = *name != '\0';
    write(text(folder, name, "/memory.limit_in_bytes"), is_inner ? "9223372036854771712\n" : text(2 * kGiB, "\n"));
    write(text(folder, name, "/memory.usage_in_bytes"), text(kGiB, "\n"));
    write(text(folder, name, "/memory.stat"), text("inactive_file 1\ntotal_inactive_file ", kGiB / 2, "\n"));
    write(text(folder, name, "/memory.use_hierarchy"), "1\n");
  }
  EXPECT_EQ(refusal(1536 * kMiB), "");
  EXPECT_EQ(refusal(1537 * kMiB), "1.5 GiB of memory asked for; 1.5 GiB available in control group /a (limit 2 GiB)");
  write(folder + "/memory.use_hierarchy", "0\n");
  EXPECT_EQ(refusal(1537 * kMiB), "") << "a group of version 1 may not count what groups below hold";
}

TEST_F(Machine, WhatCannotBeReadLimitsNothing) {
  in_group2("/job");
  std::filesystem::remove(folder_.path() / "proc/meminfo");
  EXPECT_EQ(refusal(SIZE_MAX), "");
  EXPECT_TRUE(memory_limits(root()).empty());
  EXPECT_EQ(memory_limits(root() + "/nothing").size(), 0U);
}

TEST_F(Machine, OthersOfTheMachineAreCounted) {
  std::atomic<std::uint64_t> own{0};
  std::atomic<std::uint64_t> theirs{3 * kGiB};
  const Claims claims = {.own = &own, .others = {{&theirs, {}}}};
  EXPECT_EQ(refusal(5 * kGiB, claims), "");
  EXPECT_EQ(refusal(6 * kGiB, claims),
            "6 GiB of memory asked for, and 3 GiB by other ranks at the same time; 8 GiB available on this machine "
            "(MemAvailable)");
  EXPECT_EQ(own.load(), 0U);
  EXPECT_EQ(refusal(9 * kGiB, claims), "9 GiB of memory asked for; 8 GiB available on this machine (MemAvailable)")
      << "of what is too much by itself others hear nothing";
}

TEST_F(Machine, OthersCountForTheGroupsThatTheyShare) {
  in_group2("/job/step1");
  group2("/job", text(4 * kGiB), 0);
  group2("/job/step1", text(2 * kGiB), 0);
  const auto step = memory_groups(root());
  in_group2("/job/step2");
  group2("/job/step2", text(2 * kGiB), 0);
  std::atomic<std::uint64_t> own{0};
  std::atomic<std::uint64_t> theirs{kGiB + kGiB / 2};
  EXPECT_EQ(refusal(2 * kGiB, {.own = &own, .others = {{&theirs, step}}}), "")
      << "what step1 takes is not taken from step2";
  theirs = 3 * kGiB;
  EXPECT_NE(refusal(2 * kGiB, {.own = &own, .others = {{&theirs, step}}}), "");
  in_group2("/job/step1");
  theirs = kGiB;
  EXPECT_NE(refusal(2 * kGiB, {.own = &own, .others = {{&theirs, step}}}), "");
  EXPECT_EQ(refusal(kGiB, {.own = &own, .others = {{&theirs, step}}}), "");
}

TEST_F(Machine, ClaimFallsAsMemoryIsTaken) {
  std::atomic<std::uint64_t> own{0};
  {
    MemoryClaim claim(kGiB, {.own = &own, .root = root()});
    EXPECT_EQ(own.load(), kGiB);
    claim.took(kGiB / 4);
    EXPECT_EQ(own.load(), kGiB - kGiB / 4);
  }
  EXPECT_EQ(own.load(), 0U);
}

TEST_F(Machine, MemoryThatOthersTakeMeanwhileIsNoticed) {
  MemoryClaim claim(6 * kGiB, {.root = root()});
  EXPECT_NO_THROW(claim.took(kGiB));
  write("proc/meminfo", "MemAvailable: 4194304 kB\n");
  try {
    claim.took(kGiB / 2);
    ADD_FAILURE() << "4.5 GiB more are not there";
  } catch (const OutOfMemory& error) {
    EXPECT_STREQ(
        error.what(),
        "6 GiB of memory asked for, 4.5 GiB of it still to come; 4 GiB available on this machine (MemAvailable)");
  }
}

/// As two ranks of a node do, but in one process.
TEST_F(Machine, AllocationsOfANodeKnowOfEachOther) {
  write("proc/meminfo", "MemAvailable: 3072 kB\n");
  const auto one = NodeMemory::make(root());
  const auto other = NodeMemory::make(root());
  ASSERT_NE(one, nullptr);
  ASSERT_NE(other, nullptr);
  const SharedMemory& theirs = other->directory_memory();
  const auto directory = one->directory_of(getpid(), theirs.fd(), theirs.inode(), other->identity());
  EXPECT_NE(one->allocate(2 * kMiB), nullptr);
  auto& claimed = reinterpret_cast<Directory*>(theirs.data())->claimed;
  claimed = 2 * kMiB;
  EXPECT_THROW(one->allocate(2 * kMiB), OutOfMemory);
  EXPECT_EQ(one->claims().others.size(), 1U);
  claimed = 0;
  EXPECT_NE(one->allocate(2 * kMiB), nullptr) << "what was refused is not claimed any more";
  EXPECT_THROW(one->allocate(4 * kMiB), OutOfMemory);
}

TEST(InWords, HasAUnit) {
  EXPECT_EQ(in_words(0), "0 B");
  EXPECT_EQ(in_words(1023), "1023 B");
  EXPECT_EQ(in_words(1536), "1.5 KiB");
  EXPECT_EQ(in_words(22'839 * kMiB), "22.3 GiB");
  EXPECT_EQ(in_words(SIZE_MAX), "16 EiB");
}

}  // namespace
}  // namespace tutti::detail
