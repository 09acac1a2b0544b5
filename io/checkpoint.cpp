#include <tutti/io/checkpoint.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <limits>
#include <set>

#include <nlohmann/json.hpp>

#include <tutti/io/detail/hdf5.hpp>
#include <tutti/io/detail/hdf5_image.hpp>
#include <tutti/io/files.hpp>
#include <tutti/kernels/crc32c.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::io {

namespace {

namespace fs = std::filesystem;

constexpr const char* kFormat = "tutti-checkpoint";
constexpr std::uint64_t kVersion = 1;

// More than a tensor can have where the product cannot be counted.
std::size_t bytes_of(DType dtype, const std::vector<std::size_t>& shape) {
  std::size_t bytes = size_of(dtype);
  if (std::find(shape.begin(), shape.end(), std::size_t{0}) != shape.end()) return 0;
  for (const std::size_t extent : shape)
    if (__builtin_mul_overflow(bytes, extent, &bytes)) return std::numeric_limits<std::size_t>::max();
  return bytes;
}

// A path inside the file without empty parts, "." or "..", which HDF5 would read as something else.
bool is_valid_name(const std::string& name) {
  std::size_t begin = 0;
  while (true) {
    const std::size_t end = std::min(name.find('/', begin), name.size());
    const std::string part = name.substr(begin, end - begin);
    if (part.empty() || part == "." || part == ".." || part.find('\0') != std::string::npos) return false;
    if (end == name.size()) return true;
    begin = end + 1;
  }
}

void require_valid(const fs::path& file, const Checkpoint& checkpoint) {
  const auto invalid = [&](const std::string& what) {
    throw InvalidArgument(fmt::format("{}: {}", file.string(), what));
  };
  if (!nlohmann::json::parse(checkpoint.description, nullptr, false).is_object())
    invalid("the description of a checkpoint must be a JSON object");
  std::set<std::string> names;
  for (const NamedTensor& tensor : checkpoint.tensors) {
    if (!is_valid_name(tensor.name))
      invalid(fmt::format("tensor name '{}' is not a path of non-empty parts", tensor.name));
    if (!names.insert(tensor.name).second) invalid(fmt::format("tensor '{}' is there twice", tensor.name));
    if (tensor.shape.size() > H5S_MAX_RANK) invalid(fmt::format("tensor '{}' has too many dimensions", tensor.name));
    if (tensor.bytes.size() != bytes_of(tensor.dtype, tensor.shape))
      invalid(fmt::format("tensor '{}' has {} bytes, its shape needs {}", tensor.name, tensor.bytes.size(),
                          bytes_of(tensor.dtype, tensor.shape)));
  }
}

// Without times the same state gives the same file, byte for byte.
h5::Id properties_without_times(hid_t property_class, const fs::path& file) {
  h5::Id properties = h5::own(H5Pcreate(property_class), H5Pclose, file, "cannot be built");
  h5::require(H5Pset_obj_track_times(properties.get(), false), file, "cannot be built");
  return properties;
}

// Makes the groups on the way to `path` that are not there yet. HDF5 would make them too, but with times.
void create_groups(hid_t root, const std::string& path, const fs::path& file) {
  const std::string what = fmt::format("cannot write '{}'", path);
  const h5::Id properties = properties_without_times(H5P_GROUP_CREATE, file);
  for (std::size_t end = path.find('/'); end != std::string::npos; end = path.find('/', end + 1)) {
    const std::string group = path.substr(0, end);
    const htri_t exists = H5Lexists(root, group.c_str(), H5P_DEFAULT);
    h5::require(exists, file, what);
    if (exists == 0)
      h5::own(H5Gcreate2(root, group.c_str(), H5P_DEFAULT, properties.get(), H5P_DEFAULT), H5Gclose, file, what);
  }
}

// One dataset with its checksum. `path` is relative to `root`.
void write_dataset(hid_t root, const std::string& path, DType dtype, const std::vector<std::size_t>& shape,
                   std::span<const std::byte> bytes, const fs::path& file) {
  const std::string what = fmt::format("cannot write '{}'", path);
  create_groups(root, path, file);
  const std::vector<hsize_t> extent(shape.begin(), shape.end());
  const h5::Id space =
      h5::own(extent.empty() ? H5Screate(H5S_SCALAR)
                             : H5Screate_simple(static_cast<int>(extent.size()), extent.data(), nullptr),
              H5Sclose, file, what);
  const h5::Id properties = properties_without_times(H5P_DATASET_CREATE, file);
  const hid_t type = h5::file_type(dtype);
  const h5::Id dataset =
      h5::own(H5Dcreate2(root, path.c_str(), type, space.get(), H5P_DEFAULT, properties.get(), H5P_DEFAULT), H5Dclose,
              file, what);
  h5::write_attribute(dataset.get(), "dtype", std::string(name(dtype)), file);
  h5::write_attribute(dataset.get(), "crc32c", crc32c(bytes), file);
  if (!bytes.empty())
    h5::require(H5Dwrite(dataset.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes.data()), file, what);
}

void write_text(hid_t root, const std::string& path, const std::string& content, const fs::path& file) {
  write_dataset(root, path, DType::u8, {content.size()}, std::as_bytes(std::span(content)), file);
}

// Builds the file in memory, with HDF5's core driver and nothing behind it.
h5::Image build_image(const fs::path& file, const Checkpoint& checkpoint) {
  std::size_t total = checkpoint.description.size();
  nlohmann::json names = nlohmann::json::array();
  for (const NamedTensor& tensor : checkpoint.tensors) {
    total += tensor.bytes.size() + 1024;
    names.push_back(tensor.name);
  }
  const h5::Session session;
  h5::Image image;
  {
    const h5::Id access = h5::write_access(file);
    // The memory grows in steps of the expected size: once.
    h5::require(H5Pset_fapl_core(access.get(), total + (std::size_t{64} << 10), false), file, "cannot be built");
    image.attach(access.get(), file);
    const h5::Id creation = properties_without_times(H5P_FILE_CREATE, file);
    h5::Id root = h5::own(H5Fcreate(file.c_str(), H5F_ACC_TRUNC, creation.get(), access.get()), H5Fclose, file,
                          "cannot be built");
    h5::write_attribute(root.get(), "tutti_format", kFormat, file);
    h5::write_attribute(root.get(), "schema_version", kVersion, file);
    write_text(root.get(), "description", checkpoint.description, file);
    write_text(root.get(), "names", names.dump(), file);
    for (const NamedTensor& tensor : checkpoint.tensors)
      write_dataset(root.get(), "tensors/" + tensor.name, tensor.dtype, tensor.shape, tensor.bytes, file);
    if (!root.close()) h5::fail(file, "cannot be built");
  }
  return image;
}

NamedTensor read_dataset(hid_t root, const std::string& path, std::uintmax_t file_bytes, const fs::path& file) {
  const std::string what = fmt::format("'{}' cannot be read", path);
  const h5::Id dataset = h5::own(H5Dopen2(root, path.c_str(), H5P_DEFAULT), H5Dclose, file, what);
  NamedTensor tensor;
  try {
    tensor.dtype = dtype_from_name(h5::read_string(dataset.get(), "dtype", file));
  } catch (const InvalidArgument& error) {
    throw DataError(fmt::format("{}: '{}': {}", file.string(), path, error.what()));
  }
  const h5::Id type = h5::own(H5Dget_type(dataset.get()), H5Tclose, file, what);
  if (H5Tequal(type.get(), h5::file_type(tensor.dtype)) <= 0)
    throw DataError(fmt::format("{}: '{}' is not stored as {}", file.string(), path, name(tensor.dtype)));

  const h5::Id space = h5::own(H5Dget_space(dataset.get()), H5Sclose, file, what);
  const int rank = H5Sget_simple_extent_ndims(space.get());
  if (rank < 0) h5::fail(file, what);
  std::vector<hsize_t> extent(static_cast<std::size_t>(rank));
  h5::require(H5Sget_simple_extent_dims(space.get(), extent.data(), nullptr), file, what);
  tensor.shape.assign(extent.begin(), extent.end());
  const std::size_t bytes = bytes_of(tensor.dtype, tensor.shape);
  if (bytes > file_bytes) throw DataError(fmt::format("{}: '{}' is larger than the file", file.string(), path));
  tensor.bytes.resize(bytes);
  if (bytes > 0)
    h5::require(H5Dread(dataset.get(), h5::file_type(tensor.dtype), H5S_ALL, H5S_ALL, H5P_DEFAULT, tensor.bytes.data()),
                file, what);

  const std::uint64_t stored = h5::read_number(dataset.get(), "crc32c", file);
  const std::uint32_t found = crc32c(tensor.bytes);
  if (stored != found)
    throw DataError(
        fmt::format("{}: '{}' is damaged (checksum {:08x}, stored {:08x})", file.string(), path, found, stored));
  return tensor;
}

std::string read_text_dataset(hid_t root, const std::string& path, std::uintmax_t file_bytes, const fs::path& file) {
  const NamedTensor tensor = read_dataset(root, path, file_bytes, file);
  return {reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size()};
}

}  // namespace

const NamedTensor& Checkpoint::tensor(const std::string& name) const {
  for (const NamedTensor& tensor : tensors)
    if (tensor.name == name) return tensor;
  throw DataError(fmt::format("the checkpoint has no tensor '{}'", name));
}

void write_checkpoint(const fs::path& file, const Checkpoint& checkpoint) {
  require_valid(file, checkpoint);
  const h5::Image image = build_image(file, checkpoint);
  write_file(file, image.bytes(file));
}

Checkpoint read_checkpoint(const fs::path& file) {
  const h5::Session session;
  const h5::Id root = h5::open_read_only(file);
  h5::require_format(root.get(), kFormat, kVersion, file);
  const std::uintmax_t file_bytes = fs::file_size(file);
  Checkpoint checkpoint;
  checkpoint.description = read_text_dataset(root.get(), "description", file_bytes, file);
  const auto names = nlohmann::json::parse(read_text_dataset(root.get(), "names", file_bytes, file), nullptr, false);
  if (!names.is_array()) throw DataError(fmt::format("{}: the list of its tensors is not a JSON array", file.string()));
  for (const nlohmann::json& name : names) {
    if (!name.is_string())
      throw DataError(fmt::format("{}: the list of its tensors holds something else", file.string()));
    checkpoint.tensors.push_back(read_dataset(root.get(), "tensors/" + name.get<std::string>(), file_bytes, file));
    checkpoint.tensors.back().name = name.get<std::string>();
  }
  return checkpoint;
}

}  // namespace tutti::io
