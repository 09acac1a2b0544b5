#include <tutti/io/compression.hpp>

#include <fmt/core.h>

#include <array>
#include <charconv>
#include <string_view>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/names.hpp>

namespace tutti::io {

namespace {

struct CodecRow {
  const char* name;
  Codec codec;
  int default_level;
  int most;  // 0: there are no levels
};

constexpr std::array<CodecRow, 4> kCodecs{{
    {"none", Codec::none, 0, 0},
    {"deflate", Codec::deflate, 6, 9},
    {"lz4", Codec::lz4, 0, 0},
    {"zstd", Codec::zstd, 3, 19},
}};

constexpr std::string_view kShuffle = "shuffle+";

const CodecRow& row_of(Codec codec) { return kCodecs[static_cast<std::size_t>(codec)]; }

}  // namespace

std::string describe_invalid(const Compression& compression) {
  const CodecRow& row = row_of(compression.codec);
  if (compression.shuffle && compression.codec == Codec::none)
    return "'shuffle' without a codec changes the order of the bytes for nothing";
  if (row.most == 0 && compression.level != 0) return fmt::format("codec '{}' has no levels", row.name);
  if (row.most > 0 && (compression.level < 1 || compression.level > row.most))
    return fmt::format("level {} of codec '{}' is out of range: it must be 1 to {}", compression.level, row.name,
                       row.most);
  return {};
}

std::string name(const Compression& compression) {
  const CodecRow& row = row_of(compression.codec);
  std::string result = compression.shuffle ? std::string(kShuffle) : std::string();
  result += row.name;
  return row.most == 0 ? result : fmt::format("{}-{}", result, compression.level);
}

Compression compression_from_name(const std::string& name) {
  std::string_view rest = name;
  Compression result;
  if (rest.starts_with(kShuffle)) {
    result.shuffle = true;
    rest.remove_prefix(kShuffle.size());
  }
  const std::string_view codec = rest.substr(0, rest.find('-'));
  const CodecRow* found = nullptr;
  for (const CodecRow& row : kCodecs)
    if (codec == row.name) found = &row;
  if (found == nullptr)
    throw InvalidArgument(unknown_name("compression", name, names_of(kCodecs, &CodecRow::name)) +
                          ", as in deflate-1 or shuffle+zstd-3");
  result.codec = found->codec;
  result.level = found->default_level;
  if (codec.size() < rest.size()) {
    const std::string_view level = rest.substr(codec.size() + 1);
    const auto [end, error] = std::from_chars(level.data(), level.data() + level.size(), result.level);
    if (error != std::errc() || end != level.data() + level.size())
      throw InvalidArgument(fmt::format("compression '{}': '{}' is not a level", name, level));
    if (found->most == 0) throw InvalidArgument(fmt::format("compression '{}': '{}' has no levels", name, codec));
  }
  if (const std::string invalid = describe_invalid(result); !invalid.empty())
    throw InvalidArgument(fmt::format("compression '{}': {}", name, invalid));
  return result;
}

}  // namespace tutti::io
