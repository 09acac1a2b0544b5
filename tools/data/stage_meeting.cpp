// Meetings of ranks that stage; see stage_meeting.hpp.
#include "tools/data/stage_meeting.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <thread>

#include <tutti/collectives/inspect/mpi.hpp>
#include <tutti/kernels/clock.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::tools::data {
namespace {

constexpr int kProblemTag = 1;
constexpr int kVerdictTag = 2;
constexpr std::size_t kWords = 1000;
constexpr double kGrace = 10;  // seconds: node 0 knows better who is missing
using Words = std::array<char, kWords>;

Words words_of(const std::string& text) {
  Words words{};
  std::copy_n(text.begin(), std::min(text.size(), words.size() - 1), words.begin());
  return words;
}

/// Calls `done` until it says so, less and less often.
template <class Done>
void wait_asleep(Done done) {
  auto pause = std::chrono::microseconds(50);
  while (!done()) {
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 2, std::chrono::microseconds(20'000));
  }
}

bool is_complete(MPI_Request& request) {
  int complete = 0;
  detail::check_mpi(MPI_Test(&request, &complete, MPI_STATUS_IGNORE), "MPI_Test");
  return complete != 0;
}

}  // namespace

Meeting::Meeting(const Communicator& leaders)
    : comm_(detail::duplicate(leaders.mpi())), rank_(leaders.rank()), size_(leaders.size()) {
  std::array<char, 64> host{};
  ::gethostname(host.data(), host.size() - 1);
  std::vector<char> all(host.size() * static_cast<std::size_t>(size_));
  detail::check_mpi(MPI_Allgather(host.data(), static_cast<int>(host.size()), MPI_CHAR, all.data(),
                                  static_cast<int>(host.size()), MPI_CHAR, comm_),
                    "MPI_Allgather");
  hosts_.reserve(static_cast<std::size_t>(size_));
  for (std::size_t node = 0; node < static_cast<std::size_t>(size_); ++node)
    hosts_.emplace_back(all.data() + node * host.size());
}

Meeting::~Meeting() { MPI_Comm_free(&comm_); }

std::string Meeting::name(int node) const {
  return text("node ", node, " (", hosts_[static_cast<std::size_t>(node)], ")");
}

void Meeting::agree(const std::optional<std::string>& problem, std::string_view what, double limit) const {
  const int length = static_cast<int>(kWords);
  Words verdict = words_of(problem.value_or(""));
  std::vector<MPI_Request> requests(static_cast<std::size_t>(size_ - 1), MPI_REQUEST_NULL);
  if (rank_ != 0) {
    MPI_Request sent = MPI_REQUEST_NULL;
    MPI_Request received = MPI_REQUEST_NULL;
    const Words own = verdict;
    detail::check_mpi(MPI_Isend(own.data(), length, MPI_CHAR, 0, kProblemTag, comm_, &sent), "MPI_Isend");
    detail::check_mpi(MPI_Irecv(verdict.data(), length, MPI_CHAR, 0, kVerdictTag, comm_, &received), "MPI_Irecv");
    const auto begin = std::chrono::steady_clock::now();
    wait_asleep([&] {
      if (is_complete(received)) return true;
      if (seconds_since(begin) > limit + kGrace)
        throw CommunicationError(text(name(0), " has not answered for ", limit + kGrace, " s: ", what));
      return false;
    });
    wait_asleep([&] { return is_complete(sent); });
  } else {
    std::vector<Words> problems(requests.size());
    for (int node = 1; node < size_; ++node) {
      const auto i = static_cast<std::size_t>(node - 1);
      detail::check_mpi(MPI_Irecv(problems[i].data(), length, MPI_CHAR, node, kProblemTag, comm_, &requests[i]),
                        "MPI_Irecv");
    }
    const auto begin = std::chrono::steady_clock::now();
    wait_asleep([&] {
      int missing = 0;
      for (int node = size_ - 1; node >= 1; --node) {
        if (!is_complete(requests[static_cast<std::size_t>(node - 1)])) missing = node;
      }
      if (missing != 0 && seconds_since(begin) > limit)
        throw CommunicationError(text(name(missing), " has not answered for ", limit, " s: ", what));
      return missing == 0;
    });
    for (const Words& other : problems) {
      if (verdict[0] == '\0') verdict = other;
    }
    for (int node = 1; node < size_; ++node)
      detail::check_mpi(MPI_Isend(verdict.data(), length, MPI_CHAR, node, kVerdictTag, comm_,
                                  &requests[static_cast<std::size_t>(node - 1)]),
                        "MPI_Isend");
    for (MPI_Request& request : requests) wait_asleep([&] { return is_complete(request); });
  }
  if (verdict[0] != '\0') throw InvalidArgument(verdict.data());
}

std::string hear_from_first(const Communicator& world, const std::string& message) {
  Words words = words_of(message);
  MPI_Request request = MPI_REQUEST_NULL;
  detail::check_mpi(MPI_Ibcast(words.data(), static_cast<int>(words.size()), MPI_CHAR, 0, world.mpi(), &request),
                    "MPI_Ibcast");
  wait_asleep([&] { return is_complete(request); });
  return words.data();
}

}  // namespace tutti::tools::data
