// Augmented pictures: their bits against a naive reference, what they depend on, and how often each draw occurs.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include <tests/io/support.hpp>
#include <tutti/io/augment.hpp>
#include <tutti/io/loader.hpp>

namespace tutti::io::test {
namespace {

constexpr std::size_t kChannels = 3;
constexpr std::size_t kRows = 7;
constexpr std::size_t kColumns = 9;
constexpr std::size_t kPixels = kRows * kColumns;

std::uint8_t pixel(std::uint64_t id, std::size_t at) { return static_cast<std::uint8_t>(id * 31 + at * 7 + at / 9); }

template <class T>
std::vector<T> picture(std::uint64_t id) {
  std::vector<T> all(kChannels * kPixels);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<T>(pixel(id, i));
  return all;
}

template <class T>
void write_pictures(const fs::path& folder, DType dtype, std::uint64_t samples) {
  DatasetWriter writer(folder, {.name = "pictures",
                                .fields = {{"other", DType::u8, {2}}, {"image", dtype, {kChannels, kRows, kColumns}}},
                                .samples = samples,
                                .shards = 3,
                                .chunk_samples = 4});
  for (std::uint64_t id = 0; id < samples; ++id) {
    const std::vector<T> image = picture<T>(id);
    const std::array<std::uint8_t, 2> other{pixel(id, 0), pixel(id, 1)};
    const std::array<std::span<const std::byte>, 2> data{std::as_bytes(std::span(other)),
                                                         std::as_bytes(std::span(image))};
    writer.append(1, data);
  }
  writer.finish();
}

/// As one writes it down: a padded picture, a part of it, mirrored, with a square in another colour.
template <class T>
std::vector<T> naive(const std::vector<T>& image, const Augmentation& options, const Draw& draw) {
  const auto pad = static_cast<std::ptrdiff_t>(options.pad);
  const auto cutout = static_cast<std::ptrdiff_t>(options.cutout);
  std::vector<T> result(image.size());
  const auto reflected = [](std::ptrdiff_t at, std::ptrdiff_t n) {
    if (at < 0) at = -at;
    if (at >= n) at = 2 * (n - 1) - at;
    return at;
  };
  for (std::size_t c = 0; c < kChannels; ++c) {
    const T fill = static_cast<T>(options.fill[options.fill.size() == 1 ? 0 : c]);
    std::map<std::pair<std::ptrdiff_t, std::ptrdiff_t>, T> padded;
    for (std::ptrdiff_t y = -pad; y < static_cast<std::ptrdiff_t>(kRows) + pad; ++y)
      for (std::ptrdiff_t x = -pad; x < static_cast<std::ptrdiff_t>(kColumns) + pad; ++x) {
        const std::ptrdiff_t sy = reflected(y, kRows);
        const std::ptrdiff_t sx = reflected(x, kColumns);
        const bool outside = sy != y || sx != x;
        padded[{y, x}] =
            outside && options.padding == Padding::fill
                ? fill
                : image[c * kPixels + static_cast<std::size_t>(sy) * kColumns + static_cast<std::size_t>(sx)];
      }
    for (std::ptrdiff_t y = 0; y < static_cast<std::ptrdiff_t>(kRows); ++y)
      for (std::ptrdiff_t x = 0; x < static_cast<std::ptrdiff_t>(kColumns); ++x) {
        const std::ptrdiff_t sx = draw.flipped ? static_cast<std::ptrdiff_t>(kColumns) - 1 - x : x;
        const std::ptrdiff_t dy = y - static_cast<std::ptrdiff_t>(draw.centre_row);
        const std::ptrdiff_t dx = x - static_cast<std::ptrdiff_t>(draw.centre_column);
        const auto is_near = [&](std::ptrdiff_t d) { return d >= -(cutout / 2) && d < cutout - cutout / 2; };
        result[c * kPixels + static_cast<std::size_t>(y) * kColumns + static_cast<std::size_t>(x)] =
            cutout > 0 && is_near(dy) && is_near(dx) ? fill : padded.at({y + draw.down, sx + draw.right});
      }
  }
  return result;
}

class AugmentTest : public ::testing::Test {
 protected:
  template <class T>
  static void compare(const Dataset& dataset, const Augmentation& options) {
    const Augmenter augmenter(dataset, options, 5);
    std::vector<T> result(kChannels * kPixels);
    for (std::uint64_t id = 0; id < 12; ++id) {
      const std::vector<T> image = picture<T>(id);
      augmenter.augment(2, id, std::as_bytes(std::span(image)).data(),
                        std::as_writable_bytes(std::span(result)).data());
      ASSERT_EQ(result, naive(image, options, augmenter.draw(2, id)))
          << "pad " << options.pad << ", cutout " << options.cutout << ", sample " << id;
    }
  }

  template <class T>
  void compare_all(DType dtype) {
    const fs::path folder = folder_.path() / "data";
    write_pictures<T>(folder, dtype, 20);
    const Dataset dataset(folder);
    for (const Padding padding : {Padding::fill, Padding::reflect})
      for (const std::size_t pad : {0, 1, 4, 6})
        for (const bool flip : {false, true})
          for (const std::size_t cutout : {0, 1, 4, 5, 30})
            compare<T>(dataset, {.field = "image",
                                 .pad = pad,
                                 .padding = padding,
                                 .flip = flip,
                                 .cutout = cutout,
                                 .fill = {1, 2, 200}});
  }

  TemporaryFolder folder_;
};

TEST_F(AugmentTest, BytesAreThoseOfTheReference) { compare_all<std::uint8_t>(DType::u8); }
TEST_F(AugmentTest, FloatsAreThoseOfTheReference) { compare_all<float>(DType::f32); }

// What each sample looks like in two epochs, read by any number of ranks and threads, in any order, from anywhere on.
TEST_F(AugmentTest, PicturesDependOnSeedEpochAndSampleAlone) {
  write_pictures<std::uint8_t>(folder_.path() / "data", DType::u8, 50);
  const Dataset dataset(folder_.path() / "data");
  const Augmentation augment{.field = "image", .pad = 2, .flip = true, .cutout = 3, .fill = {9}};
  using Seen = std::map<std::pair<std::uint64_t, std::uint64_t>, std::vector<std::byte>>;
  const auto read = [&](LoaderOptions options, Seen& seen) {
    options.augment = augment;
    options.epochs = 2;
    Loader loader(dataset, options);
    while (const auto batch = loader.next())
      for (std::size_t i = 0; i < batch->ids.size(); ++i) {
        const auto one = batch->data[1].subspan(i * kChannels * kPixels, kChannels * kPixels);
        seen[{batch->epoch, batch->ids[i]}].assign(one.begin(), one.end());
        EXPECT_EQ(batch->data[0][2 * i], static_cast<std::byte>(pixel(batch->ids[i], 0)));
      }
  };
  Seen expected;
  const Augmenter augmenter(dataset, augment, 5);
  for (std::uint64_t epoch = 0; epoch < 2; ++epoch)
    for (std::uint64_t id = 0; id < 50; ++id) {
      auto& bytes = expected[{epoch, id}];
      bytes.resize(kChannels * kPixels);
      const std::vector<std::uint8_t> image = picture<std::uint8_t>(id);
      augmenter.augment(epoch, id, std::as_bytes(std::span(image)).data(), bytes.data());
    }
  for (const int ranks : {1, 2, 3})
    for (const int threads : {1, 3})
      for (const Order order : {Order::contiguous, Order::shuffled, Order::two_level}) {
        Seen seen;
        for (int rank = 0; rank < ranks; ++rank)
          read({.order = order, .seed = 5, .global_batch = 7, .rank = rank, .ranks = ranks, .threads = threads}, seen);
        EXPECT_EQ(seen, expected) << ranks << " ranks, " << threads << " threads";
      }
  Seen rest;
  read({.order = Order::shuffled, .seed = 5, .global_batch = 10, .first_epoch = 1, .first_batch = 3}, rest);
  EXPECT_EQ(rest.size(), 20);
  for (const auto& [key, bytes] : rest) EXPECT_EQ(bytes, expected.at(key));
  Seen other;
  read({.seed = 6, .global_batch = 10}, other);
  EXPECT_NE(other, expected);
}

// 40,000 pictures: each count within 5 standard deviations of what is expected.
TEST_F(AugmentTest, EveryDrawIsAsFrequentAsTheOthers) {
  write_pictures<std::uint8_t>(folder_.path() / "data", DType::u8, 5);
  const Dataset dataset(folder_.path() / "data");
  const Augmenter augmenter(dataset, {.field = "image", .pad = 2, .flip = true, .cutout = 3}, 1);
  constexpr double kDraws = 40000;
  std::map<std::pair<std::ptrdiff_t, std::ptrdiff_t>, double> shifts;
  std::map<std::pair<std::size_t, std::size_t>, double> centres;
  std::map<std::tuple<bool, bool, bool>, double> flips;  // with what they must not depend on
  for (std::uint64_t i = 0; i < static_cast<std::uint64_t>(kDraws); ++i) {
    const Draw draw = augmenter.draw(i % 8, i / 8);
    ++shifts[{draw.down, draw.right}];
    ++centres[{draw.centre_row, draw.centre_column}];
    ++flips[{draw.flipped, augmenter.draw(i % 8 + 1, i / 8).flipped, augmenter.draw(i % 8, i / 8 + 1).flipped}];
  }
  const auto expect_even = [&](const auto& counts, double cells) {
    EXPECT_EQ(counts.size(), static_cast<std::size_t>(cells));
    const double share = 1.0 / cells;
    for (const auto& [key, count] : counts)
      EXPECT_NEAR(count, kDraws * share, 5 * std::sqrt(kDraws * share * (1 - share)));
  };
  expect_even(shifts, 25);
  expect_even(centres, kPixels);
  expect_even(flips, 8);
}

TEST_F(AugmentTest, WhatCannotBeAugmentedIsRefused) {
  write_pictures<std::uint8_t>(folder_.path() / "data", DType::u8, 5);
  const Dataset dataset(folder_.path() / "data");
  const auto refusal = [&](const Augmentation& options) {
    return message_of<InvalidArgument>([&] { Augmenter(dataset, options, 0); });
  };
  expect_parts(refusal({.field = "other", .flip = true}), {"field 'other'", "u8 with 1 extents"});
  expect_parts(refusal({.field = "image", .pad = 7}), {"border of 7 pixels", "7 x 9"});
  expect_parts(refusal({.field = "image", .pad = 1, .fill = {1, 2}}), {"2 fill values", "3 channels"});
  expect_parts(refusal({.field = "image", .pad = 1, .fill = {0.5}}), {"0.5 is none of u8"});
  expect_parts(refusal({.field = "image", .pad = 1, .fill = {256}}), {"256 is none of u8"});
  expect_parts(message_of([&] { Augmenter(dataset, {.field = "imgae", .flip = true}, 0); }), {"imgae"});
  expect_parts(
      message_of<InvalidArgument>([&] {
        Loader(dataset,
               {.rank = 0, .ranks = 2, .partition = Partition::features, .augment = {.field = "image", .flip = true}});
      }),
      {"augmented whole"});
  EXPECT_EQ(padding_from_name("reflect"), Padding::reflect);
  expect_parts(message_of<InvalidArgument>([] { padding_from_name("relfect"); }), {"did you mean 'reflect'"});
}

}  // namespace
}  // namespace tutti::io::test
