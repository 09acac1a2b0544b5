#include <tutti/io/detail/shard_links.hpp>

#include <fmt/format.h>

#include <cstdint>
#include <sstream>
#include <system_error>
#include <utility>
#include <vector>

#include <tutti/io/detail/hdf5.hpp>
#include <tutti/io/detail/shard_header.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::io {

namespace {

namespace fs = std::filesystem;

constexpr const char* kGroup = "links";
constexpr const char* kAbsolute = "absolute";
constexpr const char* kBytes = "bytes";

std::string what_of(const std::string& field) { return fmt::format("the link of field '{}'", field); }

std::vector<std::size_t> parse_shape(const std::string& text, const std::string& field, const fs::path& file) {
  std::vector<std::size_t> shape;
  std::istringstream numbers(text);
  for (std::size_t extent = 0; numbers >> extent;) shape.push_back(extent);
  if (!numbers.eof()) throw DataError(fmt::format("{}: field '{}' has no shape", file.string(), field));
  return shape;
}

// The file and the dataset that a link leads to.
std::pair<std::string, std::string> target_of(hid_t fields, const std::string& name, const fs::path& file) {
  const std::string failure = what_of(name) + " cannot be read";
  H5L_info_t info;
  h5::require(H5Lget_info(fields, name.c_str(), &info, H5P_DEFAULT), file, failure);
  std::vector<char> value(info.u.val_size);
  h5::require(H5Lget_val(fields, name.c_str(), value.data(), value.size(), H5P_DEFAULT), file, failure);
  unsigned flags = 0;
  const char* target = nullptr;
  const char* dataset = nullptr;
  h5::require(H5Lunpack_elink_val(value.data(), value.size(), &flags, &target, &dataset), file, failure);
  return {target, dataset};
}

bool is_missing(const fs::path& file) {
  std::error_code ignored;
  return fs::status(file, ignored).type() == fs::file_type::not_found;
}

std::size_t first_linked(const ShardLinks& links) {
  std::size_t field = 0;
  while (!links.linked(field)) ++field;
  return field;
}

}  // namespace

ShardLinks link_to(const fs::path& file, const fs::path& folder) {
  std::error_code error;
  ShardLinks links{.file = {}, .absolute = fs::canonical(file, error).string(), .bytes = 0, .datasets = {}};
  if (error) throw DataError(fmt::format("{}: cannot be opened: {}", file.string(), error.message()));
  links.bytes = fs::file_size(links.absolute, error);
  if (!error) links.file = fs::path(links.absolute).lexically_relative(fs::canonical(folder, error)).string();
  if (error) throw DataError(fmt::format("{}: cannot be linked to: {}", file.string(), error.message()));
  return links;
}

void write_link(hid_t root, hid_t fields, const ShardHeader& header, std::size_t field, const fs::path& file) {
  const ShardLinks& links = header.links;
  const Field& description = header.fields[field];
  const std::string failure = what_of(description.name) + " cannot be written";
  h5::require(H5Lcreate_external(links.file.c_str(), links.datasets[field].c_str(), fields, description.name.c_str(),
                                 H5P_DEFAULT, H5P_DEFAULT),
              file, failure);
  h5::Id group;
  if (H5Lexists(root, kGroup, H5P_DEFAULT) > 0) {
    group = h5::own(H5Gopen2(root, kGroup, H5P_DEFAULT), H5Gclose, file, failure);
  } else {
    group = h5::create_group(root, kGroup, file);
    h5::write_attribute(group.get(), kAbsolute, links.absolute, file);
    h5::write_attribute(group.get(), kBytes, links.bytes, file);
  }
  const h5::Id own_group = h5::create_group(group.get(), description.name.c_str(), file);
  h5::write_attribute(own_group.get(), "dtype", std::string(name(description.dtype)), file);
  h5::write_attribute(own_group.get(), "shape", fmt::format("{}", fmt::join(description.shape, " ")), file);
}

bool is_link(hid_t fields, const std::string& name, const fs::path& file) {
  H5L_info_t info;
  h5::require(H5Lget_info(fields, name.c_str(), &info, H5P_DEFAULT), file,
              fmt::format("field '{}' cannot be opened", name));
  return info.type == H5L_TYPE_EXTERNAL;
}

void read_link(hid_t root, hid_t fields, const std::string& name, ShardHeader& header, const fs::path& file) {
  const std::string failure = what_of(name) + " cannot be read";
  auto [target, dataset] = target_of(fields, name, file);
  const h5::Id group = h5::own(H5Gopen2(root, kGroup, H5P_DEFAULT), H5Gclose, file, failure);
  ShardLinks& links = header.links;
  if (links.datasets.empty()) {
    links.file = target;
    links.absolute = h5::read_string(group.get(), kAbsolute, file);
    links.bytes = h5::read_number(group.get(), kBytes, file);
  }
  if (target.empty() || dataset.empty() || target != links.file)
    throw DataError(fmt::format("{}: field '{}' is linked to '{}' in '{}', other fields to '{}'", file.string(), name,
                                printable(dataset), printable(target), printable(links.file)));
  const h5::Id own_group = h5::own(H5Gopen2(group.get(), name.c_str(), H5P_DEFAULT), H5Gclose, file, failure);
  header.fields.push_back({.name = name,
                           .dtype = read_dtype(own_group.get(), name, file),
                           .shape = parse_shape(h5::read_string(own_group.get(), "shape", file), name, file)});
  links.datasets.resize(header.fields.size());
  links.datasets.back() = std::move(dataset);
}

fs::path linked_path(const ShardLinks& links, const fs::path& shard) {
  // The shard may have been moved together with the file, or without it.
  fs::path beside = shard.parent_path() / links.file;
  return is_missing(beside) && !is_missing(links.absolute) ? fs::path(links.absolute) : beside;
}

std::unique_ptr<const ReadOnlyFile> open_linked_file(const ShardLinks& links, const fs::path& shard) {
  const fs::path path = linked_path(links, shard);
  const std::size_t field = first_linked(links);
  const auto fail = [&](const std::string& what) {
    throw DataError(
        fmt::format("{}: is linked to dataset '{}' of {}", shard.string(), printable(links.datasets[field]), what));
  };
  if (is_missing(path)) fail(fmt::format("{}, which is missing, as is {}", path.string(), links.absolute));
  std::unique_ptr<const ReadOnlyFile> file;
  try {
    file = std::make_unique<const ReadOnlyFile>(path);
  } catch (const DataError& error) {
    fail(error.what());
  }
  if (file->size() != links.bytes)
    fail(fmt::format("{}: has changed: it has {} bytes, and had {} when it was imported", path.string(), file->size(),
                     links.bytes));
  return file;
}

std::string link_place(const ShardLinks& links, std::size_t field, const fs::path& file) {
  return fmt::format("{}, dataset '{}'", file.string(), printable(links.datasets[field]));
}

}  // namespace tutti::io
