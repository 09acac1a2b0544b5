// This process's control block (control_block.hpp): made with its first communicator, kept until the process ends.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <string_view>
#include <vector>

#include <tutti/collectives/system/shared_memory.hpp>
#include <tutti/collectives/watch/control_block.hpp>
#include <tutti/collectives/watch/flight_log.hpp>

namespace tutti::detail {

class OwnBlock {
 public:
  /// Whether processes show themselves: while MPI runs, and in no simulator, where all ranks are one.
  static bool is_possible() noexcept;

  /// is_possible(). Where no memory can be shared the block is only this process's own, which a warning says.
  static OwnBlock& get();

  /// If it has been made.
  static OwnBlock* find() noexcept;

  ~OwnBlock() = delete;
  OwnBlock(const OwnBlock&) = delete;
  OwnBlock& operator=(const OwnBlock&) = delete;

  ControlBlock& block() noexcept { return *block_; }
  const Record* records() const noexcept { return records_; }
  FlightRecorder& recorder() noexcept { return recorder_; }

  /// By which others find it: descriptor (-1: they cannot), and file.
  int fd() const noexcept { return memory_.fd(); }
  std::uint64_t inode() const noexcept { return memory_.inode(); }

  /// A place for a communicator, which gets the next serial number; null if there is none, and then only the number.
  CommunicatorEntry* take_entry(std::uint64_t stamp, int rank, int size, std::uint32_t& serial) noexcept;

  /// The number of a way to run, by name; 0, which has no name, once there are too many.
  std::uint8_t algorithm_number(std::string_view name) noexcept;

  /// Calls this in MPI_Finalize, while MPI can still be used.
  void at_finish(std::function<void()> action);

 private:
  OwnBlock();

  void make_memory(std::uint32_t records);
  void write_head(std::uint32_t records);
  void finish() noexcept;

  SharedMemory memory_;
  ControlBlock* block_ = nullptr;
  Record* records_ = nullptr;
  FlightRecorder recorder_;
  std::mutex mutex_;  // of what follows, and of the entries' being taken
  std::uint32_t last_serial_ = 0;
  std::vector<std::function<void()>> actions_;
};

}  // namespace tutti::detail
