#include <tutti/io/importers/hdf5_written.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <system_error>

#include <tutti/io/detail/hdf5.hpp>
#include <tutti/io/detail/hdf5_samples.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::io {

namespace {

namespace fs = std::filesystem;

std::uint64_t product(const std::vector<hsize_t>& extents, const std::string& place) {
  std::uint64_t elements = 1;
  for (const hsize_t extent : extents)
    if (__builtin_mul_overflow(elements, extent, &elements))
      throw DataError(fmt::format("{}: claims more than 2^64 elements", place));
  return elements;
}

std::uint64_t chunks_of(const std::vector<hsize_t>& extents, hid_t properties, const std::string& place) {
  std::vector<hsize_t> chunks(extents.size());
  H5Pget_chunk(properties, static_cast<int>(chunks.size()), chunks.data());
  for (std::size_t d = 0; d < extents.size(); ++d)
    chunks[d] = extents[d] == 0 ? 0 : (extents[d] - 1) / std::max<hsize_t>(1, chunks[d]) + 1;
  return product(chunks, place);
}

void require_filters(hid_t properties, const std::string& place) {
  const int filters = H5Pget_nfilters(properties);
  for (int i = 0; i < filters; ++i) {
    unsigned flags = 0;
    std::size_t values = 0;
    char name[64] = "";
    const H5Z_filter_t filter =
        H5Pget_filter2(properties, static_cast<unsigned>(i), &flags, &values, nullptr, sizeof(name) - 1, name, nullptr);
    if (filter < 0 || H5Zfilter_avail(filter) > 0) continue;
    throw DataError(
        fmt::format("{}: needs the HDF5 filter {} ({}), which is not installed; h5repack -f NONE, where it "
                    "is, makes a plain file",
                    place, filter, printable(name)));
  }
}

template <class Get>
std::string text_of(Get get) {
  const ssize_t size = get(nullptr, 0);
  std::string text(size > 0 ? static_cast<std::size_t>(size) : 0, '\0');
  if (!text.empty()) get(text.data(), text.size() + 1);
  return text;
}

// One source of a virtual dataset: the file, the dataset in it, and that it is as large as is asked for.
// `points` elements are taken from it. Returns as require_written().
bool require_source(hid_t properties, std::size_t index, std::uint64_t points, const fs::path& file,
                    const std::string& place, int depth) {
  const std::string source =
      text_of([&](char* out, std::size_t size) { return H5Pget_virtual_filename(properties, index, out, size); });
  const std::string name =
      text_of([&](char* out, std::size_t size) { return H5Pget_virtual_dsetname(properties, index, out, size); });
  const fs::path path = source == "." ? file : file.parent_path() / source;
  const std::string words = fmt::format("{}: its source {} '{}'", place, path.string(), printable(name));
  std::error_code error;
  if (!fs::exists(path, error)) throw DataError(words + " is missing");
  const h5::Id root = h5::open_read_only(path);
  const h5::Id dataset(H5Dopen2(root.get(), name.c_str(), H5P_DEFAULT), H5Dclose);
  if (!dataset.valid()) throw DataError(words + " is missing");
  const h5::Id selected = h5::own(H5Pget_virtual_srcspace(properties, index), H5Sclose, file, "cannot be read");
  const std::vector<hsize_t> extents = hdf5_extents(dataset.get(), path);
  if (H5Sget_select_type(selected.get()) == H5S_SEL_ALL) {
    const std::uint64_t elements = product(extents, words);
    if (elements < points) throw DataError(words + " is smaller than what is taken from it");
    if (elements > points) throw DataError(words + " is larger than what is taken from it as a whole");
    return require_written(dataset.get(), path, words, depth + 1);
  }
  std::vector<hsize_t> first(extents.size());
  std::vector<hsize_t> last(extents.size());
  if (H5Sget_simple_extent_ndims(selected.get()) != static_cast<int>(extents.size()) ||
      H5Sget_select_bounds(selected.get(), first.data(), last.data()) < 0)
    throw DataError(words + " has another shape");
  for (std::size_t d = 0; d < extents.size(); ++d)
    if (last[d] >= extents[d]) throw DataError(words + " is smaller than what is taken from it");
  return require_written(dataset.get(), path, words, depth + 1);
}

// Sources may overlap, so their places in the dataset are joined, not counted.
bool require_sources(hid_t properties, const std::vector<hsize_t>& extents, const fs::path& file,
                     const std::string& place, int depth) {
  constexpr int kDeepest = 8;
  if (depth > kDeepest) throw DataError(fmt::format("{}: is virtual through more than {} files", place, kDeepest));
  std::size_t count = 0;
  bool certain = true;
  h5::require(H5Pget_virtual_count(properties, &count), file, "its sources cannot be read");
  constexpr const char* kWhat = "the places of its sources cannot be joined";
  const std::vector<hsize_t> start(extents.size(), 0);
  const int dimensions = static_cast<int>(extents.size());
  const h5::Id covered = h5::own(H5Screate_simple(dimensions, extents.data(), nullptr), H5Sclose, file, kWhat);
  h5::require(H5Sselect_none(covered.get()), file, kWhat);
  for (std::size_t i = 0; i < count; ++i) {
    const h5::Id target = h5::own(H5Pget_virtual_vspace(properties, i), H5Sclose, file, "its sources cannot be read");
    const hssize_t points = H5Sget_select_npoints(target.get());
    if (points < 0 || static_cast<hsize_t>(points) == H5S_UNLIMITED)
      throw DataError(fmt::format("{}: is virtual with sources of unlimited size; h5repack makes a plain one", place));
    if (H5Sget_simple_extent_ndims(target.get()) != dimensions) h5::fail(file, kWhat);
    if (H5Sget_select_type(target.get()) == H5S_SEL_ALL)
      h5::require(H5Sselect_hyperslab(target.get(), H5S_SELECT_SET, start.data(), nullptr, extents.data(), nullptr),
                  file, kWhat);
    h5::require(i == 0 ? H5Sselect_copy(covered.get(), target.get())
                       : H5Smodify_select(covered.get(), H5S_SELECT_OR, target.get()),
                file, kWhat);
    certain &= require_source(properties, i, static_cast<std::uint64_t>(points), file, place, depth);
  }
  if (count > 0)
    h5::require(H5Sselect_hyperslab(covered.get(), H5S_SELECT_AND, start.data(), nullptr, extents.data(), nullptr),
                file, kWhat);
  const auto given = static_cast<std::uint64_t>(std::max<hssize_t>(0, H5Sget_select_npoints(covered.get())));
  if (const std::uint64_t elements = product(extents, place); given != elements)
    throw DataError(fmt::format("{}: is virtual, and its sources give {} of {} elements", place, given, elements));
  return certain;
}

}  // namespace

bool require_written(hid_t dataset, const fs::path& file, const std::string& place, int depth) {
  const h5::Id properties = h5::own(H5Dget_create_plist(dataset), H5Pclose, file, "its layout cannot be read");
  const std::vector<hsize_t> extents = hdf5_extents(dataset, file);
  const H5D_layout_t layout = H5Pget_layout(properties.get());
  if (layout == H5D_VIRTUAL) return require_sources(properties.get(), extents, file, place, depth);
  if (layout == H5D_COMPACT) return true;
  H5D_alloc_time_t reserved = H5D_ALLOC_TIME_DEFAULT;
  h5::require(H5Pget_alloc_time(properties.get(), &reserved), file, "its layout cannot be read");
  const bool certain = reserved != H5D_ALLOC_TIME_EARLY;
  if (layout == H5D_CHUNKED) {
    require_filters(properties.get(), place);
    const h5::Id space = h5::own(H5Dget_space(dataset), H5Sclose, file, "its shape cannot be read");
    hsize_t written = 0;
    h5::require(H5Dget_num_chunks(dataset, space.get(), &written), file, "its chunks cannot be counted");
    const std::uint64_t chunks = chunks_of(extents, properties.get(), place);
    if (written < chunks)
      throw DataError(fmt::format("{}: {} of its {} chunks were never written", place, chunks - written, chunks));
    return certain;
  }
  if (H5Pget_external_count(properties.get()) > 0)
    throw DataError(fmt::format("{}: keeps its elements in other files; h5repack makes a plain one", place));
  if (H5Dget_storage_size(dataset) == 0) throw DataError(fmt::format("{}: was never written", place));
  std::error_code error;
  if (H5Dget_storage_size(dataset) > fs::file_size(file, error))
    throw DataError(fmt::format("{}: has more elements than its file has bytes for", place));
  return certain;
}

}  // namespace tutti::io
