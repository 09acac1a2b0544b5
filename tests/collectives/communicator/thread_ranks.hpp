// A communicator whose ranks are threads of one process, joined by a network that the test damages: messages may be
// lost, held back, or overtaken by others. No MPI is initialised.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <tutti/collectives/communicator.hpp>
#include <tutti/collectives/communicator/control_channel.hpp>
#include <tutti/collectives/transport/bootstrap.hpp>
#include <tutti/collectives/transport/transport.hpp>

namespace tutti::test {

/// A message as the network sees it. `index` counts those of the pair that have this tag, from 0.
struct Envelope {
  int from;
  int to;
  int tag;
  std::uint64_t index;
};

/// What becomes of a message: lost, or delivered after so long. One that is held back is overtaken by messages of other
/// pairs and tags, and by none of its own, as transports promise.
struct Fate {
  bool lost = false;
  std::chrono::microseconds delay{0};
};

class FaultyNetwork {
 public:
  explicit FaultyNetwork(int size) : size_(size), control_(static_cast<std::size_t>(size)) {}

  int size() const noexcept { return size_; }

  /// Set before the ranks start. By default everything arrives at once.
  std::function<Fate(const Envelope&)> data_fate;
  std::function<Fate(int from, int to, const detail::ControlMessage&)> control_fate;

  void send(int from, int to, int tag, std::span<const std::byte> bytes);
  /// The next message of the pair with this tag that has arrived.
  std::optional<std::vector<std::byte>> take(int from, int to, int tag);
  /// Who sent one with this tag that has arrived.
  std::optional<int> probe(int to, int tag);

  void send_control(int from, int to, const detail::ControlMessage& message);
  std::optional<detail::ControlMessage> take_control(int to);

  /// What the bootstrap exchanges.
  void all_gather(int rank, const void* own, void* all, std::size_t bytes);

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Parcel {
    Time arrives;
    std::vector<std::byte> bytes;
  };
  struct Control {
    Time arrives;
    detail::ControlMessage message;
  };

  int size_;
  std::mutex mutex_;
  std::condition_variable gathered_;
  std::map<std::tuple<int, int, int>, std::deque<Parcel>> parcels_;
  std::map<std::tuple<int, int, int>, std::uint64_t> sent_;
  std::vector<std::vector<Control>> control_;
  std::vector<std::byte> gathering_;
  std::vector<std::byte> gathered_bytes_;
  int came_ = 0;
  std::uint64_t round_ = 0;
};

/// Runs `body` on a thread for each rank, with a communicator of all of them; returns for each rank what it threw, or
/// nothing.
std::vector<std::string> run_ranks(FaultyNetwork& network, const CommunicatorOptions& options,
                                   const std::function<void(const Communicator&)>& body);

}  // namespace tutti::test
