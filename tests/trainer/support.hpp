// What the tests of the trainer share: a folder that goes away, and small data sets of known content.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <vector>

#include <tests/support/temporary_folder.hpp>
#include <tutti/io/dataset_writer.hpp>

#include "tests/trainer/samples.hpp"

namespace tutti::trainer::test {

namespace fs = std::filesystem;
using tutti::test::read_file;
using tutti::test::TemporaryFolder;
using tutti::test::write_file;

/// Expects every part in `text`.
inline void expect_parts(const std::string& text, const std::vector<std::string>& parts) {
  for (const auto& part : parts)
    EXPECT_NE(text.find(part), std::string::npos) << "'" << part << "' is not in: " << text;
}

/// "image" u8 {1, 8, 8} and "label" i64, three classes, in chunks of 8 samples.
inline void write_bars(const fs::path& folder, std::uint64_t samples, std::uint64_t shards) {
  io::DatasetWriter writer(folder, {.name = "bars",
                                    .fields = {{"image", DType::u8, {1, 8, 8}}, {"label", DType::i64, {}}},
                                    .samples = samples,
                                    .shards = shards,
                                    .classes = kClasses,
                                    .chunk_samples = 8});
  std::vector<std::uint8_t> images;
  std::vector<std::int64_t> labels;
  for (std::uint64_t id = 0; id < samples; ++id) {
    for (std::size_t pixel = 0; pixel < kPixels; ++pixel) images.push_back(pixel_of(id, pixel));
    labels.push_back(label_of(id));
  }
  const std::array<std::span<const std::byte>, 2> data{std::as_bytes(std::span(images)),
                                                       std::as_bytes(std::span(labels))};
  writer.append(samples, data);
  writer.finish();
}

}  // namespace tutti::trainer::test
