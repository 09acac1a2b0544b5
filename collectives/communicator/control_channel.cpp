// Notices between the ranks of a communicator; see control_channel.hpp.
#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>
#include <thread>
#include <utility>

#include <tutti/collectives/communicator/control_channel.hpp>
#include <tutti/collectives/system/leak_until_exit.hpp>
#include <tutti/collectives/system/mpi_call.hpp>
#include <tutti/collectives/transport/waiting.hpp>

namespace tutti::detail {
namespace {

constexpr int kTag = 0;
constexpr auto kSeeOff = std::chrono::milliseconds(50);

/// The next control message that has come on an MPI communicator.
std::optional<ControlMessage> receive_control_message(MPI_Comm comm) {
  int there = 0;
  MPI_Status status;
  check_mpi(MPI_Iprobe(MPI_ANY_SOURCE, kTag, comm, &there, &status), "MPI_Iprobe");
  if (there == 0) return std::nullopt;
  ControlMessage control_message;
  check_mpi(
      MPI_Recv(&control_message, sizeof(ControlMessage), MPI_BYTE, status.MPI_SOURCE, kTag, comm, MPI_STATUS_IGNORE),
      "MPI_Recv");
  return control_message;
}

}  // namespace

void ControlMessage::say(std::string_view words) noexcept {
  std::memcpy(text.data(), words.data(), std::min(words.size(), text.size() - 1));
}

void ControlHub::open(std::uint64_t stamp) {
  const std::lock_guard lock(mutex_);
  std::deque<ControlMessage>& own = open_[stamp];
  std::erase_if(early_, [&](const ControlMessage& control_message) {
    if (control_message.stamp == stamp) own.push_back(control_message);
    return control_message.stamp == stamp;
  });
}

void ControlHub::close(std::uint64_t stamp) noexcept {
  const std::lock_guard lock(mutex_);
  open_.erase(stamp);
}

void ControlHub::take_in(const ControlMessage& control_message) {
  constexpr std::size_t kMostEarly = 256;
  const auto found = open_.find(control_message.stamp);
  (found == open_.end() ? early_ : found->second).push_back(control_message);
  if (early_.size() > kMostEarly) early_.pop_front();
}

std::optional<ControlMessage> ControlHub::next(std::uint64_t stamp) {
  const std::lock_guard lock(mutex_);
  while (const std::optional<ControlMessage> control_message = receive_control_message(comm_))
    take_in(*control_message);
  const auto own = open_.find(stamp);
  if (own == open_.end() || own->second.empty()) return std::nullopt;
  const ControlMessage control_message = own->second.front();
  own->second.pop_front();
  return control_message;
}

ControlChannel::ControlChannel(MPI_Comm parent) : comm_(duplicate(parent)) {
  MPI_Comm_rank(comm_, &rank_);
  MPI_Comm_size(comm_, &size_);
}

ControlChannel::ControlChannel(std::shared_ptr<ControlHub> hub, std::vector<int> ranks, int rank)
    : hub_(std::move(hub)),
      ranks_(std::move(ranks)),
      comm_(hub_->comm()),
      rank_(rank),
      size_(static_cast<int>(ranks_.size())) {}

ControlChannel::~ControlChannel() {
  if (hub_ != nullptr && stamp_ != 0) hub_->close(stamp_);
  if (!outgoing_.empty()) leak_until_exit(std::make_shared<std::list<Outgoing>>(std::move(outgoing_)));
}

void ControlChannel::free() noexcept {
  if (hub_ == nullptr) MPI_Comm_free(&comm_);
}

void ControlChannel::set_stamp(std::uint64_t stamp) {
  stamp_ = stamp;
  if (hub_ != nullptr) hub_->open(stamp);
}

void ControlChannel::tell(int peer, const ControlMessage& control_message) noexcept {
  outgoing_.push_back({.control_message = control_message});
  any_ = true;
  Outgoing& sent = outgoing_.back();
  sent.control_message.stamp = stamp_;
  const int to = hub_ == nullptr ? peer : ranks_[static_cast<std::size_t>(peer)];
  MPI_Isend(&sent.control_message, sizeof(ControlMessage), MPI_BYTE, to, kTag, comm_, &sent.request);
}

void ControlChannel::tell_all(const ControlMessage& control_message) noexcept {
  for (int peer = 0; peer < size_; ++peer) {
    if (peer != rank_) tell(peer, control_message);
  }
}

std::optional<ControlMessage> ControlChannel::hear() {
  if (hub_ != nullptr) {
    auto control_message = hub_->next(stamp_);
    any_ = any_ || control_message;
    return control_message;
  }
  while (auto control_message = receive_control_message(comm_)) {
    any_ = true;
    if (control_message->stamp == stamp_) return control_message;
  }
  return std::nullopt;
}

void ControlChannel::forget_sent() noexcept {
  std::erase_if(outgoing_, [](Outgoing& sent) {
    int done = 0;
    return MPI_Test(&sent.request, &done, MPI_STATUS_IGNORE) == MPI_SUCCESS && done != 0;
  });
}

void ControlChannel::see_off() noexcept {
  constexpr auto kTurn = std::chrono::microseconds(200);
  for (const auto end = Clock::now() + kSeeOff; Clock::now() < end; std::this_thread::sleep_for(kTurn)) {
    int there = 0;
    MPI_Iprobe(MPI_ANY_SOURCE, kTag, comm_, &there, MPI_STATUS_IGNORE);
  }
}

}  // namespace tutti::detail
