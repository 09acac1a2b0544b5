// Threads as ranks; see thread_ranks.hpp.
#include "tests/collectives/communicator/thread_ranks.hpp"

#include <algorithm>
#include <cstring>
#include <list>
#include <thread>

#include <tutti/collectives/communicator/communicator_state.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::test {

using detail::ControlMessage;

void FaultyNetwork::send(int from, int to, int tag, std::span<const std::byte> bytes) {
  const std::lock_guard lock(mutex_);
  const std::tuple key(from, to, tag);
  const Fate fate = data_fate ? data_fate({from, to, tag, sent_[key]++}) : Fate{};
  if (fate.lost) return;
  std::deque<Parcel>& queue = parcels_[key];
  Time arrives = std::chrono::steady_clock::now() + fate.delay;
  if (!queue.empty()) arrives = std::max(arrives, queue.back().arrives);
  queue.push_back({arrives, {bytes.begin(), bytes.end()}});
}

std::optional<std::vector<std::byte>> FaultyNetwork::take(int from, int to, int tag) {
  const std::lock_guard lock(mutex_);
  const auto found = parcels_.find({from, to, tag});
  if (found == parcels_.end() || found->second.empty()) return std::nullopt;
  if (found->second.front().arrives > std::chrono::steady_clock::now()) return std::nullopt;
  std::vector<std::byte> bytes = std::move(found->second.front().bytes);
  found->second.pop_front();
  return bytes;
}

std::optional<int> FaultyNetwork::probe(int to, int tag) {
  const std::lock_guard lock(mutex_);
  for (int from = 0; from < size_; ++from) {
    const auto found = parcels_.find({from, to, tag});
    if (found != parcels_.end() && !found->second.empty() &&
        found->second.front().arrives <= std::chrono::steady_clock::now()) {
      return from;
    }
  }
  return std::nullopt;
}

void FaultyNetwork::send_control(int from, int to, const ControlMessage& message) {
  const std::lock_guard lock(mutex_);
  const Fate fate = control_fate ? control_fate(from, to, message) : Fate{};
  if (fate.lost) return;
  control_[static_cast<std::size_t>(to)].push_back({std::chrono::steady_clock::now() + fate.delay, message});
}

std::optional<ControlMessage> FaultyNetwork::take_control(int to) {
  const std::lock_guard lock(mutex_);
  std::vector<Control>& queue = control_[static_cast<std::size_t>(to)];
  for (auto it = queue.begin(); it != queue.end(); ++it) {
    if (it->arrives > std::chrono::steady_clock::now()) continue;
    const ControlMessage message = it->message;
    queue.erase(it);
    return message;
  }
  return std::nullopt;
}

void FaultyNetwork::all_gather(int rank, const void* own, void* all, std::size_t bytes) {
  std::unique_lock lock(mutex_);
  const auto ranks = static_cast<std::size_t>(size_);
  gathering_.resize(bytes * ranks);
  if (bytes > 0) std::memcpy(gathering_.data() + static_cast<std::size_t>(rank) * bytes, own, bytes);
  const std::uint64_t round = round_;
  if (++came_ == size_) {
    came_ = 0;
    ++round_;
    gathered_bytes_ = std::exchange(gathering_, {});
    gathered_.notify_all();
  } else {
    gathered_.wait(lock, [&] { return round_ != round; });
  }
  // Nobody can fill it again before all have come once more, this rank too.
  if (bytes > 0) std::memcpy(all, gathered_bytes_.data(), bytes * ranks);
}

namespace {

class ThreadBootstrap final : public detail::Bootstrap {
 public:
  ThreadBootstrap(FaultyNetwork& network, int rank) : Bootstrap(rank, network.size()), network_(network) {}

  using Bootstrap::all_gather;
  void all_gather(const void* own, void* all, std::size_t bytes) override {
    network_.all_gather(rank(), own, all, bytes);
  }
  void broadcast(void* data, std::size_t bytes, int root) override {
    std::vector<std::byte> all(bytes * static_cast<std::size_t>(size()));
    network_.all_gather(rank(), data, all.data(), bytes);
    if (bytes > 0) std::memcpy(data, all.data() + bytes * static_cast<std::size_t>(root), bytes);
  }

 private:
  FaultyNetwork& network_;
};

class ThreadTransport final : public detail::Transport {
 public:
  ThreadTransport(FaultyNetwork& network, int rank) : network_(network), rank_(rank) {}

  void send(int peer, int tag, std::span<const std::byte> bytes, detail::Pending& pending) override {
    network_.send(rank_, peer, tag, bytes);
    ++pending.messages;
    sent_.push_back(&pending);
  }
  void receive(int peer, int tag, std::span<std::byte> bytes, detail::Pending& pending) override {
    ++pending.messages;
    awaited_.push_back({peer, tag, bytes, &pending});
  }
  std::optional<int> probe(int tag) override { return network_.probe(rank_, tag); }
  bool progress() override {
    const std::uint64_t before = completions();
    for (detail::Pending* pending : std::exchange(sent_, {})) count_down(*pending);
    std::vector<std::pair<int, int>> waiting;  // pairs whose first receive has nothing yet: later ones keep the order
    for (auto it = awaited_.begin(); it != awaited_.end();) {
      const std::pair key(it->peer, it->tag);
      const bool behind = std::find(waiting.begin(), waiting.end(), key) != waiting.end();
      std::optional<std::vector<std::byte>> bytes;
      if (!behind) bytes = network_.take(it->peer, rank_, it->tag);
      if (!bytes) {
        waiting.push_back(key);
        ++it;
        continue;
      }
      if (bytes->size() > it->bytes.size()) throw CommunicationError("message is longer than its receive");
      if (!bytes->empty()) std::memcpy(it->bytes.data(), bytes->data(), bytes->size());
      detail::Pending* const pending = it->pending;
      it = awaited_.erase(it);
      count_down(*pending);
    }
    return completions() != before;
  }
  void wait_any() override {}
  std::vector<detail::Underway> underway() const override {
    std::vector<detail::Underway> all;
    for (const Awaited& one : awaited_) all.push_back({one.peer, detail::Direction::receive, one.pending});
    return all;
  }

 private:
  struct Awaited {
    int peer;
    int tag;
    std::span<std::byte> bytes;
    detail::Pending* pending;
  };

  FaultyNetwork& network_;
  int rank_;
  std::vector<detail::Pending*> sent_;
  std::list<Awaited> awaited_;
};

class ThreadControlChannel final : public detail::ControlChannel {
 public:
  ThreadControlChannel(FaultyNetwork& network, int rank) : ControlChannel(rank, network.size()), network_(network) {}

  void set_stamp(std::uint64_t /*stamp*/) override {}
  void forget_sent() noexcept override {}
  void flush() noexcept override {}
  void free() noexcept override {}

 private:
  void do_send(int peer, const ControlMessage& message) noexcept override {
    network_.send_control(rank(), peer, message);
  }
  std::optional<ControlMessage> do_receive() override { return network_.take_control(rank()); }

  FaultyNetwork& network_;
};

}  // namespace

std::vector<std::string> run_ranks(FaultyNetwork& network, const CommunicatorOptions& options,
                                   const std::function<void(const Communicator&)>& body) {
  std::vector<std::string> errors(static_cast<std::size_t>(network.size()));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < network.size(); ++rank) {
    threads.emplace_back([&, rank] {
      try {
        ThreadBootstrap bootstrap(network, rank);
        const Communicator comm(std::make_shared<detail::CommunicatorState>(
            detail::CommunicatorParts{.ranks = bootstrap,
                                      .control = std::make_unique<ThreadControlChannel>(network, rank),
                                      .transport = std::make_shared<ThreadTransport>(network, rank)},
            options, nullptr));
        body(comm);
      } catch (const std::exception& error) {
        errors[static_cast<std::size_t>(rank)] = error.what();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return errors;
}

}  // namespace tutti::test
