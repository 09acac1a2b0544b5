// Readers of what is more than a file of bytes: here the bytes say what an HDF5 file or a folder of pictures is made
// of.
//
// libhdf5 (1.10.8) believes what an HDF5 file's metadata say before any importer sees them: of 700 forged bytes it
// takes 4 GiB of memory when it opens them. So HDF5 makes the file, as the bytes choose among what it can make, and the
// importer reads what no program of good will has written.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <numeric>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <tutti/io/detail/hdf5.hpp>
#include <tutti/io/importers/hdf5.hpp>
#include <tutti/io/importers/images.hpp>
#include <tutti/kernels/whole_file.hpp>

#include "tests/io/fuzz/targets.hpp"
#include "tests/io/picture_support.hpp"

namespace tutti::io::fuzz {

namespace {

namespace fs = std::filesystem;

// The bytes as choices, one after another; zeros behind their end.
class Choices {
 public:
  explicit Choices(std::string_view bytes) : bytes_(bytes) {}

  bool ended() const noexcept { return bytes_.empty(); }
  unsigned byte() {
    const unsigned value = bytes_.empty() ? 0 : static_cast<unsigned char>(bytes_.front());
    bytes_.remove_prefix(bytes_.empty() ? 0 : 1);
    return value;
  }
  unsigned below(unsigned limit) { return byte() % limit; }
  std::string_view text(std::size_t size) {
    const std::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(taken.size());
    return taken;
  }

 private:
  std::string_view bytes_;
};

// A folder, which is deleted with all that is in it.
class Folder {
 public:
  Folder() : path_((base() / "tutti-fuzz-XXXXXX").string()) {
    if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error("no temporary folder");
  }
  ~Folder() {
    std::error_code error;
    fs::remove_all(path_, error);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  const std::string& path() const noexcept { return path_; }

 private:
  static fs::path base() { return fs::is_directory("/dev/shm") ? "/dev/shm" : fs::temp_directory_path(); }

  std::string path_;
};

h5::Id made_integer(Choices& choices) {
  h5::Id type(H5Tcopy(choices.below(2) == 0 ? H5T_STD_I32LE : H5T_STD_U32BE), H5Tclose);
  const unsigned size = 1 + choices.below(9);
  H5Tset_size(type.get(), size);
  if (const unsigned bits = choices.below(2 * 8 * size); bits > 0 && bits < 8 * size) {
    H5Tset_precision(type.get(), bits);
    H5Tset_offset(type.get(), choices.below(8 * size - bits + 1));
  }
  return type;
}

// Of any size, bias and place of its parts.
h5::Id made_float(Choices& choices) {
  constexpr std::array<hid_t (*)(), 4> kTypes{[] { return H5T_IEEE_F32LE; }, [] { return H5T_IEEE_F64BE; },
                                              [] { return H5T_VAX_F32; }, [] { return H5T_NATIVE_LDOUBLE; }};
  h5::Id type(H5Tcopy(kTypes.at(choices.below(kTypes.size()))()), H5Tclose);
  const unsigned change = choices.below(4);
  if (change == 1) H5Tset_ebias(type.get(), choices.byte() * 4);
  if (change < 2) return type;
  const unsigned size = change == 2 ? 2 : 1 + choices.below(9);
  const unsigned exponent = choices.below(16);
  const unsigned mantissa = choices.below(64);
  H5Tset_fields(type.get(), choices.below(8 * size), choices.below(8 * size), exponent, choices.below(8 * size),
                mantissa);
  H5Tset_size(type.get(), size);
  H5Tset_ebias(type.get(), choices.byte());
  return type;
}

h5::Id made_enum(Choices& choices) {
  h5::Id type(H5Tenum_create(choices.below(4) == 0 ? H5T_STD_I16LE : H5T_STD_I8LE), H5Tclose);
  for (const char* name : {"FALSE", "TRUE", "OTHER"}) {
    const auto value = static_cast<short>(choices.below(4));
    if (choices.below(4) != 0) H5Tenum_insert(type.get(), name, &value);
  }
  return type;
}

h5::Id made_type(Choices& choices) {
  const std::array<hsize_t, 1> extent{2};
  switch (choices.below(8)) {
    case 0:
    case 1:
      return made_integer(choices);
    case 2:
    case 3:
      return made_float(choices);
    case 4:
      return made_enum(choices);
    case 5:
      return {H5Tcopy(choices.below(2) == 0 ? H5T_C_S1 : H5T_STD_B8LE), H5Tclose};
    case 6:
      return {H5Tarray_create2(H5T_STD_I32LE, 1, extent.data()), H5Tclose};
    default:
      return {H5Tvlen_create(H5T_STD_I32LE), H5Tclose};
  }
}

std::vector<hsize_t> made_extents(Choices& choices) {
  std::vector<hsize_t> extents(choices.below(4) == 3 ? choices.below(33) : 1 + choices.below(3));
  for (hsize_t& extent : extents) {
    extent = choices.below(9);
    if (extent == 8) extent = hsize_t{1} << choices.below(63);
  }
  return extents;
}

// Whether HDF5 may make room for them, and write them.
bool is_small(const std::vector<hsize_t>& extents) {
  constexpr hsize_t kMost = 4096;
  hsize_t elements = 1;
  for (const hsize_t extent : extents) elements = extent > kMost ? kMost + 1 : std::min(elements * extent, kMost + 1);
  return elements <= kMost;
}

// A part of a dataset's extents, which may lie outside of them.
h5::Id made_selection(const std::vector<hsize_t>& extents, Choices& choices) {
  h5::Id space(H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr), H5Sclose);
  if (extents.empty() || choices.below(2) == 0) return space;
  std::vector<hsize_t> start;
  std::vector<hsize_t> count;
  for (std::size_t d = 0; d < extents.size(); ++d) {
    start.push_back(choices.below(4));
    count.push_back(choices.below(8) == 7 ? H5S_UNLIMITED : 1 + choices.below(4));
  }
  H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr);
  return space;
}

// Not nbit and scaleoffset: HDF5 itself writes behind the end of what it made with them.
void choose_filters(hid_t properties, Choices& choices) {
  const unsigned chosen = choices.byte();
  if ((chosen & 1U) != 0) H5Pset_shuffle(properties);
  if ((chosen & 2U) != 0) H5Pset_deflate(properties, 1);
  if ((chosen & 4U) != 0) H5Pset_fletcher32(properties);
}

void choose_layout(hid_t properties, const std::vector<hsize_t>& extents, Choices& choices) {
  switch (choices.below(6)) {
    case 0:
      H5Pset_layout(properties, H5D_COMPACT);
      break;
    case 1:
      H5Pset_external(properties, "nothing", 0, choices.byte());
      break;
    case 2:
      for (unsigned sources = choices.below(4); sources > 0; --sources) {
        const h5::Id to = made_selection(extents, choices);
        const h5::Id from = made_selection(choices.below(4) == 0 ? made_extents(choices) : extents, choices);
        H5Pset_virtual(properties, to.get(), choices.below(4) == 0 ? "nothing" : ".",
                       choices.below(2) == 0 ? "x" : "label", from.get());
      }
      break;
    case 3:
    case 4: {
      std::vector<hsize_t> chunk = extents;
      for (hsize_t& extent : chunk)
        extent = choices.below(4) == 0 ? std::max<hsize_t>(extent, 1) : 1 + choices.below(8);
      H5Pset_chunk(properties, static_cast<int>(chunk.size()), chunk.data());
      choose_filters(properties, choices);
      break;
    }
    default:
      break;
  }
  if (choices.below(4) == 3 && is_small(extents) && H5Pget_external_count(properties) == 0)
    H5Pset_alloc_time(properties, H5D_ALLOC_TIME_EARLY);
}

// Some of its elements or all of them.
void write_some(hid_t dataset, const std::vector<hsize_t>& extents, Choices& choices) {
  if (choices.below(4) < 2) return;
  const unsigned first = choices.byte();
  const h5::Id part = made_selection(extents, choices);
  const h5::Id type(H5Dget_type(dataset), H5Tclose);
  const h5::Id properties(H5Dget_create_plist(dataset), H5Pclose);
  if (!is_small(extents) || H5Tget_class(type.get()) == H5T_VLEN) return;
  // HDF5 would follow a virtual one that is its own source for ever, and make the other file of an external one.
  if (H5Pget_layout(properties.get()) == H5D_VIRTUAL || H5Pget_external_count(properties.get()) > 0) return;
  const auto elements = std::accumulate(extents.begin(), extents.end(), std::size_t{1}, std::multiplies<>());
  std::vector<unsigned char> data(elements * H5Tget_size(type.get()));
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<unsigned char>(first * i);
  H5Dwrite(dataset, type.get(), part.get(), part.get(), H5P_DEFAULT, data.data());
}

void make_dataset(hid_t file, const char* name, Choices& choices) {
  const h5::Id type = made_type(choices);
  const std::vector<hsize_t> extents = made_extents(choices);
  const h5::Id space(H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr), H5Sclose);
  const h5::Id properties(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  choose_layout(properties.get(), extents, choices);
  const h5::Id dataset(H5Dcreate2(file, name, type.get(), space.get(), H5P_DEFAULT, properties.get(), H5P_DEFAULT),
                       H5Dclose);
  if (dataset.valid()) write_some(dataset.get(), extents, choices);
}

// "x" that is right: integers in filtered chunks, floats, booleans in space that was reserved early, and a virtual one;
// and a right "label". Per dataset: type; extents; layout; when space is reserved; what is written.
std::vector<std::string> hdf5_files() {
  const std::string label{0, 0, 0, 0, 0, 0, 2, 5, 0, 2, 1, 0};
  return {std::string{0, 0, 3, 0, 0, 1, 2, 3, 3, 0, 0, 3, 0, 2, 7, 0} + label,
          std::string{2, 0, 0, 0, 1, 2, 3, 0, 0, 2, 0, 0} + label,
          std::string{4, 1, 0, 1, 1, 1, 0, 0, 0, 0, 2, 5, 3, 2, 0, 0} + label,
          std::string{0, 0, 0, 0, 0, 0, 2, 2, 1, 0, 1, 0, 1, 1, 0, 0} + label};
}

void read_hdf5(const fs::path& file) {
  const std::string bytes = read_whole_file(file.string());
  const Folder folder;  // HDF5 wants a file that has a real path
  const fs::path made = fs::path(folder.path()) / "a.h5";
  Choices choices(bytes);
  {
    const h5::Session session;
    const h5::Id root(H5Fcreate(made.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), H5Fclose);
    for (const char* name : {"x", "label"}) make_dataset(root.get(), name, choices);
  }
  drain(*open_hdf5({.files = {made}, .arrays = {{"x", "x"}, {"label", "label"}}}));
}

enum class Entry : unsigned char { folder, picture, link, pipe };
constexpr unsigned kEntries = 4;

// An entry of a folder: its kind, the sizes of its path and its content, path, content.
std::string entry_of(Entry kind, const std::string& path, const std::string& content) {
  return std::string{static_cast<char>(kind), static_cast<char>(path.size()), static_cast<char>(content.size() / 256),
                     static_cast<char>(content.size() % 256)} +
         path + content;
}

std::vector<std::string> image_folders() {
  const std::string pixels = "abcdefghijklmnopqrstuvwx";
  const std::string folder =
      entry_of(Entry::folder, "cat", "") + entry_of(Entry::picture, "cat/1", test::png_of(4, 2, pixels)) +
      entry_of(Entry::folder, "dog", "") + entry_of(Entry::picture, "dog/1", test::png_of(4, 2, pixels));
  return {folder, folder + entry_of(Entry::link, "dog/2", "1"),
          folder + entry_of(Entry::picture, "cat/2", test::jpeg_of(4, 2, pixels))};
}

void make_entry(const std::string& folder, Choices& choices) {
  const auto kind = static_cast<Entry>(choices.below(kEntries));
  const std::size_t path_size = choices.byte();
  std::size_t size = choices.byte() * std::size_t{256};
  size += choices.byte();
  const std::string name(choices.text(path_size));
  const std::string content(choices.text(size));
  if (name.find('\0') != std::string::npos || ("/" + name + "/").find("/../") != std::string::npos) return;
  const std::string path = folder + "/" + name;
  if (kind == Entry::folder) {
    ::mkdir(path.c_str(), 0700);
  } else if (kind == Entry::link) {
    if (content != ".." && content.find_first_of(std::string_view("/\0", 2)) == std::string::npos)
      static_cast<void>(::symlink(content.c_str(), path.c_str()));
  } else if (kind == Entry::pipe) {
    ::mkfifo(path.c_str(), 0600);
  } else if (const int made = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600); made >= 0) {
    static_cast<void>(::write(made, content.data(), content.size()));
    ::close(made);
  }
}

void read_images(const fs::path& file) {
  const std::string bytes = read_whole_file(file.string());
  const Folder folder;
  Choices choices(bytes);
  while (!choices.ended()) make_entry(folder.path(), choices);
  drain(*open_images({.folder = folder.path(),
                      .pictures = {.height = 3, .width = 5, .fit = PictureFit::crop, .apply_orientation = true},
                      .skip_damaged = true}));
  drain(*open_images({.folder = folder.path()}));
}

constexpr Target kMadeTargets[] = {
    {"hdf5", hdf5_files, read_hdf5},
    {"images", image_folders, read_images},
};

}  // namespace

std::span<const Target> made_targets() { return kMadeTargets; }

}  // namespace tutti::io::fuzz
