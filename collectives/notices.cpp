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

}  // namespace

void Notice::say(std::string_view words) noexcept {
  std::memcpy(text.data(), words.data(), std::min(words.size(), text.size() - 1));
}

NoticeChannel::NoticeChannel(MPI_Comm parent) : comm_(duplicate(parent)) {
  MPI_Comm_rank(comm_, &rank_);
  MPI_Comm_size(comm_, &size_);
}

NoticeChannel::~NoticeChannel() {
  if (!outgoing_.empty()) keep_until_exit(std::make_shared<std::list<Outgoing>>(std::move(outgoing_)));
}

void NoticeChannel::free() noexcept { MPI_Comm_free(&comm_); }

void NoticeChannel::tell(int peer, const Notice& notice) noexcept {
  outgoing_.push_back({.notice = notice});
  any_ = true;
  Outgoing& sent = outgoing_.back();
  sent.notice.stamp = stamp_;
  MPI_Isend(&sent.notice, sizeof(Notice), MPI_BYTE, peer, kTag, comm_, &sent.request);
}

void NoticeChannel::tell_all(const Notice& notice) noexcept {
  for (int peer = 0; peer < size_; ++peer) {
    if (peer != rank_) tell(peer, notice);
  }
}

std::optional<Notice> NoticeChannel::hear() {
  for (;;) {
    int there = 0;
    MPI_Status status;
    check_mpi(MPI_Iprobe(MPI_ANY_SOURCE, kTag, comm_, &there, &status), "MPI_Iprobe");
    if (there == 0) return std::nullopt;
    Notice notice;
    check_mpi(MPI_Recv(&notice, sizeof(Notice), MPI_BYTE, status.MPI_SOURCE, kTag, comm_, MPI_STATUS_IGNORE),
              "MPI_Recv");
    any_ = true;
    if (notice.stamp == stamp_) return notice;
  }
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
