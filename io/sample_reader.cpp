#include <tutti/io/sample_reader.hpp>

#include <algorithm>
#include <list>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include <tutti/io/detail/shard.hpp>

namespace tutti::io {

class SampleReader::Impl {
 public:
  Impl(const Dataset& dataset, std::size_t cache_bytes) : dataset_(dataset), cache_bytes_(cache_bytes) {}

  void append(std::uint64_t id, SampleBlock& block) {
    const auto& shards = dataset_.shards();
    const auto behind =
        std::upper_bound(shards.begin(), shards.end(), id,
                         [](std::uint64_t wanted, const ShardInfo& s) { return wanted < s.first_sample; });
    const auto shard = static_cast<std::size_t>(behind - shards.begin()) - 1;
    const std::uint64_t index = id - shards[shard].first_sample;
    const Decoded& chunk = find({shard, index / shards[shard].chunk_samples});
    const auto row = static_cast<std::size_t>(index % shards[shard].chunk_samples);
    for (std::size_t f = 0; f < dataset_.fields().size(); ++f) {
      const Field& field = dataset_.fields()[f];
      if (field.sparse) {
        append_rows(chunk.sparse[f], row, 1, size_of(field.dtype), block.sparse[f]);
        continue;
      }
      const auto bytes = std::span(chunk.data[f]).subspan(row * field.sample_bytes(), field.sample_bytes());
      block.data[f].insert(block.data[f].end(), bytes.begin(), bytes.end());
    }
    ++block.samples;
  }

 private:
  using Key = std::pair<std::size_t, std::uint64_t>;  // shard, chunk in it

  struct Decoded {
    Key key;
    std::vector<std::vector<std::byte>> data;
    std::vector<SparseRows> sparse;
    std::size_t bytes = 0;
  };

  const Decoded& find(Key key) {
    if (!kept_.empty() && kept_.front().key == key) return kept_.front();
    const auto found = index_.find(key);
    if (found != index_.end()) {
      kept_.splice(kept_.begin(), kept_, found->second);
      return kept_.front();
    }
    kept_.push_front(read(key));
    index_[key] = kept_.begin();
    bytes_ += kept_.front().bytes;
    while (kept_.size() > 1 && bytes_ > cache_bytes_) {
      bytes_ -= kept_.back().bytes;
      index_.erase(kept_.back().key);
      kept_.pop_back();
    }
    return kept_.front();
  }

  Decoded read(Key key) {
    const ShardReader& reader = open(key.first);
    const std::size_t fields = dataset_.fields().size();
    Decoded chunk{
        .key = key, .data = std::vector<std::vector<std::byte>>(fields), .sparse = std::vector<SparseRows>(fields)};
    for (std::size_t f = 0; f < fields; ++f) {
      const Field& field = dataset_.fields()[f];
      if (field.sparse) {
        chunk.sparse[f] = reader.read_sparse_chunk(key.second, f);
        const SparseRows& rows = chunk.sparse[f];
        chunk.bytes += rows.values.size() + 8 * rows.row_ends.size() + 4 * rows.columns.size();
        continue;
      }
      chunk.data[f].resize(reader.header().chunk_samples * field.sample_bytes());
      reader.read_chunk(key.second, f, chunk.data[f]);
      chunk.bytes += chunk.data[f].size();
    }
    return chunk;
  }

  const ShardReader& open(std::size_t shard) {
    constexpr std::size_t kMostOpen = 64;
    auto& reader = readers_[shard];
    if (reader) return *reader;
    if (readers_.size() > kMostOpen) {
      readers_.clear();
      return open(shard);
    }
    reader = open_shard(dataset_, shard);
    return *reader;
  }

  const Dataset& dataset_;
  const std::size_t cache_bytes_;
  std::size_t bytes_ = 0;
  std::list<Decoded> kept_;  // most recently used first
  std::map<Key, std::list<Decoded>::iterator> index_;
  std::map<std::size_t, std::unique_ptr<const ShardReader>> readers_;
};

SampleReader::SampleReader(const Dataset& dataset, std::size_t cache_bytes)
    : impl_(std::make_unique<Impl>(dataset, cache_bytes)) {}
SampleReader::~SampleReader() = default;

void SampleReader::append(std::uint64_t id, SampleBlock& block) { impl_->append(id, block); }

}  // namespace tutti::io
