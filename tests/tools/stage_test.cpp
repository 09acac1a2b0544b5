// Staging below the command line, on several ranks that each take themselves for a node: pieces, their way from rank to
// rank, what is kept of a part, and failures of one rank.
#include <gtest/gtest.h>
#include <mpi.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <tutti/kernels/crc32c.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/philox.hpp>

#include "tests/io/support.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tools/data/stage_plan.hpp"
#include "tools/data/stage_set.hpp"
#include "tools/data/stage_target.hpp"
#include "tools/data/stage_transfer.hpp"

namespace tutti::tools::data {
namespace {

using tutti::test::TemporaryFolder;

constexpr std::uint64_t kKiB = 1024;

std::string bytes_of_file(std::size_t file, std::uint64_t bytes) {
  std::vector<std::uint64_t> words(bytes / 8 + 1);
  std::uint64_t state = file + 1;
  for (std::uint64_t& word : words) word = state = state * 6364136223846793005U + 1442695040888963407U;
  return {reinterpret_cast<const char*>(words.data()), bytes};
}

std::string content_of(const std::filesystem::path& file) {
  std::string content(std::filesystem::file_size(file), '\0');
  std::ifstream(file, std::ios::binary).read(content.data(), static_cast<std::streamsize>(content.size()));
  return content;
}

/// Files of these sizes, which need not be there.
StageSet set_of(const std::vector<std::uint64_t>& sizes) {
  StageSet set{.manifest = "{}", .files = {}};
  set.files.reserve(sizes.size());
  for (std::size_t f = 0; f < sizes.size(); ++f)
    set.files.push_back({.name = "file-" + std::to_string(f), .bytes = sizes[f]});
  return set;
}

std::int64_t time_of(const std::filesystem::path& file) {
  struct stat status = {};
  ::stat(file.c_str(), &status);
  return std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
}

const std::vector<std::uint64_t> kSizes = {3 * kStageBlockBytes + 5, 0,         1,
                                           kStageBlockBytes,         64 * kKiB, 5 * kStageBlockBytes - 1};

TEST(StagePieces, HaveEveryMissingByteOnceAndEndEveryBlockOnce) {
  const StageSet set = set_of(kSizes);
  for (const std::uint64_t piece_bytes :
       {64 * kKiB, 512 * kKiB, kStageBlockBytes, 2 * kStageBlockBytes, 16 * kStageBlockBytes}) {
    for (std::uint64_t pattern = 0; pattern < 20; ++pattern) {
      std::vector<std::uint8_t> missing(set.blocks());
      for (std::size_t b = 0; b < missing.size(); ++b)
        missing[b] = pattern == 0 || random_u64(1, pattern, b) % 3 != 0 ? 1 : 0;
      std::map<std::pair<std::size_t, std::uint64_t>, int> covered;  // by file and 64 KiB
      std::vector<int> ended(set.blocks(), 0);
      std::uint64_t bytes = 0;
      for (const Piece& piece : cut_pieces(set, missing, piece_bytes)) {
        EXPECT_LE(piece.bytes, piece_bytes);
        EXPECT_EQ(piece.offset % kLeastPiece, 0U);
        bytes += piece.bytes;
        for (std::uint64_t at = 0; at < piece.bytes; at += kLeastPiece) ++covered[{piece.file, piece.offset + at}];
        for (std::size_t e = 0; e < piece.ends; ++e) ++ended[piece.first_block + e];
      }
      const std::vector<std::uint64_t> first = set.first_blocks();
      std::uint64_t expected = 0;
      for (std::size_t f = 0; f < set.files.size(); ++f) {
        for (std::uint64_t at = 0; at < set.files[f].bytes; at += kLeastPiece) {
          const bool is_missing = missing[first[f] + at / kStageBlockBytes] != 0;
          EXPECT_EQ((covered[{f, at}]), is_missing ? 1 : 0) << f << ' ' << at;
          if (is_missing) expected += std::min(kLeastPiece, set.files[f].bytes - at);
        }
      }
      EXPECT_EQ(bytes, expected);
      for (std::size_t b = 0; b < missing.size(); ++b) EXPECT_EQ(ended[b], missing[b]);
    }
  }
}

TEST(StagePieces, OfAChainAreNearTheBestSize) {
  TransportCosts costs = kTcpCosts;
  costs.latency = 50e-6;
  costs.overhead = 0;
  costs.byte = 1e-10;
  EXPECT_EQ(chain_piece(10'000'000'000, 64, costs), 8U << 20);  // the best is 8.98 MB, and 1.115 s
  EXPECT_NEAR(chain_seconds(10'000'000'000, 64, 8'980'000, costs), 1.115, 0.001);
  EXPECT_NEAR(chain_seconds(10'000'000'000, 64, 1'000'000, costs), 1.51, 0.01);
  EXPECT_EQ(chain_piece(1'000, 64, costs), kLeastPiece);
  EXPECT_LE(chain_piece(std::uint64_t{1} << 50, 3, costs), kLargestPiece);
}

TEST(StageSets, AreReadBackFromTheirText) {
  StageSet set = set_of(kSizes);
  set.files[2].changed = -5;
  const StageSet again = set_from_text(to_text(set));
  EXPECT_TRUE(again.same_content(set));
  EXPECT_TRUE(again.same_times(set));
  EXPECT_THROW(set_from_text("{}"), DataError);
  EXPECT_THROW(files_of_manifest(R"({"shards": [{"file": "../x"}]})", "m"), DataError);
  EXPECT_THROW(files_of_manifest(R"({"shards": [{"file": "manifest.json"}]})", "m"), DataError);
  EXPECT_EQ(files_of_manifest(R"({"b": [{"file": "y"}, {"file": "x"}], "file": "y"})", "m"),
            (std::vector<std::string>{"x", "y"}));
}

/// The bytes of a block of file-0 as a piece, and their checksum.
struct Block {
  explicit Block(std::uint64_t number, std::uint64_t size = kStageBlockBytes)
      : content(bytes_of_file(number, size)),
        data(std::as_bytes(std::span(content))),
        checksum(crc32c(data)),
        piece{.file = 0, .offset = number * kStageBlockBytes, .bytes = size, .first_block = number, .ends = 1} {}

  std::string content;
  std::span<const std::byte> data;
  std::uint32_t checksum;
  Piece piece;
};

/// A folder that two blocks go to.
class StageTargets : public testing::Test {
 protected:
  StageTargets() : set_(set_of({kStageBlockBytes + 10})) {}

  static void store(StageTarget& target, const Block& block) {
    target.store(block.piece, block.data, std::span(&block.checksum, 1));
  }
  static std::vector<int> missing(const StageTarget& target) {
    return {target.missing().begin(), target.missing().end()};
  }

  TemporaryFolder folder_;
  StageSet set_;
  Block first_{0};
  Block second_{1, 10};
};

TEST_F(StageTargets, TakeNoBlockThatArrivesDamaged) {
  StageTarget target(folder_.path(), set_);
  target.survey();
  target.reserve();
  const std::uint32_t wrong = first_.checksum + 1;
  EXPECT_THROW(target.store(first_.piece, first_.data, std::span(&wrong, 1)), DataError);
}

TEST_F(StageTargets, MissABlockThatReadsBackWrong) {
  StageTarget target(folder_.path(), set_);
  target.survey();
  target.reserve();
  store(target, first_);
  store(target, second_);
  {
    std::fstream file(folder_.path() / ".file-0.tmp", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(1000);
    file << "damage";
  }
  target.verify(0, 0, 2);
  EXPECT_EQ(missing(target), (std::vector<int>{1, 0}));
  store(target, first_);
  target.verify(0, 0, 2);
  EXPECT_TRUE(target.complete());
  EXPECT_FALSE(target.published());
  target.publish();
  EXPECT_TRUE(target.published());
}

TEST_F(StageTargets, MixNothingOfFilesThatWereWrittenAgain) {
  {
    StageTarget target(folder_.path(), set_);
    target.survey();
    target.reserve();
    store(target, first_);
  }
  {
    StageTarget target(folder_.path(), set_);
    target.survey();
    EXPECT_EQ(missing(target), (std::vector<int>{0, 1}));
  }
  set_.files[0].changed = 77;
  StageTarget target(folder_.path(), set_);
  EXPECT_FALSE(target.obstacle());
  target.survey();
  EXPECT_EQ(missing(target), (std::vector<int>{1, 1}));
  target.reserve();
  store(target, first_);
  store(target, second_);
  target.verify(0, 0, 2);
  target.publish();
  set_.files[0].changed = 78;  // the same content, copied once more
  target.survey();
  EXPECT_TRUE(target.complete());
}

TEST_F(StageTargets, AreLockedWhileTheyLive) {
  const StageTarget target(folder_.path(), set_);
  EXPECT_THROW(StageTarget(folder_.path(), set_), DataError);
}

/// A source on rank 0, and a folder of each rank's own.
class StageOnRanks : public testing::Test {
 protected:
  StageOnRanks() : comm_(MPI_COMM_WORLD, {.timeout = std::chrono::seconds(20), .ranks_per_node = 1}) {}

  void make_source(const std::vector<std::uint64_t>& sizes) {
    set_ = set_of(sizes);
    if (comm_.rank() != 0) return;
    for (std::size_t f = 0; f < sizes.size(); ++f)
      set_.files[f].changed = time_of(source_.write(set_.files[f].name, bytes_of_file(f, sizes[f])));
    source_.write("manifest.json", set_.manifest);
  }

  TransferResult transfer_missing(StageTarget& target, const std::string& algorithm, std::uint64_t piece_bytes,
                                  const std::vector<std::uint8_t>& missing) {
    const StagePlan plan = plan_staging(comm_, set_.bytes(), algorithm, piece_bytes).front();
    std::optional<StageSource> source;
    if (comm_.rank() == 0) source.emplace(source_.path(), set_);
    const TransferResult result = transfer(comm_, cut_pieces(set_, missing, plan.piece_bytes), plan,
                                           source ? &*source : nullptr, target, [](std::uint64_t) {});
    read_bytes_ = source ? source->bytes_read() : 0;
    return result;
  }

  void expect_whole() {
    for (std::size_t f = 0; f < set_.files.size(); ++f)
      EXPECT_TRUE(content_of(local_.path() / set_.files[f].name) == bytes_of_file(f, set_.files[f].bytes)) << f;
    EXPECT_EQ(content_of(local_.path() / "manifest.json"), set_.manifest);
  }

  std::vector<std::uint8_t> all_blocks() const { return std::vector<std::uint8_t>(set_.blocks(), 1); }

  Communicator comm_;
  TemporaryFolder source_;
  TemporaryFolder local_;
  StageSet set_;
  std::uint64_t read_bytes_ = 0;
};

TEST_F(StageOnRanks, EveryAlgorithmMakesTheSameFiles) {
  make_source(kSizes);
  for (const char* algorithm : {"chain", "tree", "scatter_allgather"}) {
    for (const std::uint64_t piece : {64 * kKiB, kStageBlockBytes, 4 * kStageBlockBytes}) {
      const TemporaryFolder local;
      StageTarget target(local.path(), set_);
      EXPECT_FALSE(target.obstacle());
      target.survey();
      target.reserve();
      const TransferResult result = transfer_missing(target, algorithm, piece, all_blocks());
      EXPECT_EQ(result.problem.value_or(""), "") << algorithm;
      EXPECT_TRUE(target.complete()) << algorithm << ' ' << piece << ": " << target.first_missing();
      target.publish();
      if (comm_.rank() == 0) {
        EXPECT_EQ(read_bytes_, set_.bytes());
      }
      const bool is_link = std::string(algorithm) == "chain" && comm_.rank() + 1 < comm_.size();
      EXPECT_EQ(result.bytes_sent, is_link ? set_.bytes() : 0);
      for (std::size_t f = 0; f < set_.files.size(); ++f)
        EXPECT_TRUE(content_of(local.path() / set_.files[f].name) == bytes_of_file(f, set_.files[f].bytes)) << f;
    }
  }
}

TEST_F(StageOnRanks, OneThatHasAPartKeepsIt) {
  make_source(kSizes);
  std::vector<std::uint8_t> some(set_.blocks(), 0);
  for (std::size_t b = 0; b < some.size(); b += 2) some[b] = 1;
  {
    StageTarget target(local_.path(), set_);
    target.survey();
    target.reserve();
    EXPECT_FALSE(transfer_missing(target, "chain", 256 * kKiB, some).problem);
  }  // as after an end by force: nothing has a name
  StageTarget target(local_.path(), set_);
  target.survey();
  for (std::size_t b = 0; b < some.size(); ++b) EXPECT_EQ(target.missing()[b], 1 - some[b]) << b;
  target.reserve();
  const std::vector<std::uint8_t> rest(target.missing().begin(), target.missing().end());
  EXPECT_FALSE(transfer_missing(target, "chain", 0, rest).problem);
  if (comm_.rank() == 0) {
    EXPECT_LT(read_bytes_, set_.bytes());
  }
  EXPECT_TRUE(target.complete());
  target.publish();
  expect_whole();
}

TEST_F(StageOnRanks, ASourceThatIsCutShortEndsAll) {
  make_source({4 * kStageBlockBytes, 24 * kStageBlockBytes, kStageBlockBytes});
  StageTarget target(local_.path(), set_);
  target.survey();
  target.reserve();
  if (comm_.rank() == 0) std::filesystem::resize_file(source_.path() / "file-1", 3 * kStageBlockBytes);
  const TransferResult result = transfer_missing(target, "chain", 64 * kKiB, all_blocks());
  EXPECT_FALSE(target.complete());
  EXPECT_EQ(result.problem.has_value(), comm_.rank() == 0);
  if (comm_.rank() == 0) {
    EXPECT_NE(result.problem->find("file-1: has changed while it was staged"), std::string::npos) << *result.problem;
  }
  // What came before is kept, and nothing is taken for what did not come.
  for (std::size_t b = 0; b < set_.blocks(); ++b) {
    if (b >= 4 + 3) {
      EXPECT_EQ(target.missing()[b], 1) << b;
    }
  }
  EXPECT_EQ(target.missing()[0], 0);
}

// The ranks vote each so many pieces: all in the same place among the broadcasts, and the last as often as the first.
TEST_F(StageOnRanks, VotesAndPiecesComeInOneOrder) {
  const std::uint64_t window = 32 + 16 * static_cast<std::uint64_t>(comm_.size());
  for (const char* algorithm : {"chain", "tree", "scatter_allgather"}) {
    for (const std::uint64_t pieces : {window - 1, window, window + 1, 3 * window + 1}) {
      const TemporaryFolder local;
      make_source({pieces * 64 * kKiB});
      StageTarget target(local.path(), set_);
      target.survey();
      target.reserve();
      EXPECT_FALSE(transfer_missing(target, algorithm, 64 * kKiB, all_blocks()).problem);
      EXPECT_TRUE(target.complete());
    }
  }
}

TEST_F(StageOnRanks, OneThatCannotWriteEndsAllSoon) {
  make_source({40 * kStageBlockBytes});
  for (const char* algorithm : {"chain", "tree"}) {
    const TemporaryFolder local;
    StageTarget target(local.path(), set_);
    target.survey();
    target.reserve();
    const int full = comm_.size() - 1;
    std::optional<io::test::FileSizeLimit> limit;
    if (comm_.rank() == full) limit.emplace(std::size_t{2} << 20);
    const TransferResult result = transfer_missing(target, algorithm, 64 * kKiB, all_blocks());
    EXPECT_EQ(result.problem.has_value(), comm_.rank() == full) << result.problem.value_or("");
    if (comm_.rank() == full) {
      EXPECT_NE(result.problem->find("file-0.tmp: cannot be written: File too large"), std::string::npos)
          << *result.problem;
    }
    if (comm_.rank() == 0) {
      EXPECT_LT(read_bytes_, set_.bytes());
    }  // the rest was not sent
  }
}

TEST_F(StageOnRanks, AFileThatIsWrittenToMeanwhileIsNamed) {
  make_source({kStageBlockBytes, 10});
  if (comm_.rank() != 0) return;
  StageSource source(source_.path(), set_);
  EXPECT_NO_THROW(source.require_unchanged());
  std::vector<std::byte> data(64 * kKiB);
  source.read({.file = 0, .offset = 0, .bytes = data.size()}, data);
  std::filesystem::resize_file(source_.path() / "file-0", 100 * kKiB);
  try {  // of a file that is open
    source.read({.file = 0, .offset = 64 * kKiB, .bytes = data.size()}, data);
    ADD_FAILURE() << "no error";
  } catch (const DataError& error) {
    EXPECT_NE(std::string(error.what()).find("file-0: has changed while it was staged: it ends at byte 102400"),
              std::string::npos)
        << error.what();
  }
  make_source({kStageBlockBytes, 10});
  std::filesystem::last_write_time(source_.path() / "file-1",
                                   std::filesystem::file_time_type::clock::now() + std::chrono::hours(1));
  try {
    source.require_unchanged();
    ADD_FAILURE() << "no error";
  } catch (const DataError& error) {
    EXPECT_NE(std::string(error.what()).find("file-1: has changed"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace tutti::tools::data
