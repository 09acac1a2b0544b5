// Lists of elements as they travel: what is written is read, and what is wrong is refused, whatever bytes are changed.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <tutti/compression/sparse/list_sums.hpp>
#include <tutti/compression/sparse/sparse_list.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::detail {
namespace {

constexpr unsigned kListSeed = 7;

struct List {
  std::size_t universe = 0;
  std::vector<std::uint32_t> indices;
  std::vector<float> values;  ///< small integers, which every type has
};

List random_list(std::size_t universe, std::size_t elements, std::mt19937& random) {
  std::set<std::uint32_t> chosen;
  while (chosen.size() < elements) chosen.insert(static_cast<std::uint32_t>(random() % universe));
  List list = {.universe = universe, .indices = {chosen.begin(), chosen.end()}, .values = {}};
  for (std::size_t i = 0; i < elements; ++i)
    list.values.push_back(static_cast<float>(static_cast<int>(random() % 99) - 49));
  return list;
}

std::vector<std::byte> written(const List& list, const ListFormat& format) {
  const std::size_t most = most_list_bytes(list.indices.size(), list.universe, format.values);
  std::vector<std::byte> bytes(most, std::byte{0xFF});
  bytes.resize(write_list(list.indices, list.values, list.universe, format, bytes));
  return bytes;
}

/// What several lists add up to, read in memory of exactly their size.
std::vector<float> sums_of(const std::vector<std::vector<std::byte>>& lists, std::size_t universe) {
  std::vector<std::byte> all;
  std::vector<std::size_t> bytes;
  for (const auto& list : lists) {
    all.insert(all.end(), list.begin(), list.end());
    bytes.push_back(list.size());
  }
  static ListScratch scratch;
  ListSums list_sums;
  list_sums.begin(all, bytes, universe);
  std::vector<float> sums(universe, -1.0F);
  for (std::size_t first = 0; first < universe; first += kListBlock)
    list_sums.take_block(std::span(sums).subspan(first, std::min(kListBlock, universe - first)), scratch);
  return sums;
}

std::vector<float> dense(const List& list) {
  std::vector<float> values(list.universe);
  for (std::size_t i = 0; i < list.indices.size(); ++i) values[list.indices[i]] = list.values[i];
  return values;
}

constexpr ListFormat kFormats[] = {{.values = DType::f32},
                                   {.values = DType::f16},
                                   {.values = DType::bf16},
                                   {.values = DType::f32, .rice = true},
                                   {.values = DType::f16, .rice = true}};

TEST(SparseList, IsReadAsWritten) {
  std::mt19937 random(kListSeed);
  for (const ListFormat& format : kFormats) {
    for (const std::size_t universe : {0U, 1U, 2U, 7U, 1000U, 65535U, 65536U, 65537U, 200000U}) {
      for (const std::size_t elements : {std::size_t{0}, std::size_t{1}, universe / 100, universe / 3, universe}) {
        if (elements > universe) continue;
        if (elements > 1000 && elements < universe && universe > 100000) continue;  // for time
        List list = random_list(universe, elements == universe ? 0 : elements, random);
        for (std::uint32_t i = 0; elements == universe && i < universe; ++i) {
          list.indices.push_back(i);
          list.values.push_back(static_cast<float>(i % 17) - 8.0F);
        }
        const auto bytes = written(list, format);
        EXPECT_LE(bytes.size(), most_list_bytes(elements, universe, format.values));
        ASSERT_EQ(sums_of({bytes}, universe), dense(list)) << universe << ", " << elements << ", seed " << kListSeed;
      }
    }
  }
}

TEST(SparseList, HasTheBytesOfItsFormat) {
  // Of 70,002 elements these, in two blocks.
  const List list = {.universe = 70002, .indices = {3, 4, 130, 131, 70000}, .values = {1, 2, 3, 4, 5}};
  EXPECT_EQ(written(list, {.values = DType::f32}).size(), 8U + 2 * 4 + 5 * 2 + 5 * 4);
  EXPECT_EQ(written(list, {.values = DType::f16}).size(), 8U + 2 * 4 + 5 * 2 + 5 * 2);
  // Remainders of floor(log2(0.693 x 70002 / 5)) = 13 bits; gaps 3, 0, 125, 0, 69868, whose quotients are 0, 0, 0,
  // 0, 8.
  EXPECT_EQ(written(list, {.values = DType::f32, .rice = true}).size(), 8U + (5 * 14 + 8 + 7) / 8 + 5 * 4);
  const auto bytes = written(list, {.values = DType::f32});
  const std::uint8_t head[] = {5, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 3, 0, 4, 0, 130, 0, 131, 0, 0x70, 0x11};
  EXPECT_EQ(std::memcmp(bytes.data(), head, sizeof(head)), 0);
}

TEST(SparseList, TurnsDenseWhereThatIsShorter) {
  std::mt19937 random(kListSeed);
  // 4 + 6 k bytes against 4 n: from k = 2/3 n - 2/3 on.
  EXPECT_EQ(written(random_list(999, 660, random), {}).size(), 8U + 4 + 6 * 660);
  EXPECT_EQ(written(random_list(999, 666, random), {}).size(), 8U + 4 * 999);
}

TEST(SparseList, RiceCodesTakeWhatTheirTheorySays) {
  std::mt19937 random(kListSeed);
  // Entropy and best code for a density of 1 %: 8.08 and 8.11 bits for each element.
  const List list = random_list(1000000, 10000, random);
  const double bits = 8.0 * static_cast<double>(written(list, {.rice = true}).size() - 8 - 4 * 10000) / 10000;
  EXPECT_GT(bits, 8.0);
  EXPECT_LT(bits, 8.2);
}

TEST(SparseList, SumsAreOfAllListsInTheirOrder) {
  std::mt19937 random(kListSeed);
  std::vector<std::vector<std::byte>> lists;
  std::vector<float> expected(70000);
  for (const ListFormat& format : kFormats) {
    const List list = random_list(expected.size(), 500, random);
    lists.push_back(written(list, format));
    for (std::size_t i = 0; i < list.indices.size(); ++i) expected[list.indices[i]] += list.values[i];
  }
  EXPECT_EQ(sums_of(lists, expected.size()), expected);
}

std::string problem_of(const std::vector<std::byte>& bytes, std::size_t universe) {
  try {
    sums_of({written({.universe = universe, .indices = {}, .values = {}}, {}), bytes}, universe);
  } catch (const CommunicationError& error) {
    return error.what();
  }
  return "nothing";
}

template <class T>
std::vector<std::byte> with(std::vector<std::byte> bytes, std::size_t at, T value) {
  std::memcpy(bytes.data() + at, &value, sizeof(value));
  return bytes;
}

TEST(SparseList, ThatIsWrongIsRefused) {
  const List list = {.universe = 1000, .indices = {3, 4, 130}, .values = {1, 2, 3}};
  const auto blocks = written(list, {});
  const auto rice = written({.universe = 1000, .indices = {3, 4, 130}, .values = {1, 2, 3}}, {.rice = true});
  ASSERT_EQ(std::to_integer<int>(rice[4]), 2);
  const auto refused = [](const std::vector<std::byte>& bytes, const char* part) {
    const std::string problem = problem_of(bytes, 1000);
    EXPECT_NE(problem.find("from rank 1: sparse list: "), std::string::npos) << problem;
    EXPECT_NE(problem.find(part), std::string::npos) << problem;
  };
  EXPECT_EQ(problem_of(blocks, 1000), "nothing");
  refused({}, "0 bytes are too few");
  refused({blocks.begin(), blocks.begin() + 7}, "7 bytes are too few");
  refused({blocks.begin(), blocks.end() - 1}, "need 22 bytes, and there are 21");
  auto longer = blocks;
  longer.push_back(std::byte{});
  refused(longer, "need 22 bytes, and there are 23");
  refused(with(blocks, 0, std::uint32_t{1001}), "1001 elements of 1000");
  refused(with(blocks, 0, std::uint32_t{0xFFFFFFFF}), "of 1000");
  refused(with(blocks, 4, std::uint8_t{3}), "no known format");
  refused(with(blocks, 5, std::uint8_t{3}), "no known format");
  refused(with(blocks, 6, std::uint8_t{33}), "no known format");
  refused(with(blocks, 7, std::uint8_t{1}), "no known format");
  refused(with(blocks, 8, std::uint32_t{4}), "more elements than there are");
  refused(with(blocks, 8, std::uint32_t{2}), "fewer elements than there are");
  refused(with(blocks, 14, std::uint16_t{3}), "do not rise");      // twice the same
  refused(with(blocks, 14, std::uint16_t{2}), "do not rise");      // falling
  refused(with(blocks, 16, std::uint16_t{1000}), "out of range");  // beyond the end
  refused(with(rice, 8, std::uint64_t{0xFFFFFFFFFFFFFFFF}), "Rice code");
  auto too_long = rice;
  too_long.insert(too_long.begin() + 8, std::byte{});
  refused(too_long, "Rice code");
  refused(with(rice, 0, std::uint32_t{0}), "Rice code");
}

TEST(SparseList, LongerThanAnyIsRefused) {
  const std::vector<std::size_t> bytes = {100, 100, 101};
  EXPECT_NO_THROW(require_list_bytes(bytes, 101));
  EXPECT_THROW(require_list_bytes(bytes, 100), CommunicationError);
}

/// Bytes changed, cut off and repeated: read or refused. Under AddressSanitizer nothing outside may be touched.
TEST(SparseList, ChangedBytesAreReadOrRefused) {
  std::mt19937 random(kListSeed);
  constexpr std::size_t kUniverse = 66000;
  std::vector<std::vector<std::byte>> seeds;
  for (const ListFormat& format : kFormats) seeds.push_back(written(random_list(kUniverse, 40, random), format));
  seeds.push_back(written(random_list(kUniverse, 0, random), {}));
  int refused = 0;
  for (int i = 0; i < 3000; ++i) {
    auto bytes = seeds[random() % seeds.size()];
    for (int changes = 1 + static_cast<int>(random() % 3); changes > 0 && !bytes.empty(); --changes) {
      const std::size_t at = random() % std::min<std::size_t>(bytes.size(), random() % 2 == 0 ? 20 : bytes.size());
      switch (random() % 4) {
        case 0:
          bytes[at] ^= static_cast<std::byte>(1U << (random() % 8));
          break;
        case 1:
          bytes.resize(at);
          break;
        case 2:
          bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(at), 1 + random() % 4,
                       static_cast<std::byte>(random()));
          break;
        default:
          std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), std::min<std::size_t>(4, bytes.size() - at),
                      random() % 2 == 0 ? std::byte{0xFF} : std::byte{0});
      }
    }
    const std::string problem = problem_of(bytes, kUniverse);
    if (problem != "nothing") {
      ++refused;
      ASSERT_NE(problem.find("sparse list: "), std::string::npos) << problem;
    }
  }
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace tutti::detail
