#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <tutti/io/import.hpp>
#include <tutti/io/importers/cifar.hpp>
#include <tutti/io/importers/idx.hpp>
#include <tutti/io/importers/npy.hpp>

#include "tests/io/fuzz/memory_file.hpp"
#include "tests/io/fuzz/targets.hpp"

namespace tutti::io::fuzz {

namespace {

namespace fs = std::filesystem;

// Reads all samples; of a file that holds astonishingly many the first ones.
void drain(SampleSource& source) {
  constexpr std::uint64_t kMost = std::uint64_t{64} << 20;
  source.survey(one_rank());
  SampleBlock block(source.fields().size());
  std::uint64_t bytes = 0;
  do {
    block.clear();
    if (source.read(256, block) == 0) return;
    for (const auto& data : block.data) bytes += data.size();
    for (const auto& rows : block.sparse) bytes += rows.values.size();
  } while (bytes < kMost);
}

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

constexpr Target kTargets[] = {
    {"idx_images", idx_images, read_idx_images},
    {"idx_labels", idx_labels, read_idx_labels},
    {"cifar", cifar_files, read_cifar},
    {"npy", npy_files, read_npy},
    {"npz", npz_files, read_npz},
};

}  // namespace

std::span<const Target> importer_targets() { return kTargets; }

}  // namespace tutti::io::fuzz
