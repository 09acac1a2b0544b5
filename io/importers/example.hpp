// tf.train.Example, read from protobuf's wire format without protobuf
// (https://protobuf.dev/programming-guides/encoding).
//
//   Example  := {1: Features}
//   Features := {1: map entry {1: key, 2: Feature}} repeated
//   Feature  := one of {1: BytesList, 2: FloatList, 3: Int64List}, lists of {1: value} repeated
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tutti::io {

/// One feature of an example; a view of the message. A message may be in several pieces, which are merged.
struct Feature {
  enum class Kind : unsigned char { none, bytes, floats, integers };
  Kind kind = Kind::none;
  std::vector<std::span<const std::byte>> lists;  ///< the messages of the list, to be read one after another
};

/// Calls `take` with each feature of `message`, in its order: of a key that comes again the last one counts.
/// \throws DataError that begins with `place` for bytes that are no such message.
void visit_features(std::span<const std::byte> message, const std::string& place,
                    const std::function<void(std::string_view key, Feature feature)>& take);

/// The values of a feature, in order; each packed or not. Memory is bounded by the bytes of the feature. \throws
/// likewise.
std::vector<std::span<const std::byte>> texts_of(const Feature& feature, const std::string& place);
std::vector<float> floats_of(const Feature& feature, const std::string& place);
std::vector<std::int64_t> integers_of(const Feature& feature, const std::string& place);

}  // namespace tutti::io
