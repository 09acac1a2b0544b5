#include <tutti/trainer/run/event_file.hpp>

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <string_view>
#include <system_error>

#include <tutti/kernels/crc32c.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::trainer {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "events.out.tfevents.";

// Keys of protocol buffers: 8 times the number of a field, and its wire type: 0 varint, 1 eight bytes, 2 bytes after
// their length, 5 four bytes.
constexpr char kEventWallTime = 1 << 3 | 1;
constexpr char kEventStep = 2 << 3 | 0;
constexpr char kEventFileVersion = 3 << 3 | 2;
constexpr char kEventSummary = 5 << 3 | 2;
constexpr char kEventSessionLog = 7 << 3 | 2;
constexpr char kSummaryValue = 1 << 3 | 2;
constexpr char kValueTag = 1 << 3 | 2;
constexpr char kValueSimple = 2 << 3 | 5;
constexpr char kSessionStatus = 1 << 3 | 0;
constexpr std::uint64_t kSessionStart = 1;

template <class T>
void append_little_endian(std::string& out, T value) {
  for (std::size_t i = 0; i < sizeof(value); ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
}

void append_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

void append_bytes(std::string& out, char key, std::string_view bytes) {
  out += key;
  append_varint(out, bytes.size());
  out += bytes;
}

/// A checksum as it is stored: data that holds checksums of itself would weaken a plain one.
std::uint32_t masked_crc(std::string_view bytes) {
  return std::rotr(crc32c(std::as_bytes(std::span(bytes))), 15) + 0xa282ead8U;
}

std::string record_of(std::string_view event) {
  std::string record;
  append_little_endian(record, std::uint64_t{event.size()});
  append_little_endian(record, masked_crc(record));
  record += event;
  append_little_endian(record, masked_crc(event));
  return record;
}

std::string event_at(double wall_time) {
  std::string event(1, kEventWallTime);
  append_little_endian(event, std::bit_cast<std::uint64_t>(wall_time));
  return event;
}

double wall_time_now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// The second in the name of an event file; nothing for other files.
std::optional<std::uint64_t> second_of(const std::string& name) {
  if (!name.starts_with(kPrefix)) return std::nullopt;
  std::uint64_t second = 0;
  const auto read = std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), second);
  return read.ec == std::errc() ? std::optional(second) : std::nullopt;
}

std::string new_name(const fs::path& folder) {
  auto second = static_cast<std::uint64_t>(wall_time_now());
  std::error_code ignored;  // what cannot be read cannot be written to, which is reported then
  for (const auto& entry : fs::directory_iterator(folder, ignored))
    if (const auto other = second_of(entry.path().filename().string())) second = std::max(second, *other + 1);
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  return fmt::format("{}{:010}.{}.{}.0", kPrefix, second, host.data(), ::getpid());
}

}  // namespace

std::string version_record(double wall_time) {
  std::string event = event_at(wall_time);
  append_bytes(event, kEventFileVersion, "brain.Event:2");
  return record_of(event);
}

std::string restart_record(double wall_time, std::uint64_t first_step) {
  std::string status(1, kSessionStatus);
  append_varint(status, kSessionStart);
  std::string event = event_at(wall_time) + kEventStep;
  append_varint(event, first_step);
  append_bytes(event, kEventSessionLog, status);
  return record_of(event);
}

std::string scalars_record(double wall_time, std::uint64_t step, std::span<const Scalar> scalars) {
  std::string summary;
  std::string value;
  for (const Scalar& scalar : scalars) {
    value.clear();
    append_bytes(value, kValueTag, scalar.tag);
    value += kValueSimple;
    append_little_endian(value, std::bit_cast<std::uint32_t>(static_cast<float>(scalar.value)));
    append_bytes(summary, kSummaryValue, value);
  }
  std::string event = event_at(wall_time) + kEventStep;
  append_varint(event, step);
  append_bytes(event, kEventSummary, summary);
  return record_of(event);
}

EventFile::EventFile(const fs::path& folder, std::optional<std::uint64_t> restarted_at) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw DataError(fmt::format("{}: cannot be made: {}", folder.string(), error.message()));
  path_ = folder / new_name(folder);
  descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
  if (descriptor_ < 0) throw DataError(fmt::format("{}: cannot be written: {}", path_.string(), std::strerror(errno)));
  append(version_record(wall_time_now()));
  if (restarted_at) append(restart_record(wall_time_now(), *restarted_at));
}

EventFile::~EventFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void EventFile::write(std::uint64_t step, std::span<const Scalar> scalars) {
  append(scalars_record(wall_time_now(), step, scalars));
}

void EventFile::append(const std::string& record) {
  ssize_t written = 0;
  do written = ::write(descriptor_, record.data(), record.size());
  while (written < 0 && errno == EINTR);
  if (written != static_cast<ssize_t>(record.size()))
    throw DataError(fmt::format("{}: cannot be written: {}", path_.string(),
                                written < 0 ? std::strerror(errno) : "only a part of a record was"));
}

}  // namespace tutti::trainer
