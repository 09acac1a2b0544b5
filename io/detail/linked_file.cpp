#include <tutti/io/detail/linked_file.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include <tutti/io/detail/hdf5_samples.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::io {

namespace {

[[noreturn]] void refuse(const std::string& place, const std::string& what) {
  throw DataError(fmt::format("{} {}, which is not read in place: import it without --in-place", place, what));
}

// HDF5 would open the other file by the driver of this one, and find this one's bytes.
herr_t refuse_other_file(const char* /*parent_file*/, const char* /*parent_group*/, const char* file,
                         const char* /*object*/, unsigned* /*flags*/, hid_t /*access*/, void* found) {
  *static_cast<std::string*>(found) = file;
  return -1;
}

std::string filters_text(hid_t properties) {
  std::string text;
  for (int i = 0; i < H5Pget_nfilters(properties); ++i) {
    unsigned flags = 0;
    std::size_t values = 0;
    char name[64] = "";
    const H5Z_filter_t filter =
        H5Pget_filter2(properties, static_cast<unsigned>(i), &flags, &values, nullptr, sizeof(name) - 1, name, nullptr);
    text += fmt::format("{}{} ({})", i == 0 ? "" : ", ", static_cast<int>(filter), printable(name));
  }
  return text;
}

}  // namespace

LinkedFile::LinkedFile(const ReadOnlyFile& bytes)
    : bytes_(bytes), finder_(bytes), root_(h5::open_read_only(finder_, bytes.path())) {}

LinkedDataset LinkedFile::open(const std::string& dataset) {
  const std::filesystem::path& file = bytes_.path();
  LinkedDataset result;
  result.what_ = fmt::format("dataset '{}'", printable(dataset));
  result.place_ = fmt::format("{}: {}", file.string(), result.what_);
  const h5::Id access = h5::own(H5Pcreate(H5P_DATASET_ACCESS), H5Pclose, file, "cannot be opened");
  std::string other_file;
  h5::require(H5Pset_elink_cb(access.get(), refuse_other_file, &other_file), file, "cannot be opened");
  result.dataset_ = h5::Id(H5Dopen2(root_.get(), dataset.c_str(), access.get()), H5Dclose);
  if (!other_file.empty()) refuse(result.place_, fmt::format("is in another file, {}", printable(other_file)));
  if (!result.dataset_.valid()) h5::fail(file, fmt::format("there is no {} that can be opened", result.what_));
  Hdf5Samples samples = describe_hdf5_samples(result.dataset_.get(), file, result.place_);
  const h5::Id stored = h5::own(H5Dget_type(result.dataset_.get()), H5Tclose, file, "its type cannot be read");
  const h5::Id type = h5::own(H5Tcopy(stored.get()), H5Tclose, file, "its type cannot be read");
  if (H5Tget_class(type.get()) == H5T_INTEGER && H5Tget_size(type.get()) == 1)
    H5Tset_order(type.get(), H5T_ORDER_LE);  // all the same
  if (H5Tequal(type.get(), samples.memory_type.get()) <= 0)
    refuse(result.place_, fmt::format("has elements that are not stored as little-endian {}", name(samples.dtype)));
  result.dtype_ = samples.dtype;
  result.extent_ = std::move(samples.extents);
  result.sample_bytes_ = samples.sample_bytes;
  find_layout(result);
  return result;
}

void LinkedFile::find_layout(LinkedDataset& dataset) const {
  const std::filesystem::path& file = bytes_.path();
  const char* unknown = "its layout cannot be read";
  const h5::Id properties = h5::own(H5Dget_create_plist(dataset.dataset_.get()), H5Pclose, file, unknown);
  H5D_alloc_time_t reserved = H5D_ALLOC_TIME_DEFAULT;
  h5::require(H5Pget_alloc_time(properties.get(), &reserved), file, unknown);
  dataset.surely_written_ = reserved != H5D_ALLOC_TIME_EARLY;
  const H5D_layout_t layout = H5Pget_layout(properties.get());
  if (layout == H5D_CHUNKED) return find_chunks(dataset, properties.get());
  if (layout == H5D_VIRTUAL) refuse(dataset.place_, "is virtual");
  if (layout != H5D_CONTIGUOUS) refuse(dataset.place_, "is stored in the file's metadata (compact)");
  if (H5Pget_external_count(properties.get()) > 0) refuse(dataset.place_, "keeps its elements in other files");
  const haddr_t first = H5Dget_offset(dataset.dataset_.get());
  if (first == HADDR_UNDEF) throw DataError(fmt::format("{} was never written", dataset.place_));
  dataset.first_ = first;
  if (dataset.samples() > bytes_.size() / dataset.sample_bytes_ ||
      !bytes_.holds(first, dataset.samples() * dataset.sample_bytes_))
    throw DataError(fmt::format("{} has more elements than its file has bytes for", dataset.place_));
}

void LinkedFile::find_chunks(LinkedDataset& dataset, hid_t properties) const {
  std::vector<hsize_t> chunk(dataset.extent_.size());
  if (H5Pget_chunk(properties, static_cast<int>(chunk.size()), chunk.data()) != static_cast<int>(chunk.size()))
    h5::fail(bytes_.path(), "its chunks cannot be read");
  if (std::find(chunk.begin(), chunk.end(), hsize_t{0}) != chunk.end())
    throw DataError(fmt::format("{} has chunks of no elements", dataset.place_));
  const auto compression = compression_of(properties);
  if (!compression) refuse(dataset.place_, fmt::format("has the HDF5 filters {}", filters_text(properties)));
  unsigned options = 0;
  h5::require(H5Pget_chunk_opts(properties, &options), bytes_.path(), "its chunks cannot be read");
  if (*compression != Compression{} && (options & H5D_CHUNK_DONT_FILTER_PARTIAL_CHUNKS) != 0)
    refuse(dataset.place_, "has a last chunk without the filters of the others");
  dataset.compression_ = *compression;
  dataset.chunk_samples_ = chunk.front();
  dataset.divided_ = !std::equal(chunk.begin() + 1, chunk.end(), dataset.extent_.begin() + 1);
}

ChunkTable LinkedFile::table(const LinkedDataset& dataset) {
  if (dataset.chunk_samples_ == 0) return {dataset.first_, dataset.extent_, size_of(dataset.dtype_)};
  return {dataset.dataset_.get(), finder_, bytes_, dataset.compression_, dataset.what_, ChunkTable::Writer::other};
}

}  // namespace tutti::io
