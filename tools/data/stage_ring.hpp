// What the threads of a mover share: the buffers that pieces pass through, and what there is to be read back.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tools/data/stage_set.hpp"

namespace tutti::tools::data {

/// Behind the bytes of a piece in its message: the checksums of the blocks that end in it, and whether it was read.
inline constexpr std::uint32_t kRead = 0;
inline constexpr std::uint32_t kNotRead = 1;
inline std::size_t message_bytes(const Piece& piece) { return piece.bytes + (piece.ends + 1) * sizeof(std::uint32_t); }

/// What the threads of a mover share. A piece i uses buffer i modulo their number; counts are of pieces, in order.
class Ring {
 public:
  Ring(std::span<const Piece> pieces, std::uint64_t piece_bytes)
      : pieces_(pieces),
        total_(pieces.size()),
        buffers_(std::clamp(static_cast<std::size_t>(kMostBytes / piece_bytes), kFewestBuffers, kMostBuffers)) {
    std::size_t most = 0;
    for (const Piece& piece : pieces) most = std::max(most, message_bytes(piece));
    for (std::vector<std::byte>& buffer : buffers_) buffer.resize(most);
  }

  /// Of the calling thread: what it votes, as long-lived as the buffers.
  std::int32_t vote_word = 0;

  const Piece& piece(std::size_t i) const { return pieces_[i]; }
  std::span<std::byte> message(std::size_t i) {
    return std::span(buffers_[i % buffers_.size()]).first(message_bytes(pieces_[i]));
  }
  std::size_t buffers() const noexcept { return buffers_.size(); }

  /// Whether piece i may be filled in: no earlier one needs its buffer.
  bool is_free(std::size_t i) const { return i < std::min(sent_, stored_) + buffers_.size(); }

  /// Waits until `ready` or the end of the pieces comes before piece i. False: there is no piece i, or all is given up.
  template <class Ready>
  bool await(std::size_t i, Ready ready) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return given_up_ || i >= total_ || ready(); });
    return !given_up_ && i < total_;
  }
  bool await_buffer(std::size_t i) {
    return await(i, [&] { return is_free(i); });
  }
  bool await_arrival(std::size_t i) {
    return await(i, [&] { return i < arrived_; });
  }

  template <class Change>
  void change(Change how) {
    {
      const std::lock_guard lock(mutex_);
      how(*this);
    }
    changed_.notify_all();
  }
  void arrive() {
    change([](Ring& ring) { ++ring.arrived_; });
  }
  void send() {
    change([](Ring& ring) { ++ring.sent_; });
  }
  void store() {
    change([](Ring& ring) { ++ring.stored_; });
  }
  void stop_behind(std::size_t total) {
    change([&](Ring& ring) { ring.total_ = std::min(ring.total_, total); });
  }
  void give_up() {
    change([](Ring& ring) { ring.given_up_ = true; });
  }
  void fail(const std::string& problem) {
    change([&](Ring& ring) {
      if (!ring.problem_) ring.problem_ = problem;
    });
  }

  struct Counts {
    std::size_t total, arrived, sent, stored;
  };
  Counts counts() {
    const std::lock_guard lock(mutex_);
    return {total_, arrived_, sent_, stored_};
  }
  std::optional<std::string> problem() {
    const std::lock_guard lock(mutex_);
    return problem_;
  }
  bool may_fill(std::size_t i) {
    const std::lock_guard lock(mutex_);
    return is_free(i);
  }

 private:
  static constexpr std::uint64_t kMostBytes = std::uint64_t{64} << 20;
  static constexpr std::size_t kFewestBuffers = 4;
  static constexpr std::size_t kMostBuffers = 16;

  std::span<const Piece> pieces_;
  std::size_t total_;
  std::vector<std::vector<std::byte>> buffers_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t arrived_ = 0;
  std::size_t sent_ = 0;
  std::size_t stored_ = 0;
  bool given_up_ = false;
  std::optional<std::string> problem_;
};

/// Ranges of blocks that have been stored, for the thread that reads them back.
class Stored {
 public:
  void add(const Piece& piece) {
    if (piece.ends == 0) return;
    const bool follows = blocks_ > 0 && piece.file == file_ && piece.first_block == first_ + blocks_;
    if (!follows || blocks_ >= kAtOnce) flush();
    if (blocks_ == 0) {
      file_ = piece.file;
      first_ = piece.first_block;
    }
    blocks_ += piece.ends;
  }

  void flush() {
    if (blocks_ == 0) return;
    const std::lock_guard lock(mutex_);
    ranges_.push_back({file_, first_, blocks_});
    blocks_ = 0;
    changed_.notify_one();
  }

  void end() {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    changed_.notify_one();
  }

  /// Calls `verify` for each until the end.
  template <class Verify>
  void take_all(Verify verify) {
    for (;;) {
      Range range{};
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return ended_ || !ranges_.empty(); });
        if (ranges_.empty()) return;
        range = ranges_.front();
        ranges_.pop_front();
      }
      verify(range.file, range.first, range.blocks);
    }
  }

 private:
  static constexpr std::uint64_t kAtOnce = 64;  // blocks

  struct Range {
    std::size_t file;
    std::uint64_t first, blocks;
  };
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Range> ranges_;
  bool ended_ = false;
  std::size_t file_ = 0;
  std::uint64_t first_ = 0;
  std::uint64_t blocks_ = 0;
};

}  // namespace tutti::tools::data
