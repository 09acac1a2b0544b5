#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tutti/io/import.hpp>
#include <tutti/io/importers/cifar.hpp>
#include <tutti/io/importers/csv.hpp>
#include <tutti/io/importers/example.hpp>
#include <tutti/io/importers/idx.hpp>
#include <tutti/io/importers/libsvm.hpp>
#include <tutti/io/importers/npy.hpp>
#include <tutti/io/importers/picture.hpp>
#include <tutti/io/importers/text.hpp>
#include <tutti/io/importers/tfrecord.hpp>
#include <tutti/kernels/whole_file.hpp>

#include "tests/io/fuzz/memory_file.hpp"
#include "tests/io/fuzz/targets.hpp"
#include "tests/io/picture_support.hpp"

namespace tutti::io::fuzz {

void drain(SampleSource& source) {
  constexpr std::uint64_t kMost = std::uint64_t{64} << 20;
  source.survey(one_rank());
  SampleBlock block(source.fields().size());
  std::uint64_t bytes = 0;
  for (std::uint64_t samples = 1; samples > 0 && bytes < kMost;) {
    block.clear();
    samples = source.read(256, block);
    for (const auto& data : block.data) bytes += data.size();
    for (const auto& rows : block.sparse) bytes += rows.values.size();
  }
  static_cast<void>(source.notes(one_rank()));
}

namespace {

namespace fs = std::filesystem;

std::string idx_of(char type, std::uint8_t samples, const std::string& extents, const std::string& elements) {
  std::string file{0, 0, type, static_cast<char>(1 + extents.size()), 0, 0, 0, static_cast<char>(samples)};
  for (const char extent : extents) file += std::string{0, 0, 0, extent};
  return file + elements;
}

std::vector<std::string> idx_images() {
  return {idx_of(8, 3, {2, 2}, "abcdefghijkl"), idx_of(13, 3, {1, 1, 1}, "abcdefghijkl")};
}

std::vector<std::string> idx_labels() { return {idx_of(8, 3, {}, {0, 1, 2}), idx_of(12, 3, {}, std::string(12, 0))}; }

// The other file of each pair is right, so that reading does not end at it.
void read_idx_images(const fs::path& file) {
  const std::string labels = idx_labels()[0];
  const MemoryFile other(bytes_of(labels));
  drain(*open_idx({.images = file, .labels = other.path()}));
}

void read_idx_labels(const fs::path& file) {
  const std::string images = idx_images()[0];
  const MemoryFile other(bytes_of(images));
  drain(*open_idx({.images = other.path(), .labels = file}));
}

std::vector<std::string> cifar_files() {
  std::string ten;
  std::string hundred;
  for (const char label : {'\3', '\11', '\0'}) {
    ten += std::string{label} + std::string(3072, 'p');
    hundred += std::string{'\1', label} + std::string(3072, 'p');
  }
  return {ten, hundred};
}

void read_cifar(const fs::path& file) { drain(*open_cifar({.files = {file}})); }

std::string npy_of(const std::string& description, const std::string& shape, bool fortran,
                   const std::string& elements) {
  std::string header = "{'descr': '" + description + "', 'fortran_order': " + (fortran ? "True" : "False") +
                       ", 'shape': (" + shape + "), }";
  header.resize(117, ' ');
  return "\x93NUMPY\x01" + std::string{0, 118, 0} + header + "\n" + elements;
}

std::vector<std::string> npy_files() {
  return {npy_of("<f4", "3, 2", false, std::string(24, 'x')), npy_of(">i2", "3, 2, 1", true, std::string(12, 'x'))};
}

void read_npy(const fs::path& file) { drain(*open_npy({.arrays = {{"x", file.string()}}})); }

std::string little_endian(std::initializer_list<std::pair<std::uint64_t, int>> numbers) {
  std::string bytes;
  for (const auto& [number, size] : numbers)
    for (int i = 0; i < size; ++i) bytes += static_cast<char>(number >> (8 * i));
  return bytes;
}

// An archive of one stored file.
std::string zip_of(const std::string& name, const std::string& content) {
  const std::uint64_t crc =
      ::crc32(0, reinterpret_cast<const Bytef*>(content.data()), static_cast<uInt>(content.size()));
  const std::string common = little_endian(
      {{20, 2}, {0, 2}, {0, 2}, {0, 4}, {crc, 4}, {content.size(), 4}, {content.size(), 4}, {name.size(), 2}, {0, 2}});
  const std::string local = "PK\x03\x04" + common + name + content;
  const std::string entry =
      "PK\x01\x02" + little_endian({{20, 2}}) + common + little_endian({{0, 2}, {0, 2}, {0, 2}, {0, 4}, {0, 4}}) + name;
  return local + entry + "PK\x05\x06" +
         little_endian({{0, 4}, {1, 2}, {1, 2}, {entry.size(), 4}, {local.size(), 4}, {0, 2}});
}

std::vector<std::string> npz_files() { return {zip_of("x.npy", npy_files()[0]), zip_of("y.npy", npy_files()[1])}; }

void read_npz(const fs::path& file) { drain(*open_npy({.npz = file})); }

std::vector<std::string> csv_files() {
  return {"a,b,c\r\n1,\"2.5\",0\r\n-3e4,\"4\",\"1\"\n", "sep=;\na;b;c\n1;2;3\n\"4\";+5;6",
          "\xef\xbb\xbfx,\"y\n\"\"\",z\n0.1,-7,12\n"};
}

// In small blocks, as large files are.
void read_csv(const fs::path& file) {
  for (const std::size_t block : {5, 1 << 20}) {
    const auto source = open_csv({.files = {file}, .label = "3"});
    source->use_blocks_of(block);
    drain(*source);
  }
}

void read_csv_words(const fs::path& file) {
  drain(*open_csv({.files = {file}, .label = "3", .sort_label_names = true}));
}

std::vector<std::string> libsvm_files() {
  return {"1 1:2 7:-1.5e3\n0 2:1 # nothing\n\n#\n2\r\n", "0 qid:1 1:1\n1\tqid:2\t3:4 5:6 \n"};
}

void read_libsvm(const fs::path& file) {
  for (const bool dense : {false, true}) {
    const auto source = open_libsvm({.files = {file}, .dense = dense});
    source->use_blocks_of(5);
    drain(*source);
  }
}

std::vector<std::string> text_files() { return {"a line\nanother\r\n\nand the last", "0123456789"}; }

void read_text(const fs::path& file) {
  drain(*open_text({.files = {file}, .length = 6, .stride = 5}));
  drain(*open_text({.files = {file}, .length = 9, .lines = true, .cut = true}));
}

std::vector<std::string> pngs() {
  const std::string pixels = "abcdefghijklmnopqrstuvwx";
  return {test::png_of(4, 2, pixels), test::png_of(4, 2, pixels, {.interlaced = true}),
          test::png_of(4, 6, pixels, {.colour = PNG_COLOR_TYPE_GRAY})};
}

std::vector<std::string> jpegs() {
  const std::string pixels(192, 'x');
  const std::string exif("II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0", 26);
  return {test::jpeg_of(8, 8, pixels, {.exif = exif}), test::jpeg_of(8, 8, pixels, {.progressive = true}),
          test::jpeg_of(8, 6, pixels, {.colour = JCS_CMYK})};
}

void read_picture(const fs::path& file) {
  const std::string bytes = read_whole_file(file.string());
  Picture picture = decode_picture(std::as_bytes(std::span(bytes)), file.string());
  static_cast<void>(fit_picture(
      std::move(picture), {.height = 3, .width = 5, .fit = PictureFit::crop, .apply_orientation = true}, "picture"));
}

// {x: float [1, 2], y: int64 [7, 300]}
const std::string kExample(
    "\x0a\x21\x0a\x11\x0a\x01x\x12\x0c\x12\x0a\x0a\x08\0\0\x80\x3f\0\0\0\x40\x0a\x0c\x0a\x01y\x12\x07\x1a\x05\x0a\x03"
    "\x07"
    "\xac\x02",
    35);

std::vector<std::string> examples() { return {kExample, kExample + kExample}; }

void read_example(const fs::path& file) {
  const std::string bytes = read_whole_file(file.string());
  visit_features(std::as_bytes(std::span(bytes)), file.string(), [&](std::string_view, const Feature& feature) {
    if (feature.kind == Feature::Kind::bytes) static_cast<void>(texts_of(feature, file.string()));
    if (feature.kind == Feature::Kind::floats) static_cast<void>(floats_of(feature, file.string()));
    if (feature.kind == Feature::Kind::integers) static_cast<void>(integers_of(feature, file.string()));
  });
}

std::vector<std::string> tfrecords() {
  const std::string head("\x23\0\0\0\0\0\0\0\xb0\x9f\x77\x43", 12);
  const std::string record = head + kExample + "\xde\x4f\x67\xf3";
  return {record, record + record};
}

void read_tfrecord(const fs::path& file) {
  drain(*open_tfrecord(
      {.files = {file}, .features = {parse_example_feature("x:f32:2"), parse_example_feature("y:i64:2")}}));
}

constexpr Target kTargets[] = {
    {"idx_images", idx_images, read_idx_images},
    {"idx_labels", idx_labels, read_idx_labels},
    {"cifar", cifar_files, read_cifar},
    {"csv", csv_files, read_csv},
    {"csv_words", csv_files, read_csv_words},
    {"libsvm", libsvm_files, read_libsvm},
    {"npy", npy_files, read_npy},
    {"npz", npz_files, read_npz},
    {"text", text_files, read_text},
    {"png", pngs, read_picture},
    {"jpeg", jpegs, read_picture},
    {"example", examples, read_example},
    {"tfrecord", tfrecords, read_tfrecord},
};

}  // namespace

std::span<const Target> importer_targets() { return kTargets; }

}  // namespace tutti::io::fuzz
