// How the chunks of a data set are compressed.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <cstdint>
#include <string>

namespace tutti::io {

/// deflate is what every HDF5 reads. lz4 decompresses fastest, zstd compresses best; other programs need HDF5's
/// plug-ins for these two (filters 32004 and 32015), tutti does not.
enum class Codec : std::uint8_t { none, deflate, lz4, zstd };

struct Compression {
  Codec codec = Codec::none;
  int level = 0;         ///< deflate: 1 to 9, zstd: 1 to 19, others: 0; higher is smaller and slower to write
  bool shuffle = false;  ///< first bytes of all elements first, and so on: helps numbers of several bytes

  friend bool operator==(const Compression&, const Compression&) = default;
};

/// "none", "deflate-1", "shuffle+deflate-6", "lz4", "zstd-3"
std::string name(const Compression& compression);

/// From such a name; without a level, deflate has 6 and zstd 3. \throws InvalidArgument naming what is wrong.
Compression compression_from_name(const std::string& name);

/// What is wrong with the values, as a clause; empty if nothing is.
std::string describe_invalid(const Compression& compression);

}  // namespace tutti::io
