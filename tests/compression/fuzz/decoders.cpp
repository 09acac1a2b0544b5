#include "tests/compression/fuzz/decoders.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>

#include <tutti/compression/block/block_codec.hpp>
#include <tutti/compression/codec_rows.hpp>
#include <tutti/compression/codecs.hpp>
#include <tutti/compression/sparse/list_sums.hpp>
#include <tutti/compression/sparse/sparse_list.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/names.hpp>

namespace tutti::detail {
namespace {

constexpr std::string_view kSparseList = "sparse_list";

/// Universes of lists are larger, so that they have several blocks.
constexpr std::size_t kUniverseFactor = 5;

std::vector<std::byte> beginning_with(std::size_t count) {
  const auto number = static_cast<std::uint16_t>(count);
  std::vector<std::byte> bytes(sizeof(number));
  std::memcpy(bytes.data(), &number, sizeof(number));
  return bytes;
}

std::vector<std::vector<std::byte>> right_lists() {
  std::vector<std::vector<std::byte>> all;
  const std::vector<std::uint32_t> indices = {0, 3, 4, 999, 65535, 65536, 70000, 99999};
  const std::vector<float> values = {1, -2, 3, -4, 5, -6, 7, 8};
  for (const ListFormat& format : {ListFormat{}, ListFormat{.values = DType::f16}, ListFormat{.rice = true},
                                   ListFormat{.values = DType::bf16, .rice = true}}) {
    for (const std::size_t elements : {std::size_t{0}, std::size_t{4}, indices.size()}) {
      const std::size_t count = elements == indices.size() ? 20000 : 200;
      std::vector<std::byte> list(most_list_bytes(elements, count * kUniverseFactor, format.values));
      list.resize(write_list(std::span(indices).first(elements), std::span(values).first(elements),
                             count * kUniverseFactor, format, list));
      all.push_back(beginning_with(count));
      all.back().insert(all.back().end(), list.begin(), list.end());
    }
  }
  return all;
}

void read_list(std::size_t universe, std::span<const std::byte> bytes) {
  static const auto kScratch = std::make_unique<ListScratch>();
  const std::vector<std::byte> list(bytes.begin(), bytes.end());  // in memory of its size
  const std::array<std::size_t, 1> sizes = {list.size()};
  std::vector<float> sums(std::min(universe, kListBlock));
  ListSums list_sums;
  try {
    list_sums.begin(list, sizes, universe);
    for (std::size_t first = 0; first < universe; first += kListBlock)
      list_sums.take_block(std::span(sums).first(std::min(kListBlock, universe - first)), *kScratch);
  } catch (const CommunicationError&) {  // it is refused
  }
}

}  // namespace

std::vector<Decoder> decoders() {
  std::vector<Decoder> all = {{std::string(kSparseList)}};
  for (const Codec* codec : block_codecs()) all.push_back({std::string(codec->name)});
  return all;
}

Decoder decoder_named(const std::string& name) {
  const std::vector<Decoder> all = decoders();
  return find_named(all, "decoder", name, [](const Decoder& row) -> std::string_view { return row.name; });
}

std::vector<std::vector<std::byte>> right_bytes(const Decoder& decoder) {
  if (decoder.name == kSparseList) return right_lists();
  const auto codec = make_block_codec(codec_settings(decoder.name));
  std::vector<std::vector<std::byte>> all;
  for (const std::size_t count : {0U, 1U, 7U, 1025U}) {
    std::vector<float> values(count);
    for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<float>(i % 13) - 6.0F;
    std::vector<std::byte> encoded(codec->encoded_bytes(count));
    codec->encode(values, {}, {}, encoded);
    all.push_back(beginning_with(count));
    all.back().insert(all.back().end(), encoded.begin(), encoded.end());
  }
  return all;
}

void decode_anything(const Decoder& decoder, std::span<const std::byte> bytes) {
  std::uint16_t count = 0;
  if (bytes.size() < sizeof(count)) return;
  std::memcpy(&count, bytes.data(), sizeof(count));
  const std::span<const std::byte> rest = bytes.subspan(sizeof(count));
  if (decoder.name == kSparseList) return read_list(count * kUniverseFactor, rest);
  // Blocks have as many bytes as their values say, whatever these are.
  const auto codec = make_block_codec(codec_settings(decoder.name));
  std::vector<std::byte> encoded(codec->encoded_bytes(count));
  std::copy_n(rest.begin(), std::min(rest.size(), encoded.size()), encoded.begin());
  std::vector<float> values(count);
  codec->decode(encoded, values);
  codec->decode_add(encoded, values);
}

}  // namespace tutti::detail
