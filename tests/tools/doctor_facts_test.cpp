// Where `tutti doctor` has its facts from: folders like the kernel's, and the variables that the sources read.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "tests/support/paths.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/tools/doctor_cases.hpp"
#include "tools/doctor/collect.hpp"
#include "tools/doctor/words.hpp"

namespace tutti::tools::doctor {
namespace {

using tutti::test::TemporaryFolder;

TEST(Words, ListRanksAndBytes) {
  EXPECT_EQ(listed("rank", {3}), "rank 3");
  EXPECT_EQ(listed("rank", {0, 1}), "ranks 0 and 1");
  EXPECT_EQ(listed("rank", {0, 1, 2, 9}), "ranks 0, 1, 2 and 9");
  EXPECT_EQ(listed("rank", {0, 1, 2, 9, 10}), "ranks 0, 1, 2 and 2 more");
  EXPECT_EQ(bytes_text(0), "0 bytes");
  EXPECT_EQ(bytes_text(65536), "64 KiB");
  EXPECT_EQ(bytes_text(kGiB + kGiB / 2), "1.5 GiB");
}

/// A folder as the kernel's, with these files.
void write_file(const std::filesystem::path& file, const std::string& content) {
  std::filesystem::create_directories(file.parent_path());
  std::ofstream(file) << content;
}

TEST(Collect, ReadsTheKernelsFiles) {
  const TemporaryFolder folder;
  const auto& root = folder.path();
  const int cpu = read_system().cpus.front();
  const std::string own = "sys/devices/system/cpu/cpu" + std::to_string(cpu);
  write_file(root / own / "cpufreq/scaling_governor", "powersave\n");
  write_file(root / own / "cpufreq/scaling_driver", "acpi-cpufreq\n");
  write_file(root / "sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet\n");
  write_file(root / "proc/cpuinfo", "processor : 0\nflags : fpu constant_tsc_not sse\n");
  write_file(root / "sys/kernel/mm/transparent_hugepage/shmem_enabled",
             "always within_size [advise] never deny force\n");
  write_file(root / "proc/sys/kernel/yama/ptrace_scope", "2\n");
  write_file(root / ".dockerenv", "");
  write_file(root / "sys/devices/system/cpu/online", "0-7,12\n");
  const RankFacts facts = read_system(root);
  EXPECT_EQ(facts.governor, "powersave");
  EXPECT_EQ(facts.frequency_driver, "acpi-cpufreq");
  EXPECT_EQ(facts.clock_source, "hpet");
  EXPECT_FALSE(facts.constant_tsc);
  EXPECT_EQ(facts.shmem_huge_pages, "advise");
  EXPECT_EQ(facts.ptrace_scope, 2);
  EXPECT_TRUE(facts.container);
  EXPECT_EQ(facts.cpus_granted, 9);
  EXPECT_FALSE(facts.quota.has_value());
  EXPECT_EQ(facts.shm_file_system, "");
}

TEST(Collect, ReadsControlGroupsOfBothVersions) {
  const TemporaryFolder folder;
  const auto second = folder.path() / "second";
  write_file(second / "proc/self/cgroup", "0::/job/step\n");
  write_file(second / "sys/fs/cgroup/job/cpu.max", "150000 100000\n");
  write_file(second / "sys/fs/cgroup/job/step/cpu.max", "max 100000\n");
  write_file(second / "sys/fs/cgroup/job/step/cpuset.cpus.effective", "2-3,6\n");
  write_file(second / "sys/fs/cgroup/cpuset.cpus.effective", "0-63\n");
  EXPECT_EQ(read_system(second).quota, 1.5);
  EXPECT_EQ(read_system(second).cpus_granted, 3);

  const auto first = folder.path() / "first";
  write_file(first / "proc/self/cgroup", "7:cpuset:/\n3:cpuacct,cpu:/job\n0::/\n");
  write_file(first / "sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", "50000\n");
  write_file(first / "sys/fs/cgroup/cpu/job/cpu.cfs_period_us", "100000\n");
  write_file(first / "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
  write_file(first / "sys/fs/cgroup/cpuset/cpuset.effective_cpus", "5\n");
  EXPECT_EQ(read_system(first).quota, 0.5);
  EXPECT_EQ(read_system(first).cpus_granted, 1);
}

constexpr const char* kCapitals = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// Adds the strings in the source that are nothing but TUTTI_NAME. (Not by <regex>: with sanitizers g++ 12 warns of
/// it.)
void add_variables(const std::string& source, std::set<std::string>& names) {
  const std::string opening = "\"TUTTI_";
  for (auto at = source.find(opening); at != std::string::npos; at = source.find(opening, at + 1)) {
    const auto end = source.find_first_not_of(std::string(kCapitals) + '_', at + opening.size());
    if (end == std::string::npos || source[end] != '"' || source[end - 1] == '_') continue;
    names.insert(source.substr(at + 1, end - at - 1));
  }
}

/// Every name that begins with TUTTI_ in a string of the sources that are installed or run.
std::set<std::string> variables_in_sources() {
  const std::filesystem::path source = test::kSourceDir;
  std::set<std::string> names;
  for (const char* folder : {"kernels", "collectives", "allreduce", "compression", "io", "tools", "trainer"}) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(source / folder)) {
      if (entry.path().extension() != ".cpp" && entry.path().extension() != ".hpp") continue;
      if (entry.path().parent_path().filename() == "doctor") continue;  // which knows them, and reads none
      std::ifstream in(entry.path());
      add_variables({std::istreambuf_iterator<char>(in), {}}, names);
    }
  }
  return names;
}

TEST(Variables, AreThoseThatTheSourcesRead) {
  std::set<std::string> known(known_variables().begin(), known_variables().end());
  std::set<std::string> read = variables_in_sources();
  std::erase_if(read, [](const std::string& name) { return name.starts_with("TUTTI_TRAIN_"); });  // of the trainer
  EXPECT_EQ(read, known);
}

TEST(Variables, OfTheTrainerAreNamedByItsSections) {
  std::ifstream in(std::filesystem::path(test::kSourceDir) / "trainer/README.md");
  std::string text{std::istreambuf_iterator<char>(in), {}};
  const auto begin = text.find("\n## Configuration\n");
  ASSERT_NE(begin, std::string::npos);
  text = text.substr(begin, text.find("\n## ", begin + 1) - begin);
  std::set<std::string> sections;
  const std::string row = "\n| `";  // and then section.key
  for (auto at = text.find(row); at != std::string::npos; at = text.find(row, at + 1)) {
    std::string section = text.substr(at + row.size(), text.find('.', at) - at - row.size());
    std::transform(section.begin(), section.end(), section.begin(),
                   [](char c) { return static_cast<char>(c - 'a' + 'A'); });
    sections.insert(section);
  }
  EXPECT_EQ(sections, std::set<std::string>(trainer_sections().begin(), trainer_sections().end()));
}

}  // namespace
}  // namespace tutti::tools::doctor
