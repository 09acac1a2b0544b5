#include <tutti/io/detail/codec.hpp>

#include <fmt/core.h>
#include <libdeflate.h>
#include <lz4.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <new>

#include <tutti/kernels/error.hpp>

namespace tutti::io {

namespace {

using DeflateDecompressor = std::unique_ptr<libdeflate_decompressor, decltype(&libdeflate_free_decompressor)>;
using ZstdDecompressor = std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)>;

// The filter "lz4" of HDF5: u64 size, u32 size of a block, then per block u32 size and an LZ4 block, or the bytes
// themselves where that would not be smaller. Numbers are big-endian.
constexpr std::size_t kLz4Head = 12;
constexpr std::size_t kLz4BlockHead = 4;
constexpr std::size_t kLz4Block = std::size_t{1} << 30;

template <class T>
void store_big(T value, std::byte* to) noexcept {
  for (std::size_t i = 0; i < sizeof(T); ++i) to[i] = static_cast<std::byte>(value >> (8 * (sizeof(T) - 1 - i)));
}

template <class T>
T load_big(const std::byte* from) noexcept {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) value = static_cast<T>(value << 8 | static_cast<T>(from[i]));
  return value;
}

const char* chars(std::span<const std::byte> bytes) noexcept { return reinterpret_cast<const char*>(bytes.data()); }
char* chars(std::span<std::byte> bytes) noexcept { return reinterpret_cast<char*>(bytes.data()); }

std::size_t lz4_bound(std::size_t size) noexcept {
  const std::size_t blocks = size / kLz4Block + 1;
  return kLz4Head + size + blocks * kLz4BlockHead;  // a block that grows is stored as it is
}

// Requires room for lz4_bound() bytes in `out`.
std::size_t encode_lz4(std::span<const std::byte> in, std::span<std::byte> out) noexcept {
  const std::size_t block = std::max<std::size_t>(1, std::min(in.size(), kLz4Block));
  store_big(std::uint64_t{in.size()}, out.data());
  store_big(static_cast<std::uint32_t>(block), out.data() + 8);
  std::size_t end = kLz4Head;
  for (std::size_t begin = 0; begin < in.size(); begin += block) {
    const auto piece = in.subspan(begin, std::min(block, in.size() - begin));
    const auto room = out.subspan(end + kLz4BlockHead, piece.size());
    int size = LZ4_compress_default(chars(piece), chars(room), static_cast<int>(piece.size()),
                                    static_cast<int>(piece.size()) - 1);
    if (size <= 0) {
      std::copy(piece.begin(), piece.end(), room.begin());
      size = static_cast<int>(piece.size());
    }
    store_big(static_cast<std::uint32_t>(size), out.data() + end);
    end += kLz4BlockHead + static_cast<std::size_t>(size);
  }
  return end;
}

bool decode_lz4(std::span<const std::byte> in, std::span<std::byte> out) noexcept {
  if (in.size() < kLz4Head || load_big<std::uint64_t>(in.data()) != out.size()) return false;
  const std::size_t block = load_big<std::uint32_t>(in.data() + 8);
  if (block == 0 || block > LZ4_MAX_INPUT_SIZE) return false;
  in = in.subspan(kLz4Head);
  while (!out.empty()) {
    const auto piece = out.first(std::min(block, out.size()));
    if (in.size() < kLz4BlockHead) return false;
    const std::size_t size = load_big<std::uint32_t>(in.data());
    in = in.subspan(kLz4BlockHead);
    if (size > in.size() || size > std::numeric_limits<int>::max()) return false;
    if (size == piece.size())
      std::copy_n(in.begin(), size, piece.begin());
    else if (LZ4_decompress_safe(chars(in), chars(piece), static_cast<int>(size), static_cast<int>(piece.size())) !=
             static_cast<int>(piece.size()))
      return false;
    in = in.subspan(size);
    out = out.subspan(piece.size());
  }
  return in.empty();
}

bool decode_deflate(std::span<const std::byte> in, std::span<std::byte> out) {
  // A decompressor is tables that are costly to allocate, not to reuse.
  thread_local const DeflateDecompressor decompressor(libdeflate_alloc_decompressor(), libdeflate_free_decompressor);
  if (decompressor == nullptr) throw std::bad_alloc();
  std::size_t used = 0;
  return libdeflate_zlib_decompress_ex(decompressor.get(), in.data(), in.size(), out.data(), out.size(), &used,
                                       nullptr) == LIBDEFLATE_SUCCESS &&
         used == in.size();
}

bool decode_zstd(std::span<const std::byte> in, std::span<std::byte> out) {
  thread_local const ZstdDecompressor decompressor(ZSTD_createDCtx(), ZSTD_freeDCtx);
  if (decompressor == nullptr) throw std::bad_alloc();
  return ZSTD_decompressDCtx(decompressor.get(), out.data(), out.size(), in.data(), in.size()) == out.size();
}

bool decode_by(Codec codec, std::span<const std::byte> in, std::span<std::byte> out) {
  switch (codec) {
    case Codec::deflate:
      return decode_deflate(in, out);
    case Codec::lz4:
      return decode_lz4(in, out);
    case Codec::zstd:
      return decode_zstd(in, out);
    case Codec::none:
      break;
  }
  return false;
}

template <std::size_t Bytes>
void shuffle_elements(const std::byte* in, std::byte* out, std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t b = 0; b < Bytes; ++b) out[b * count + i] = in[i * Bytes + b];
}

template <std::size_t Bytes>
void unshuffle_elements(const std::byte* in, std::byte* out, std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t b = 0; b < Bytes; ++b) out[i * Bytes + b] = in[b * count + i];
}

}  // namespace

int filter_of(Codec codec) noexcept {
  switch (codec) {
    case Codec::deflate:
      return 1;
    case Codec::lz4:
      return 32004;
    case Codec::zstd:
      return 32015;
    case Codec::none:
      break;
  }
  return -1;
}

std::uint64_t most_decoded(const Compression& compression, std::uint64_t stored) noexcept {
  switch (compression.codec) {
    case Codec::none:
      return stored;
    case Codec::deflate:
      return stored * 1032;  // 258 bytes by two codes of one bit each
    case Codec::lz4:
      return stored * 255;  // 255 bytes by a byte of a length
    case Codec::zstd:
      return stored * (std::uint64_t{1} << 15);  // 128 KiB by a block of four bytes
  }
  return stored;
}

void shuffle_bytes(std::size_t element_bytes, std::span<const std::byte> elements, std::span<std::byte> out) noexcept {
  const std::size_t count = elements.size() / element_bytes;
  switch (element_bytes) {
    case 2:
      shuffle_elements<2>(elements.data(), out.data(), count);
      break;
    case 4:
      shuffle_elements<4>(elements.data(), out.data(), count);
      break;
    case 8:
      shuffle_elements<8>(elements.data(), out.data(), count);
      break;
    default:
      std::copy(elements.begin(), elements.end(), out.begin());
      return;
  }
  const std::size_t whole = count * element_bytes;
  std::copy(elements.begin() + static_cast<std::ptrdiff_t>(whole), elements.end(),
            out.begin() + static_cast<std::ptrdiff_t>(whole));
}

void unshuffle_bytes(std::size_t element_bytes, std::span<const std::byte> shuffled,
                     std::span<std::byte> out) noexcept {
  const std::size_t count = shuffled.size() / element_bytes;
  switch (element_bytes) {
    case 2:
      unshuffle_elements<2>(shuffled.data(), out.data(), count);
      break;
    case 4:
      unshuffle_elements<4>(shuffled.data(), out.data(), count);
      break;
    case 8:
      unshuffle_elements<8>(shuffled.data(), out.data(), count);
      break;
    default:
      std::copy(shuffled.begin(), shuffled.end(), out.begin());
      return;
  }
  const std::size_t whole = count * element_bytes;
  std::copy(shuffled.begin() + static_cast<std::ptrdiff_t>(whole), shuffled.end(),
            out.begin() + static_cast<std::ptrdiff_t>(whole));
}

struct Encoder::State {
  Compression compression;
  std::size_t element_bytes;
  std::unique_ptr<libdeflate_compressor, decltype(&libdeflate_free_compressor)> deflate{nullptr,
                                                                                        libdeflate_free_compressor};
  std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> zstd{nullptr, ZSTD_freeCCtx};
  std::vector<std::byte> shuffled;
  std::vector<std::byte> encoded;

  // The size of the encoding of `in` in `encoded`; 0 where it would not be smaller.
  std::size_t encode(std::span<const std::byte> in) {
    const std::size_t room = in.empty() ? 0 : in.size() - 1;
    switch (compression.codec) {
      case Codec::deflate:
        encoded.resize(room);
        return libdeflate_zlib_compress(deflate.get(), in.data(), in.size(), encoded.data(), room);
      case Codec::lz4: {
        encoded.resize(lz4_bound(in.size()));
        const std::size_t size = encode_lz4(in, encoded);
        return size > room ? 0 : size;
      }
      case Codec::zstd: {
        encoded.resize(ZSTD_compressBound(in.size()));
        const std::size_t size =
            ZSTD_compressCCtx(zstd.get(), encoded.data(), encoded.size(), in.data(), in.size(), compression.level);
        if (ZSTD_isError(size) != 0)
          throw DataError(fmt::format("cannot be compressed by zstd: {}", ZSTD_getErrorName(size)));
        return size > room ? 0 : size;
      }
      case Codec::none:
        break;
    }
    return 0;
  }
};

Encoder::Encoder(const Compression& compression, std::size_t element_bytes)
    : state_(new State{.compression = compression, .element_bytes = element_bytes, .shuffled = {}, .encoded = {}}) {
  if (compression.codec == Codec::deflate) {
    state_->deflate.reset(libdeflate_alloc_compressor(compression.level));
    if (state_->deflate == nullptr) throw std::bad_alloc();
  }
  if (compression.codec == Codec::zstd) {
    state_->zstd.reset(ZSTD_createCCtx());
    if (state_->zstd == nullptr) throw std::bad_alloc();
  }
}

Encoder::~Encoder() = default;
Encoder::Encoder(Encoder&&) noexcept = default;
Encoder& Encoder::operator=(Encoder&&) noexcept = default;

Encoder::Encoded Encoder::encode(std::span<const std::byte> chunk) {
  State& state = *state_;
  if (state.compression.codec == Codec::none) return {.bytes = chunk, .mask = 0};
  std::span<const std::byte> in = chunk;
  if (state.compression.shuffle && state.element_bytes > 1) {
    state.shuffled.resize(chunk.size());
    shuffle_bytes(state.element_bytes, chunk, state.shuffled);
    in = state.shuffled;
  }
  const std::size_t size = state.encode(in);
  if (size == 0) return {.bytes = chunk, .mask = (FilterMask{1} << filters_of(state.compression)) - 1};
  return {.bytes = std::span(state.encoded).first(size), .mask = 0};
}

void decode(const Compression& compression, std::size_t element_bytes, FilterMask mask,
            std::span<const std::byte> stored, std::vector<std::byte>& buffer, std::span<std::byte> out) {
  const bool encoded = !is_plain({.codec = compression.codec}, 1, compression.shuffle ? mask >> 1 : mask);
  const bool shuffled = compression.shuffle && (mask & 1) == 0 && element_bytes > 1;
  if (encoded) {
    if (shuffled) buffer.resize(out.size());
    const auto decoded = shuffled ? std::span(buffer) : out;
    if (!decode_by(compression.codec, stored, decoded))
      throw DataError(fmt::format("its {} bytes cannot be decompressed by {} to {} bytes", stored.size(),
                                  name(compression), out.size()));
    stored = decoded;
  }
  if (stored.size() != out.size())
    throw DataError(fmt::format("has {} bytes instead of {}", stored.size(), out.size()));
  if (shuffled) unshuffle_bytes(element_bytes, stored, out);
}

}  // namespace tutti::io
