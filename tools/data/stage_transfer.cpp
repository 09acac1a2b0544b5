// Moving pieces; see stage_transfer.hpp.
#include "tools/data/stage_transfer.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <deque>
#include <exception>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include <tutti/allreduce/allreduce.hpp>
#include <tutti/collectives/collectives.hpp>
#include <tutti/collectives/inspect/mpi.hpp>
#include <tutti/collectives/point_to_point.hpp>
#include <tutti/kernels/crc32c.hpp>

#include "tools/data/stage_ring.hpp"

namespace tutti::tools::data {
namespace {

constexpr std::size_t kUnderWay = 2;  // messages of one direction

void read_pieces(Ring& ring, StageSource& source) {
  std::uint32_t running = 0;
  bool failed = false;
  for (std::size_t i = 0; ring.await_buffer(i); ++i) {
    const Piece& piece = ring.piece(i);
    const std::span<std::byte> message = ring.message(i);
    std::vector<std::uint32_t> trailer;
    trailer.reserve(piece.ends + 1);
    try {
      if (!failed) source.read(piece, message.first(piece.bytes));
    } catch (const std::exception& error) {
      ring.fail(error.what());
      failed = true;
    }
    for (std::uint64_t at = 0; at < piece.bytes;) {
      const std::uint64_t in_block = (piece.offset + at) % kStageBlockBytes;
      const std::uint64_t part = std::min(piece.bytes - at, kStageBlockBytes - in_block);
      running = crc32c(message.subspan(at, part), in_block == 0 ? 0 : running);
      at += part;
      if (trailer.size() < piece.ends) trailer.push_back(running);
    }
    trailer.push_back(failed ? kNotRead : kRead);
    std::memcpy(message.data() + piece.bytes, trailer.data(), trailer.size() * sizeof(std::uint32_t));
    ring.arrive();
  }
}

void store_pieces(Ring& ring, StageTarget& target, Stored& stored) {
  bool failed = false;
  for (std::size_t i = 0; ring.await_arrival(i); ++i) {
    const Piece& piece = ring.piece(i);
    const std::span<const std::byte> message = ring.message(i);
    std::vector<std::uint32_t> trailer(piece.ends + 1);
    std::memcpy(trailer.data(), message.data() + piece.bytes, trailer.size() * sizeof(std::uint32_t));
    try {
      failed = failed || trailer.back() != kRead;  // the reader's problem is told by the reader
      if (!failed) {
        target.store(piece, message.first(piece.bytes), std::span(trailer).first(piece.ends));
        stored.add(piece);
      }
    } catch (const std::exception& error) {
      ring.fail(error.what());
      failed = true;
    }
    ring.store();
  }
  stored.flush();
  stored.end();
}

void read_back(Ring& ring, StageTarget& target, Stored& stored) {
  bool failed = false;
  stored.take_all([&](std::size_t file, std::uint64_t first, std::uint64_t blocks) {
    try {
      if (!failed) target.verify(file, first, blocks);
    } catch (const std::exception& error) {
      ring.fail(error.what());
      failed = true;
    }
  });
}

/// The threads of a mover; they end with the pieces, or with the object.
class Threads {
 public:
  Threads(Ring& ring, StageSource* source, StageTarget& target) : ring_(ring) {
    threads_.reserve(3);
    try {
      threads_.emplace_back([this, &ring, &target] { store_pieces(ring, target, stored_); });
      threads_.emplace_back([this, &ring, &target] { read_back(ring, target, stored_); });
      if (source != nullptr) threads_.emplace_back([&ring, source] { read_pieces(ring, *source); });
    } catch (...) {  // no more threads: those that run must not outlive this
      ring.give_up();
      join();
      throw;
    }
  }
  ~Threads() {
    ring_.give_up();
    join();
  }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

  void join() {
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  Ring& ring_;
  Stored stored_;
  std::vector<std::thread> threads_;
};

/// Messages of one direction, started and completed in the order of the pieces.
class Lane {
 public:
  bool is_open(std::size_t end) const noexcept { return started_ < end && under_way_.size() < kUnderWay; }
  std::size_t next() const noexcept { return started_; }
  void start(Request request) {
    under_way_.push_back(std::move(request));
    ++started_;
  }

  /// Whether the oldest has come to its end, and is forgotten.
  bool complete_one() {
    if (under_way_.empty() || !under_way_.front().test()) return false;
    under_way_.pop_front();
    return true;
  }
  bool is_idle() const noexcept { return under_way_.empty(); }

 private:
  std::size_t started_ = 0;
  std::deque<Request> under_way_;
};

/// The calling thread's part: starts messages, completes them, votes.
class Pump {
 public:
  Pump(const Communicator& movers, const StagePlan& plan, Ring& ring)
      : movers_(movers),
        plan_(plan),
        ring_(ring),
        window_(kFewestWindow + ring.buffers() * static_cast<std::size_t>(movers.size())),
        receives_(movers.rank() > 0),
        sends_(plan.broadcast.empty() ? movers.rank() + 1 < movers.size() : movers.rank() == 0 && movers.size() > 1) {}

  std::uint64_t bytes_sent() const noexcept { return bytes_sent_; }
  std::uint64_t bytes_done() const noexcept { return bytes_done_; }

  /// Whether all pieces are through; advances what can be.
  bool advance(bool& moved) {
    moved = vote();
    const Ring::Counts at = ring_.counts();
    const std::size_t end = std::min(at.total, limit());
    while (receives_ && in_.is_open(end) && ring_.may_fill(in_.next())) {
      in_.start(start_receive(in_.next()));
      moved = true;
    }
    while (receives_ && in_.complete_one()) {
      ring_.arrive();
      if (!sends_) pass_on();
      moved = true;
    }
    while (sends_ && out_.is_open(std::min(end, at.arrived))) {
      out_.start(start_send(out_.next()));
      moved = true;
    }
    while (sends_ && out_.complete_one()) {
      pass_on();
      moved = true;
    }
    while (!receives_ && !sends_ && passed_ < std::min(at.arrived, at.total)) {
      pass_on();
      moved = true;
    }
    return passed_ == at.total && !vote_.has_value();
  }

  /// Whether a message is under way, which only advances when it is looked at.
  bool awaits_message() const noexcept { return !in_.is_idle() || !out_.is_idle() || vote_.has_value(); }

 private:
  static constexpr std::size_t kFewestWindow = 32;

  void pass_on() {
    bytes_done_ += ring_.piece(passed_).bytes;
    if (plan_.broadcast.empty() && sends_) bytes_sent_ += ring_.piece(passed_).bytes;
    ++passed_;
    ring_.send();
  }

  /// The pieces before this may be started: those of windows whose vote has been started. Votes and broadcasts are
  /// collectives, which all ranks start in one order: a vote, then the pieces of its window.
  std::size_t limit() const noexcept { return (votes_ + (vote_ ? 1 : 0)) * window_; }

  /// Before the first piece of each window of pieces this rank tells whether it has failed. The next window begins when
  /// all have told; if one has failed, none does.
  bool vote() {
    if (movers_.size() == 1) {
      if (ring_.problem()) ring_.stop_behind(passed_);
      return false;
    }
    const std::size_t position = receives_ ? in_.next() : out_.next();
    if (!vote_ && position == votes_ * window_ && votes_ * window_ < ring_.counts().total) {
      ring_.vote_word = ring_.problem() ? 1 : 0;
      vote_.emplace(iallreduce(movers_, std::span(&ring_.vote_word, 1), ReduceOp::max));
      return true;
    }
    if (!vote_ || !vote_->test()) return false;
    vote_.reset();
    ++votes_;
    if (ring_.vote_word != 0) ring_.stop_behind(votes_ * window_);
    return true;
  }

  Request start_receive(std::size_t i) {
    const std::span<std::byte> message = ring_.message(i);
    const Buffer buffer(message.data(), message.size(), DType::u8);
    if (plan_.broadcast.empty()) return ireceive(movers_, buffer, movers_.rank() - 1);
    return ibroadcast(movers_, buffer, 0, {.algorithm = plan_.broadcast});
  }

  Request start_send(std::size_t i) {
    const std::span<std::byte> message = ring_.message(i);
    const Buffer buffer(message.data(), message.size(), DType::u8);
    if (plan_.broadcast.empty()) return isend(movers_, buffer, movers_.rank() + 1);
    return ibroadcast(movers_, buffer, 0, {.algorithm = plan_.broadcast});
  }

  const Communicator& movers_;
  const StagePlan& plan_;
  Ring& ring_;
  std::size_t window_;
  bool receives_;
  bool sends_;
  Lane in_;
  Lane out_;
  std::size_t passed_ = 0;  // pieces that are here, and that nobody waits for any more
  std::uint64_t bytes_sent_ = 0;
  std::uint64_t bytes_done_ = 0;
  std::size_t votes_ = 0;
  std::optional<Request> vote_;
};

/// After a failure messages are still under way: MPI reads and writes the buffers until the process ends.
class KeptAfterFailure {
 public:
  explicit KeptAfterFailure(std::shared_ptr<Ring> ring)
      : ring_(std::move(ring)), failures_(std::uncaught_exceptions()) {}
  ~KeptAfterFailure() {
    if (std::uncaught_exceptions() > failures_) tutti::detail::leak_until_exit(std::move(ring_));
  }
  KeptAfterFailure(const KeptAfterFailure&) = delete;
  KeptAfterFailure& operator=(const KeptAfterFailure&) = delete;

 private:
  std::shared_ptr<Ring> ring_;
  int failures_;
};

}  // namespace

TransferResult transfer(const Communicator& movers, std::span<const Piece> pieces, const StagePlan& plan,
                        StageSource* source, StageTarget& target, const std::function<void(std::uint64_t)>& moved) {
  using namespace std::chrono_literals;
  const auto shared = std::make_shared<Ring>(pieces, plan.piece_bytes);
  Ring& ring = *shared;
  const KeptAfterFailure kept(shared);
  Pump pump(movers, plan, ring);
  Threads threads(ring, source, target);
  int idle = 0;
  for (bool advanced = false; !pump.advance(advanced);) {
    idle = advanced ? 0 : idle + 1;
    if (idle > 100) std::this_thread::sleep_for(pump.awaits_message() ? 50us : 500us);
    moved(pump.bytes_done());
  }
  threads.join();
  moved(pump.bytes_done());
  return {.bytes_sent = pump.bytes_sent(), .problem = ring.problem()};
}

}  // namespace tutti::tools::data
