// Event files, which TensorBoard shows. A file is a row of records, each written at once, so that a reader never sees
// half of one:
//
//   u64 length | u32 masked crc32c(the 8 bytes of length) | data | u32 masked crc32c(data)      little-endian
//
// Data is an Event of TensorFlow's event.proto: protocol buffers, of which the few fields needed are written by hand.
// The first record names the version.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

namespace tutti::trainer {

struct Scalar {
  std::string tag;  ///< "train/loss": the part before the slash is the group it is shown in
  double value = 0.0;
};

/// The bytes of records; `wall_time` is seconds since 1970.
std::string version_record(double wall_time);
/// Tells the reader that steps from `first_step` on come anew.
std::string restart_record(double wall_time, std::uint64_t first_step);
/// Values are written as f32.
std::string scalars_record(double wall_time, std::uint64_t step, std::span<const Scalar> scalars);

/// A new file of a folder, which is made if need be. It is later than those that are there by the second in its name,
/// because readers go by names.
class EventFile {
 public:
  /// `restarted_at`: the first step to come where the run has been resumed. \throws DataError naming the file
  EventFile(const std::filesystem::path& folder, std::optional<std::uint64_t> restarted_at);
  ~EventFile();
  EventFile(const EventFile&) = delete;
  EventFile& operator=(const EventFile&) = delete;

  /// Appends a record. \throws DataError
  void write(std::uint64_t step, std::span<const Scalar> scalars);

 private:
  void append(const std::string& record);

  std::filesystem::path path_;
  int descriptor_ = -1;
};

}  // namespace tutti::trainer
