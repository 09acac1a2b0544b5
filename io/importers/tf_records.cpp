#include <tutti/io/importers/tf_records.hpp>

#include <fmt/core.h>

#include <array>
#include <cstring>
#include <span>

#include <tutti/kernels/crc32c.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::io {

namespace {

constexpr std::uint64_t kLongestRecord = std::uint64_t{1} << 30;
constexpr std::size_t kHead = 12;  // length and its checksum
constexpr std::size_t kTail = 4;

std::uint32_t masked_crc32c(std::span<const std::byte> data) {
  const std::uint32_t crc = crc32c(data);
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8U;
}

template <class T>
T little_endian(std::span<const std::byte> bytes) {
  T value{};
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

}  // namespace

std::string TfRecordReader::place() const {
  return fmt::format("{}: record {}", ByteSource::name_of(source_.file()), current_);
}

void TfRecordReader::fail(const std::string& what) const { throw DataError(fmt::format("{}: {}", place(), what)); }

std::optional<std::uint64_t> TfRecordReader::read_length() {
  current_ = records_;
  std::array<std::byte, kHead> head{};
  const std::size_t got = source_.read(head);
  if (got == 0) return std::nullopt;
  const bool zlib = records_ == 0 && head[0] == std::byte{0x78} &&
                    (std::to_integer<unsigned>(head[0]) * 256 + std::to_integer<unsigned>(head[1])) % 31 == 0;
  const char* hint = zlib            ? " (it looks zlib-compressed, which is not read; gzip is)"
                     : records_ == 0 ? ": is it a TFRecord file?"
                                     : "";
  if (got < kHead) fail(fmt::format("is truncated{}", hint));
  if (masked_crc32c(std::span(head).first(8)) != little_endian<std::uint32_t>(std::span(head).subspan(8)))
    fail(fmt::format("the checksum of its length is wrong{}", hint));
  const auto length = little_endian<std::uint64_t>(head);
  if (length > kLongestRecord) fail(fmt::format("has {} bytes; at most {} are read", length, kLongestRecord));
  return length;
}

std::optional<std::vector<std::byte>> TfRecordReader::read() {
  const std::optional<std::uint64_t> length = read_length();
  if (!length) return std::nullopt;
  std::vector<std::byte> data = source_.take(*length + kTail);
  if (data.size() < *length + kTail) fail("is truncated");
  const auto checksum = little_endian<std::uint32_t>(std::span(data).last(kTail));
  data.resize(*length);
  if (masked_crc32c(data) != checksum) fail("is damaged: the checksum of its data is wrong");
  ++records_;
  bytes_ += kHead + *length + kTail;
  return data;
}

bool TfRecordReader::skip() {
  const std::optional<std::uint64_t> length = read_length();
  if (!length) return false;
  if (source_.skip(*length + kTail) < *length + kTail) fail("is truncated");
  ++records_;
  bytes_ += kHead + *length + kTail;
  return true;
}

}  // namespace tutti::io
