#include <tutti/io/detail/chunk_writer.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <utility>

#include <tutti/kernels/error.hpp>

namespace tutti::io {

void set_filters(hid_t properties, const Compression& compression, const std::filesystem::path& file) {
  const char* what = "cannot be created";
  if (compression.shuffle) h5::require(H5Pset_shuffle(properties), file, what);
  if (compression.codec == Codec::none) return;
  // Optional: HDF5 need not know the filter to create the dataset, and chunks may be stored without it.
  const std::array<unsigned, 1> level{static_cast<unsigned>(compression.level)};
  const std::size_t values = compression.codec == Codec::lz4 ? 0 : level.size();
  h5::require(H5Pset_filter(properties, filter_of(compression.codec), H5Z_FLAG_OPTIONAL, values, level.data()), file,
              what);
}

ChunkWriter::ChunkWriter(h5::Id dataset, const Compression& compression, std::size_t element_bytes,
                         std::uint64_t chunk_rows, std::size_t chunk_bytes, std::string what)
    : dataset_(std::move(dataset)),
      encoder_(compression, element_bytes),
      element_bytes_(element_bytes),
      chunk_rows_(chunk_rows),
      chunk_bytes_(chunk_bytes),
      what_(std::move(what)),
      offset_(H5S_MAX_RANK, 0) {}

void ChunkWriter::write(std::uint64_t chunk, std::span<const std::byte> bytes, const DiskStorage& disk,
                        const std::filesystem::path& file) {
  if (bytes.size() < chunk_bytes_) {
    padded_.assign(bytes.begin(), bytes.end());
    padded_.resize(chunk_bytes_);
    bytes = padded_;
  }
  const Encoder::Encoded encoded = encoder_.encode(bytes);
  offset_.front() = chunk * chunk_rows_;
  const h5::Session session;
  const herr_t status = H5Dwrite_chunk(dataset_.get(), H5P_DEFAULT, encoded.mask, offset_.data(), encoded.bytes.size(),
                                       encoded.bytes.data());
  disk.require_written();
  h5::require(status, file, fmt::format("{}, chunk {}: cannot be written", what_, chunk));
}

void ChunkWriter::grow(std::uint64_t rows, const std::filesystem::path& file) {
  const h5::Session session;
  const hsize_t extent = rows;
  h5::require(H5Dset_extent(dataset_.get(), &extent), file, what_ + ": cannot be extended");
}

void ChunkWriter::append(std::span<const std::byte> elements, const DiskStorage& disk,
                         const std::filesystem::path& file) {
  while (!elements.empty()) {
    const auto piece = elements.first(std::min(elements.size(), chunk_bytes_ - pending_.size()));
    pending_.insert(pending_.end(), piece.begin(), piece.end());
    elements = elements.subspan(piece.size());
    elements_ += piece.size() / element_bytes_;
    if (pending_.size() < chunk_bytes_) return;
    grow(elements_, file);
    write(elements_ / chunk_rows_ - 1, pending_, disk, file);
    pending_.clear();
  }
}

void ChunkWriter::flush(const DiskStorage& disk, const std::filesystem::path& file) {
  if (pending_.empty()) return;
  grow(elements_, file);
  write(elements_ / chunk_rows_, pending_, disk, file);
}

void ChunkWriter::close(const std::filesystem::path& file) {
  if (!dataset_.close()) h5::fail(file, what_ + ": cannot be closed");
  encoder_ = Encoder({}, 1);
  std::vector<std::byte>().swap(padded_);
  std::vector<std::byte>().swap(pending_);
}

}  // namespace tutti::io
