// Imports TFRecord files of tf.train.Example messages, as TensorFlow's pipelines write them; plain or gzip-compressed.
//
// A record is u64 length, u32 checksum of the length, the data, u32 checksum of the data, little-endian. A checksum is
// CRC-32C, turned right by 15 bits and added to 0xa282ead8 (tensorflow/core/lib/io/record_writer.h).
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <tutti/io/import.hpp>
#include <tutti/io/importers/picture.hpp>

namespace tutti::io {

/// How a feature of the examples becomes a field.
struct ExampleFeature {
  enum class Kind : unsigned char { values, raw_bytes, picture };

  Field field;      ///< of a picture, its shape is found
  std::string key;  ///< in the examples
  Kind kind =
      Kind::values;  ///< a list of numbers; numbers as the bytes of this machine in a text; a PNG or JPEG in a text
};

/// "image=image/encoded:picture", "x=name:f32:3x32x32", "y=name:i64", "x=name:f32:1024:from-bytes"; without "FIELD="
/// the key names the field. \throws InvalidArgument naming the text and what is wrong.
ExampleFeature parse_example_feature(std::string_view text);

struct TfRecordFiles {
  std::vector<std::filesystem::path> files = {};  ///< in the order of their samples
  std::vector<ExampleFeature> features = {};
  PictureOptions pictures = {};  ///< without a size: that of the first
  std::size_t classes = 0;       ///< 0: largest label + 1
};

/// Samples of a field per feature. A field "label" of one integer holds class labels. Lists of floats are kept as f32,
/// of integers as i64. \throws DataError naming the file and the record: cut short, checksums, no Example, a feature
/// that is missing or has another kind or number of values, a picture that does not decode.
std::unique_ptr<SampleSource> open_tfrecord(const TfRecordFiles& files);

}  // namespace tutti::io
