// Every decoder decodes right bytes, and what becomes of them when some are changed: a small draw of what libFuzzer
// does, without clang. Under AddressSanitizer nothing outside may be read or written.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "tests/compression/fuzz/decoders.hpp"

namespace tutti::detail {
namespace {

constexpr unsigned kSeedOfChanges = 20261130;
constexpr int kDraws = 300;  // for each decoder

TEST(Decoders, TakeOrRefuseWhateverComes) {
  for (const Decoder& decoder : decoders()) {
    std::mt19937 random(kSeedOfChanges);
    const auto seeds = right_bytes(decoder);
    for (const auto& seed : seeds) decode_anything(decoder, seed);
    for (int i = 0; i < kDraws; ++i) {
      std::vector<std::byte> bytes = seeds[random() % seeds.size()];
      for (int changes = 1 + static_cast<int>(random() % 4); changes > 0 && !bytes.empty(); --changes) {
        const std::size_t at = random() % bytes.size();
        if (random() % 4 == 0) {
          bytes.resize(at);
        } else {
          const std::byte edges[] = {std::byte{0}, std::byte{0xFF}, std::byte{0x7F}, static_cast<std::byte>(random())};
          std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                      std::min<std::size_t>(bytes.size() - at, 1 + random() % 8), edges[random() % 4]);
        }
      }
      SCOPED_TRACE(decoder.name + ", seed " + std::to_string(kSeedOfChanges) + ", draw " + std::to_string(i));
      ASSERT_NO_THROW(decode_anything(decoder, bytes));
    }
  }
}

}  // namespace
}  // namespace tutti::detail
