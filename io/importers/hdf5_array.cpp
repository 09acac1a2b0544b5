#include <tutti/io/importers/hdf5_array.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <span>
#include <system_error>

#include <tutti/io/importers/hdf5_written.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::io {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMostUnpacked = 1032;  // that deflate makes from a byte
constexpr std::uint64_t kAlwaysPlausible = std::uint64_t{64} << 20;

// HDF5 would make infinities of numbers that are too large for the type.
H5T_conv_ret_t refuse_too_large(H5T_conv_except_t exception, hid_t /*from*/, hid_t /*to*/, void* /*value*/,
                                void* /*converted*/, void* /*state*/) {
  return exception == H5T_CONV_EXCEPT_RANGE_HI || exception == H5T_CONV_EXCEPT_RANGE_LOW ? H5T_CONV_ABORT
                                                                                         : H5T_CONV_UNHANDLED;
}

}  // namespace

Hdf5Array::Hdf5Array(hid_t root, const fs::path& file, const std::string& dataset) : file_(file), name_(dataset) {
  const h5::Id access = h5::own(H5Pcreate(H5P_DATASET_ACCESS), H5Pclose, file, "cannot be opened");
  dataset_ = h5::Id(H5Dopen2(root, name_.c_str(), access.get()), H5Dclose);
  if (!dataset_.valid()) h5::fail(file, fmt::format("there is no dataset '{}' that can be opened", printable(name_)));
  transfer_ = h5::own(H5Pcreate(H5P_DATASET_XFER), H5Pclose, file, "cannot be opened");
  H5Pset_type_conv_cb(transfer_.get(), refuse_too_large, nullptr);
  samples_ = describe_hdf5_samples(dataset_.get(), file, place());
  written_ = require_written(dataset_.get(), file_, place());
  set_cache(root);
}

void Hdf5Array::refuse(const std::string& what) const { throw DataError(fmt::format("{} {}", place(), what)); }

std::string Hdf5Array::place() const { return fmt::format("{}: dataset '{}'", file_.string(), printable(name_)); }

// A chunk is decompressed as a whole, and kept for the samples of it that follow.
void Hdf5Array::set_cache(hid_t root) {
  const h5::Id properties = h5::own(H5Dget_create_plist(dataset_.get()), H5Pclose, file_, "its layout cannot be read");
  if (H5Pget_layout(properties.get()) != H5D_CHUNKED) return;
  std::vector<hsize_t> chunk(samples_.extents.size());
  H5Pget_chunk(properties.get(), static_cast<int>(chunk.size()), chunk.data());
  const std::uint64_t band = std::min(chunk[0], samples_.extents[0]) * samples_.sample_bytes;
  std::uint64_t chunk_bytes = size_of(dtype());
  for (const hsize_t extent : chunk) {
    if (extent == 0 || extent > (std::uint64_t{1} << 32) / chunk_bytes) refuse("has chunks of no or of absurd size");
    chunk_bytes *= extent;
  }
  std::error_code error;
  const std::uint64_t most = std::max(kAlwaysPlausible, kMostUnpacked * fs::file_size(file_, error));
  if (chunk_bytes > most || samples_.sample_bytes > most) refuse("has chunks larger than its file can hold");
  constexpr std::uint64_t kMostCached = std::uint64_t{256} << 20;
  const h5::Id access = h5::own(H5Pcreate(H5P_DATASET_ACCESS), H5Pclose, file_, "cannot be opened");
  H5Pset_chunk_cache(access.get(), 10007, std::clamp<std::uint64_t>(band + chunk_bytes, 1U << 20, kMostCached), 1.0);
  dataset_ = h5::own(H5Dopen2(root, name_.c_str(), access.get()), H5Dclose, file_, "cannot be opened");
}

void Hdf5Array::read(std::uint64_t first, std::uint64_t samples, std::vector<std::byte>& out) {
  const auto what = [&] {
    return fmt::format("dataset '{}', samples {} to {}, cannot be read", printable(name_), first, first + samples - 1);
  };
  std::vector<hsize_t> start(samples_.extents.size(), 0);
  std::vector<hsize_t> count = samples_.extents;
  start[0] = first;
  count[0] = samples;
  const h5::Id source = h5::own(H5Dget_space(dataset_.get()), H5Sclose, file_, what());
  h5::require(H5Sselect_hyperslab(source.get(), H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr), file_,
              what());
  const h5::Id target =
      h5::own(H5Screate_simple(static_cast<int>(count.size()), count.data(), nullptr), H5Sclose, file_, what());
  const std::size_t before = out.size();
  out.resize(before + samples * samples_.sample_bytes);
  h5::require(H5Dread(dataset_.get(), samples_.memory_type.get(), target.get(), source.get(), transfer_.get(),
                      out.data() + before),
              file_, what());
}

LinkedArray::LinkedArray(LinkedFile& file, const ReadOnlyFile& bytes, const std::string& dataset)
    : file_(file), bytes_(bytes), name_(dataset), dataset_(file.open(dataset)), sample_bytes_(size_of(dtype())) {
  for (const std::size_t extent : shape()) sample_bytes_ *= extent;
}

void LinkedArray::read_group(std::uint64_t first) {
  const std::uint64_t last = std::min(samples(), first + samples_together());
  group_.resize((last - first) * sample_bytes_);
  table_->read_rows(bytes_, first, last, group_);
  first_ = first;
}

void LinkedArray::read(std::uint64_t first, std::uint64_t samples, std::vector<std::byte>& out) {
  if (!table_) table_ = file_.table(dataset_);
  const std::size_t before = out.size();
  out.resize(before + samples * sample_bytes_);
  auto rest = std::span(out).subspan(before);
  const std::uint64_t last = first + samples - 1;
  try {
    if (samples_together() == 1) return table_->read_rows(bytes_, first, first + samples, rest);
    while (!rest.empty()) {
      const std::uint64_t group = first / samples_together() * samples_together();
      if (group_.empty() || group != first_) read_group(group);
      const auto piece = std::span(group_).subspan((first - group) * sample_bytes_);
      const auto taken = piece.first(std::min(piece.size(), rest.size()));
      std::copy(taken.begin(), taken.end(), rest.begin());
      rest = rest.subspan(taken.size());
      first += taken.size() / sample_bytes_;
    }
  } catch (const DataError& error) {
    throw DataError(fmt::format("{}: dataset '{}', samples {} to {}: {}", bytes_.path().string(), printable(name_),
                                first, last, error.what()));
  }
}

}  // namespace tutti::io
