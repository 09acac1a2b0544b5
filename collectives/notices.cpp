// Notices between the ranks of a communicator; see notices.hpp.
#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>
#include <thread>
#include <utility>

#include <tutti/collectives/keep_until_exit.hpp>
#include <tutti/collectives/mpi_call.hpp>
#include <tutti/collectives/notices.hpp>
#include <tutti/collectives/waiting.hpp>

namespace tutti::detail {
namespace {

constexpr int kTag = 0;
constexpr auto kSeeOff = std::chrono::milliseconds(50);

/// The next notice that has come on an MPI communicator.
std::optional<Notice> receive_notice(MPI_Comm comm) {
  int there = 0;
  MPI_Status status;
  check_mpi(MPI_Iprobe(MPI_ANY_SOURCE, kTag, comm, &there, &status), "MPI_Iprobe");
  if (there == 0) return std::nullopt;
  Notice notice;
  check_mpi(MPI_Recv(&notice, sizeof(Notice), MPI_BYTE, status.MPI_SOURCE, kTag, comm, MPI_STATUS_IGNORE), "MPI_Recv");
  return notice;
}

}  // namespace

void Notice::say(std::string_view words) noexcept {
  std::memcpy(text.data(), words.data(), std::min(words.size(), text.size() - 1));
}

void NoticeHub::open(std::uint64_t stamp) {
  const std::lock_guard lock(mutex_);
  std::deque<Notice>& own = open_[stamp];
  std::erase_if(early_, [&](const Notice& notice) {
    if (notice.stamp == stamp) own.push_back(notice);
    return notice.stamp == stamp;
  });
}

void NoticeHub::close(std::uint64_t stamp) noexcept {
  const std::lock_guard lock(mutex_);
  open_.erase(stamp);
}

void NoticeHub::take_in(const Notice& notice) {
  constexpr std::size_t kMostEarly = 256;
  const auto found = open_.find(notice.stamp);
  (found == open_.end() ? early_ : found->second).push_back(notice);
  if (early_.size() > kMostEarly) early_.pop_front();
}

std::optional<Notice> NoticeHub::next(std::uint64_t stamp) {
  const std::lock_guard lock(mutex_);
  while (const std::optional<Notice> notice = receive_notice(comm_)) take_in(*notice);
  const auto own = open_.find(stamp);
  if (own == open_.end() || own->second.empty()) return std::nullopt;
  const Notice notice = own->second.front();
  own->second.pop_front();
  return notice;
}

NoticeChannel::NoticeChannel(MPI_Comm parent) : comm_(duplicate(parent)) {
  MPI_Comm_rank(comm_, &rank_);
  MPI_Comm_size(comm_, &size_);
}

NoticeChannel::NoticeChannel(std::shared_ptr<NoticeHub> hub, std::vector<int> ranks, int rank)
    : hub_(std::move(hub)),
      ranks_(std::move(ranks)),
      comm_(hub_->comm()),
      rank_(rank),
      size_(static_cast<int>(ranks_.size())) {}

NoticeChannel::~NoticeChannel() {
  if (hub_ != nullptr && stamp_ != 0) hub_->close(stamp_);
  if (!outgoing_.empty()) keep_until_exit(std::make_shared<std::list<Outgoing>>(std::move(outgoing_)));
}

void NoticeChannel::free() noexcept {
  if (hub_ == nullptr) MPI_Comm_free(&comm_);
}

void NoticeChannel::set_stamp(std::uint64_t stamp) {
  stamp_ = stamp;
  if (hub_ != nullptr) hub_->open(stamp);
}

void NoticeChannel::tell(int peer, const Notice& notice) noexcept {
  outgoing_.push_back({.notice = notice});
  any_ = true;
  Outgoing& sent = outgoing_.back();
  sent.notice.stamp = stamp_;
  const int to = hub_ == nullptr ? peer : ranks_[static_cast<std::size_t>(peer)];
  MPI_Isend(&sent.notice, sizeof(Notice), MPI_BYTE, to, kTag, comm_, &sent.request);
}

void NoticeChannel::tell_all(const Notice& notice) noexcept {
  for (int peer = 0; peer < size_; ++peer) {
    if (peer != rank_) tell(peer, notice);
  }
}

std::optional<Notice> NoticeChannel::hear() {
  if (hub_ != nullptr) {
    auto notice = hub_->next(stamp_);
    any_ = any_ || notice;
    return notice;
  }
  while (auto notice = receive_notice(comm_)) {
    any_ = true;
    if (notice->stamp == stamp_) return notice;
  }
  return std::nullopt;
}

void NoticeChannel::forget_sent() noexcept {
  std::erase_if(outgoing_, [](Outgoing& sent) {
    int done = 0;
    return MPI_Test(&sent.request, &done, MPI_STATUS_IGNORE) == MPI_SUCCESS && done != 0;
  });
}

void NoticeChannel::see_off() noexcept {
  constexpr auto kTurn = std::chrono::microseconds(200);
  for (const auto end = Clock::now() + kSeeOff; Clock::now() < end; std::this_thread::sleep_for(kTurn)) {
    int there = 0;
    MPI_Iprobe(MPI_ANY_SOURCE, kTag, comm_, &there, MPI_STATUS_IGNORE);
  }
}

}  // namespace tutti::detail
