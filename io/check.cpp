#include <tutti/io/check.hpp>

#include <filesystem>
#include <vector>

#include <tutti/io/detail/shard.hpp>

namespace tutti::io {

namespace {

ShardContent read_shard(const Dataset& dataset, std::size_t index, bool labels_only) {
  const auto opened = open_shard(dataset, index);
  const ShardReader& reader = *opened;
  const ShardHeader& header = reader.header();
  ShardContent content{.samples = header.samples,
                       .chunks = header.chunks(),
                       .data_bytes = 0,
                       .file_bytes = std::filesystem::file_size(reader.file()),
                       .samples_of_class = {}};
  std::vector<std::byte> chunk_data;
  for (std::size_t f = 0; f < header.fields.size(); ++f) {
    const Field& field = header.fields[f];
    const bool labels = header.classes > 0 && field.name == kLabelField;
    content.data_bytes += reader.data_bytes(f);
    if (labels_only && !labels) continue;
    if (!field.sparse) chunk_data.resize(header.chunk_samples * field.sample_bytes());
    for (std::uint64_t chunk = 0; chunk < header.chunks(); ++chunk) {
      if (field.sparse)
        reader.read_sparse_chunk(chunk, f);
      else
        reader.read_chunk(chunk, f, chunk_data);
      if (!labels) continue;
      for (std::size_t i = 0; i < header.samples_in_chunk(chunk); ++i)
        ++content.samples_of_class[label_value(field, chunk_data, i)];
    }
  }
  return content;
}

}  // namespace

ShardContent check_shard(const Dataset& dataset, std::size_t index) { return read_shard(dataset, index, false); }

ShardContent survey_shard(const Dataset& dataset, std::size_t index) { return read_shard(dataset, index, true); }

}  // namespace tutti::io
