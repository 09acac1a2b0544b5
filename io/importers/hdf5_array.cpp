#include <tutti/io/importers/hdf5_array.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <system_error>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::io {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMostUnpacked = 1032;  // that deflate makes from a byte
constexpr std::uint64_t kAlwaysPlausible = std::uint64_t{64} << 20;

const char* class_name(H5T_class_t type) {
  switch (type) {
    case H5T_STRING:
      return "texts";
    case H5T_COMPOUND:
      return "records of several fields (compound)";
    case H5T_ENUM:
      return "names (enum)";
    case H5T_VLEN:
      return "lists of variable length";
    case H5T_ARRAY:
      return "arrays within elements";
    case H5T_REFERENCE:
      return "references";
    case H5T_OPAQUE:
      return "opaque bytes";
    case H5T_BITFIELD:
      return "bit fields";
    default:
      return "elements of an unknown kind";
  }
}

std::vector<hsize_t> extents_of(hid_t dataset, const fs::path& file) {
  const h5::Id space = h5::own(H5Dget_space(dataset), H5Sclose, file, "its shape cannot be read");
  const int dimensions = H5Sget_simple_extent_ndims(space.get());
  std::vector<hsize_t> extents(dimensions > 0 ? static_cast<std::size_t>(dimensions) : 0);
  if (!extents.empty()) H5Sget_simple_extent_dims(space.get(), extents.data(), nullptr);
  return extents;
}

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
// `points` elements are taken from it.
void require_source(hid_t properties, std::size_t index, std::uint64_t points, const fs::path& file,
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
  const std::vector<hsize_t> extents = extents_of(dataset.get(), path);
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
  require_written(dataset.get(), path, words, depth + 1);
}

// Sources may overlap, so their places in the dataset are joined, not counted.
void require_sources(hid_t properties, const std::vector<hsize_t>& extents, const fs::path& file,
                     const std::string& place, int depth) {
  constexpr int kDeepest = 8;
  if (depth > kDeepest) throw DataError(fmt::format("{}: is virtual through more than {} files", place, kDeepest));
  std::size_t count = 0;
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
    require_source(properties, i, static_cast<std::uint64_t>(points), file, place, depth);
  }
  if (count > 0)
    h5::require(H5Sselect_hyperslab(covered.get(), H5S_SELECT_AND, start.data(), nullptr, extents.data(), nullptr),
                file, kWhat);
  const auto given = static_cast<std::uint64_t>(std::max<hssize_t>(0, H5Sget_select_npoints(covered.get())));
  if (const std::uint64_t elements = product(extents, place); given != elements)
    throw DataError(fmt::format("{}: is virtual, and its sources give {} of {} elements", place, given, elements));
}

// HDF5 would make infinities of numbers that are too large for the type.
H5T_conv_ret_t refuse_too_large(H5T_conv_except_t exception, hid_t /*from*/, hid_t /*to*/, void* /*value*/,
                                void* /*converted*/, void* /*state*/) {
  return exception == H5T_CONV_EXCEPT_RANGE_HI || exception == H5T_CONV_EXCEPT_RANGE_LOW ? H5T_CONV_ABORT
                                                                                         : H5T_CONV_UNHANDLED;
}

}  // namespace

void require_written(hid_t dataset, const fs::path& file, const std::string& place, int depth) {
  const h5::Id properties = h5::own(H5Dget_create_plist(dataset), H5Pclose, file, "its layout cannot be read");
  const std::vector<hsize_t> extents = extents_of(dataset, file);
  const H5D_layout_t layout = H5Pget_layout(properties.get());
  if (layout == H5D_VIRTUAL) return require_sources(properties.get(), extents, file, place, depth);
  if (layout == H5D_COMPACT) return;
  if (layout == H5D_CHUNKED) {
    require_filters(properties.get(), place);
    const h5::Id space = h5::own(H5Dget_space(dataset), H5Sclose, file, "its shape cannot be read");
    hsize_t written = 0;
    h5::require(H5Dget_num_chunks(dataset, space.get(), &written), file, "its chunks cannot be counted");
    const std::uint64_t chunks = chunks_of(extents, properties.get(), place);
    if (written < chunks)
      throw DataError(fmt::format("{}: {} of its {} chunks were never written", place, chunks - written, chunks));
    return;
  }
  if (H5Pget_external_count(properties.get()) > 0)
    throw DataError(fmt::format("{}: keeps its elements in other files; h5repack makes a plain one", place));
  if (H5Dget_storage_size(dataset) == 0) throw DataError(fmt::format("{}: was never written", place));
  std::error_code error;
  if (H5Dget_storage_size(dataset) > fs::file_size(file, error))
    throw DataError(fmt::format("{}: has more elements than its file has bytes for", place));
}

Hdf5Array::Hdf5Array(hid_t root, const fs::path& file, const std::string& dataset) : file_(file), name_(dataset) {
  const h5::Id access = h5::own(H5Pcreate(H5P_DATASET_ACCESS), H5Pclose, file, "cannot be opened");
  dataset_ = h5::Id(H5Dopen2(root, name_.c_str(), access.get()), H5Dclose);
  if (!dataset_.valid()) h5::fail(file, fmt::format("there is no dataset '{}' that can be opened", printable(name_)));
  transfer_ = h5::own(H5Pcreate(H5P_DATASET_XFER), H5Pclose, file, "cannot be opened");
  H5Pset_type_conv_cb(transfer_.get(), refuse_too_large, nullptr);
  find_type();
  find_shape(root);
}

void Hdf5Array::refuse(const std::string& what) const {
  throw DataError(fmt::format("{}: dataset '{}' {}", file_.string(), printable(name_), what));
}

void Hdf5Array::find_type() {
  const h5::Id type = h5::own(H5Dget_type(dataset_.get()), H5Tclose, file_, "its type cannot be read");
  const H5T_class_t kind = H5Tget_class(type.get());
  if (kind == H5T_INTEGER) return find_integer(type.get());
  if (kind == H5T_FLOAT) return find_float(type.get());
  if (kind == H5T_ENUM) return find_boolean(type.get());
  refuse(fmt::format("holds {}; numbers are read", class_name(kind)));
}

void Hdf5Array::find_integer(hid_t type) {
  static constexpr DType kIntegers[] = {DType::i8, DType::i16, DType::i32, DType::i64,
                                        DType::u8, DType::u16, DType::u32, DType::u64};
  const bool is_signed = H5Tget_sign(type) != H5T_SGN_NONE;
  for (std::size_t i = 0; i < std::size(kIntegers); ++i)
    if ((i < 4) == is_signed && size_of(kIntegers[i]) == H5Tget_size(type)) {
      dtype_ = kIntegers[i];
      memory_type_ = h5::own(H5Tcopy(h5::file_type(dtype_)), H5Tclose, file_, "its type cannot be read");
      return;
    }
  refuse(fmt::format("holds integers of {} bytes; 1, 2, 4 and 8 are read", H5Tget_size(type)));
}

void Hdf5Array::find_float(hid_t type) {
  std::size_t sign = 0;
  std::size_t exponent = 0;
  std::size_t exponent_bits = 0;
  std::size_t mantissa = 0;
  std::size_t mantissa_bits = 0;
  H5Tget_fields(type, &sign, &exponent, &exponent_bits, &mantissa, &mantissa_bits);
  const auto is = [&](std::size_t bytes, std::size_t e, std::size_t m) {
    return H5Tget_size(type) == bytes && exponent_bits == e && mantissa_bits == m;
  };
  if (is(2, 5, 10)) {
    dtype_ = DType::f16;
  } else if (is(2, 8, 7)) {
    dtype_ = DType::bf16;
  } else if (is(4, 8, 23)) {
    dtype_ = DType::f32;
  } else if (is(8, 11, 52)) {
    dtype_ = DType::f64;
  } else {
    refuse(
        fmt::format("holds real numbers of {} bytes with {} bits of exponent and {} of mantissa; known are f16, "
                    "bf16, f32 and f64",
                    H5Tget_size(type), exponent_bits, mantissa_bits));
  }
  if (!is_half(dtype_)) {  // HDF5 converts from another bias or order of the parts
    memory_type_ = h5::own(H5Tcopy(h5::file_type(dtype_)), H5Tclose, file_, "its type cannot be read");
    return;
  }
  // HDF5 has no such types to convert to, so the bits are copied.
  const H5T_order_t order = H5Tget_order(type);
  if (sign != 15 || exponent != mantissa_bits || mantissa != 0 || H5Tget_norm(type) != H5T_NORM_IMPLIED ||
      H5Tget_ebias(type) != (dtype_ == DType::f16 ? 15U : 127U) || (order != H5T_ORDER_LE && order != H5T_ORDER_BE))
    refuse(
        fmt::format("holds real numbers of 2 bytes that are no {}: their exponent has the bias {}, or their parts "
                    "stand in another order",
                    name(dtype_), H5Tget_ebias(type)));
  memory_type_ = h5::own(H5Tcopy(type), H5Tclose, file_, "its type cannot be read");
  H5Tset_order(memory_type_.get(), H5T_ORDER_LE);
}

// h5py stores booleans as an enum of one byte with the members FALSE and TRUE.
void Hdf5Array::find_boolean(hid_t type) {
  signed char no = -1;
  signed char yes = -1;
  if (H5Tget_size(type) != 1 || H5Tget_nmembers(type) != 2 || H5Tenum_valueof(type, "FALSE", &no) < 0 ||
      H5Tenum_valueof(type, "TRUE", &yes) < 0 || no != 0 || yes != 1)
    refuse("holds names (enum); only booleans, FALSE and TRUE, are read");
  dtype_ = DType::u8;
  memory_type_ = h5::own(H5Tcopy(type), H5Tclose, file_, "its type cannot be read");
}

void Hdf5Array::find_shape(hid_t root) {
  extents_ = extents_of(dataset_.get(), file_);
  if (extents_.empty()) refuse("is a scalar or empty; the first dimension of a dataset counts samples");
  if (extents_.size() > 31) refuse(fmt::format("has {} dimensions; at most 31 are kept", extents_.size()));
  if (extents_[0] == 0) refuse("holds no samples: its first dimension is 0");
  sample_bytes_ = size_of(dtype_);
  for (std::size_t d = 1; d < extents_.size(); ++d) {
    if (extents_[d] == 0) refuse(fmt::format("has samples without elements: its dimension {} is 0", d));
    if (extents_[d] > (std::uint64_t{1} << 32) / sample_bytes_) refuse("has samples of more than 2^32 bytes");
    sample_bytes_ *= extents_[d];
  }
  require_written(dataset_.get(), file_, fmt::format("{}: dataset '{}'", file_.string(), printable(name_)));

  // A chunk is decompressed as a whole, and kept for the samples of it that follow.
  const h5::Id properties = h5::own(H5Dget_create_plist(dataset_.get()), H5Pclose, file_, "its layout cannot be read");
  if (H5Pget_layout(properties.get()) != H5D_CHUNKED) return;
  std::vector<hsize_t> chunk(extents_.size());
  H5Pget_chunk(properties.get(), static_cast<int>(chunk.size()), chunk.data());
  const std::uint64_t band = std::min(chunk[0], extents_[0]) * sample_bytes_;
  std::uint64_t chunk_bytes = size_of(dtype_);
  for (const hsize_t extent : chunk) {
    if (extent == 0 || extent > (std::uint64_t{1} << 32) / chunk_bytes) refuse("has chunks of no or of absurd size");
    chunk_bytes *= extent;
  }
  std::error_code error;
  const std::uint64_t most = std::max(kAlwaysPlausible, kMostUnpacked * fs::file_size(file_, error));
  if (chunk_bytes > most || sample_bytes_ > most) refuse("has chunks larger than its file can hold");
  constexpr std::uint64_t kMostCached = std::uint64_t{256} << 20;
  const h5::Id access = h5::own(H5Pcreate(H5P_DATASET_ACCESS), H5Pclose, file_, "cannot be opened");
  H5Pset_chunk_cache(access.get(), 10007, std::clamp<std::uint64_t>(band + chunk_bytes, 1U << 20, kMostCached), 1.0);
  dataset_ = h5::own(H5Dopen2(root, name_.c_str(), access.get()), H5Dclose, file_, "cannot be opened");
}

void Hdf5Array::read(std::uint64_t first, std::uint64_t samples, std::vector<std::byte>& out) const {
  const auto what = [&] {
    return fmt::format("dataset '{}', samples {} to {}, cannot be read", printable(name_), first, first + samples - 1);
  };
  std::vector<hsize_t> start(extents_.size(), 0);
  std::vector<hsize_t> count = extents_;
  start[0] = first;
  count[0] = samples;
  const h5::Id source = h5::own(H5Dget_space(dataset_.get()), H5Sclose, file_, what());
  h5::require(H5Sselect_hyperslab(source.get(), H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr), file_,
              what());
  const h5::Id target =
      h5::own(H5Screate_simple(static_cast<int>(count.size()), count.data(), nullptr), H5Sclose, file_, what());
  const std::size_t before = out.size();
  out.resize(before + samples * sample_bytes_);
  h5::require(
      H5Dread(dataset_.get(), memory_type_.get(), target.get(), source.get(), transfer_.get(), out.data() + before),
      file_, what());
}

}  // namespace tutti::io
