// Control messages over MPI; see mpi_control_channel.hpp.
#include <chrono>
#include <memory>
#include <thread>
#include <utility>

#include <tutti/collectives/communicator/mpi_control_channel.hpp>
#include <tutti/collectives/system/leak_until_exit.hpp>
#include <tutti/collectives/system/mpi_call.hpp>
#include <tutti/collectives/transport/waiting.hpp>

namespace tutti::detail {
namespace {

constexpr int kTag = 0;
constexpr auto kFlushTime = std::chrono::milliseconds(50);

/// The next control message that has come on an MPI communicator.
std::optional<ControlMessage> receive_control_message(MPI_Comm comm) {
  int there = 0;
  MPI_Status status;
  check_mpi(MPI_Iprobe(MPI_ANY_SOURCE, kTag, comm, &there, &status), "MPI_Iprobe");
  if (there == 0) return std::nullopt;
  ControlMessage message;
  check_mpi(MPI_Recv(&message, sizeof message, MPI_BYTE, status.MPI_SOURCE, kTag, comm, MPI_STATUS_IGNORE), "MPI_Recv");
  return message;
}

}  // namespace

void ControlHub::open(std::uint64_t stamp) {
  const std::lock_guard lock(mutex_);
  std::deque<ControlMessage>& own = open_[stamp];
  std::erase_if(early_, [&](const ControlMessage& message) {
    if (message.stamp == stamp) own.push_back(message);
    return message.stamp == stamp;
  });
}

void ControlHub::close(std::uint64_t stamp) noexcept {
  const std::lock_guard lock(mutex_);
  open_.erase(stamp);
}

void ControlHub::take_in(const ControlMessage& message) {
  constexpr std::size_t kMostEarly = 256;
  const auto found = open_.find(message.stamp);
  (found == open_.end() ? early_ : found->second).push_back(message);
  if (early_.size() > kMostEarly) early_.pop_front();
}

std::optional<ControlMessage> ControlHub::next(std::uint64_t stamp) {
  const std::lock_guard lock(mutex_);
  while (const std::optional<ControlMessage> message = receive_control_message(comm_)) take_in(*message);
  const auto own = open_.find(stamp);
  if (own == open_.end() || own->second.empty()) return std::nullopt;
  const ControlMessage message = own->second.front();
  own->second.pop_front();
  return message;
}

MpiControlChannel::Duplicate MpiControlChannel::duplicate_of(MPI_Comm parent) {
  Duplicate made{.comm = duplicate(parent), .rank = 0, .size = 1};
  MPI_Comm_rank(made.comm, &made.rank);
  MPI_Comm_size(made.comm, &made.size);
  return made;
}

MpiControlChannel::MpiControlChannel(const Duplicate& duplicate) noexcept
    : ControlChannel(duplicate.rank, duplicate.size), comm_(duplicate.comm) {}

MpiControlChannel::MpiControlChannel(MPI_Comm parent) : MpiControlChannel(duplicate_of(parent)) {}

MpiControlChannel::MpiControlChannel(std::shared_ptr<ControlHub> hub, std::vector<int> ranks, int rank)
    : ControlChannel(rank, static_cast<int>(ranks.size())),
      hub_(std::move(hub)),
      ranks_(std::move(ranks)),
      comm_(hub_->comm()) {}

MpiControlChannel::~MpiControlChannel() {
  if (hub_ != nullptr && stamp_ != 0) hub_->close(stamp_);
  if (!outgoing_.empty()) leak_until_exit(std::make_shared<std::list<Outgoing>>(std::move(outgoing_)));
}

void MpiControlChannel::free() noexcept {
  if (hub_ == nullptr) MPI_Comm_free(&comm_);
}

void MpiControlChannel::set_stamp(std::uint64_t stamp) {
  stamp_ = stamp;
  if (hub_ != nullptr) hub_->open(stamp);
}

void MpiControlChannel::do_send(int peer, const ControlMessage& message) noexcept {
  outgoing_.push_back({.message = message});
  Outgoing& sent = outgoing_.back();
  sent.message.stamp = stamp_;
  const int to = hub_ == nullptr ? peer : ranks_[static_cast<std::size_t>(peer)];
  MPI_Isend(&sent.message, sizeof sent.message, MPI_BYTE, to, kTag, comm_, &sent.request);
}

std::optional<ControlMessage> MpiControlChannel::do_receive() {
  if (hub_ != nullptr) return hub_->next(stamp_);
  while (auto message = receive_control_message(comm_)) {
    if (message->stamp == stamp_) return message;
    set_any();
  }
  return std::nullopt;
}

void MpiControlChannel::forget_sent() noexcept {
  std::erase_if(outgoing_, [](Outgoing& sent) {
    int done = 0;
    return MPI_Test(&sent.request, &done, MPI_STATUS_IGNORE) == MPI_SUCCESS && done != 0;
  });
}

void MpiControlChannel::flush() noexcept {
  constexpr auto kTurn = std::chrono::microseconds(200);
  for (const auto end = Clock::now() + kFlushTime; Clock::now() < end; std::this_thread::sleep_for(kTurn)) {
    int there = 0;
    MPI_Iprobe(MPI_ANY_SOURCE, kTag, comm_, &there, MPI_STATUS_IGNORE);
  }
}

}  // namespace tutti::detail
