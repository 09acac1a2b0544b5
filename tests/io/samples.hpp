// Data sets of fields of any type, with made-up content, written and read whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <tutti/io/dataset.hpp>
#include <tutti/io/dataset_writer.hpp>
#include <tutti/io/detail/shard.hpp>

#include "tests/io/support.hpp"

namespace tutti::io::test {

/// A field {3} of every type.
inline DatasetPlan plan_of_all_types(std::uint64_t samples, std::uint64_t shards, std::uint64_t chunk) {
  DatasetPlan plan{.name = "types", .fields = {}, .samples = samples, .shards = shards, .chunk_samples = chunk};
  for (const DType dtype : kAllDTypes) plan.fields.push_back({std::string(name(dtype)), dtype, {3}});
  return plan;
}

/// Writes a data set of dense fields; returns all bytes, per field. Fields with an odd index compress, others do not.
inline std::vector<std::vector<std::byte>> write_samples(const fs::path& folder, const DatasetPlan& plan) {
  std::vector<std::vector<std::byte>> content;
  std::uint32_t state = 1;
  for (std::size_t f = 0; f < plan.fields.size(); ++f) {
    content.emplace_back(plan.samples * plan.fields[f].sample_bytes());
    for (std::size_t i = 0; i < content[f].size(); ++i) {
      state = state * 1664525U + 1013904223U;
      content[f][i] = static_cast<std::byte>(f % 2 == 1 ? i / 16 : state >> 24);
    }
  }
  DatasetWriter writer(folder, plan);
  writer.append(plan.samples, std::vector<std::span<const std::byte>>(content.begin(), content.end()));
  writer.finish();
  return content;
}

/// All samples of a shard of dense fields, per field.
inline std::vector<std::vector<std::byte>> read_shard_fields(const ShardReader& reader) {
  const ShardHeader& header = reader.header();
  std::vector<std::vector<std::byte>> content(header.fields.size());
  for (std::size_t f = 0; f < content.size(); ++f) {
    const std::size_t bytes = header.fields[f].sample_bytes();
    std::vector<std::byte> chunk(header.chunk_samples * bytes);
    for (std::uint64_t c = 0; c < header.chunks(); ++c) {
      reader.prefetch(c);
      reader.read_chunk(c, f, chunk);
      content[f].insert(content[f].end(), chunk.begin(),
                        chunk.begin() + static_cast<std::ptrdiff_t>(header.samples_in_chunk(c) * bytes));
    }
  }
  return content;
}

inline std::vector<std::vector<std::byte>> read_fields(const Dataset& dataset) {
  std::vector<std::vector<std::byte>> content(dataset.fields().size());
  for (const ShardInfo& shard : dataset.shards()) {
    const auto part = read_shard_fields(ShardReader(shard.file));
    for (std::size_t f = 0; f < part.size(); ++f) content[f].insert(content[f].end(), part[f].begin(), part[f].end());
  }
  return content;
}

}  // namespace tutti::io::test
