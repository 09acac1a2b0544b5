// Imports a folder of pictures, PNG and JPEG: a folder per class, as torchvision's ImageFolder reads it.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>

#include <tutti/io/import.hpp>
#include <tutti/io/importers/picture.hpp>

namespace tutti::io {

struct ImageFolder {
  std::filesystem::path folder = {};  ///< of folders, one per class, which hold nothing but pictures
  PictureOptions pictures = {};       ///< without a size: that of the first
  bool skip_damaged = false;          ///< leaves out what cannot be decoded; the notes name it
  std::size_t classes = 0;            ///< 0: the number of folders
};

/// Samples of the fields "image" (u8 {channels, height, width}) and "label" (i64, a scalar). Classes are numbered, and
/// pictures follow each other, by name (the order of its bytes); names that begin with a dot are passed over. Pictures
/// may be gzip-compressed. \throws DataError naming folder or file: not readable, not a folder of folders, no picture,
/// damaged, another size.
std::unique_ptr<SampleSource> open_images(const ImageFolder& images);

}  // namespace tutti::io
