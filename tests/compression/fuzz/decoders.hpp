// Decoders of encoded values, each as a function of bytes that may be anything.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace tutti::detail {

struct Decoder {
  std::string name;  ///< "sparse_list", or the text of a block codec
};

std::vector<Decoder> decoders();

/// \throws InvalidArgument naming the known ones
Decoder decoder_named(const std::string& name);

/// Right bytes, to begin with.
std::vector<std::vector<std::byte>> right_bytes(const Decoder& decoder);

/// Decodes them, or refuses to. The first two bytes are a number of values.
void decode_anything(const Decoder& decoder, std::span<const std::byte> bytes);

}  // namespace tutti::detail
