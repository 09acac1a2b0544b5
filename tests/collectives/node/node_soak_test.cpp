// A million small collectives in the memory of a node, with ranks that pause where it pleases them: whoever is ahead
// waits for places of posts to be free, whoever is behind finds posts of the others' next calls.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <numeric>
#include <random>
#include <span>
#include <thread>
#include <vector>

#include <tests/support/ranks/grid.hpp>
#include <tutti/allreduce/allreduce.hpp>
#include <tutti/collectives/collectives.hpp>
#include <tutti/collectives/communicator/communicator_state.hpp>

namespace tutti {
namespace {

constexpr unsigned kSeed = 20261125;
constexpr std::uint64_t kCalls = 1'000'000;
constexpr std::uint64_t kFewest = 10'000;
constexpr auto kLongest = std::chrono::seconds(20);
constexpr std::size_t kMostElements = 8;
constexpr std::size_t kMostUnderWay = 24;  // more than there are posts

using Element = std::uint64_t;

Element contribution(int rank, std::uint64_t call, std::size_t i) {
  return (call * 1'000 + i) * 64 + static_cast<Element>(rank);
}

Element sum(int ranks, std::uint64_t call, std::size_t i) {
  Element all = 0;
  for (int r = 0; r < ranks; ++r) all += contribution(r, call, i);
  return all;
}

class Soak {
 public:
  explicit Soak(const Communicator& comm)
      : comm_(comm), calls_(kSeed), pauses_(kSeed * 3 + static_cast<unsigned>(comm.rank())) {}

  void run() {
    const auto begin = std::chrono::steady_clock::now();
    for (int turn = 0; call_ < kCalls; ++turn) {
      Element late = std::chrono::steady_clock::now() - begin > kLongest && call_ > kFewest ? 1 : 0;
      if (turn % 1024 == 0) broadcast(comm_, Buffer(std::span(&late, 1)), 0);
      if (turn % 1024 == 0 && late != 0) break;
      pause();
      if (calls_() % 128 == 0) {
        many_under_way();
      } else {
        one();
      }
    }
  }

  std::uint64_t calls() const { return call_; }
  std::uint64_t wrong() const { return wrong_; }

 private:
  /// Of this rank alone.
  void pause() {
    const auto draw = pauses_() % 16'384;
    if (draw == 0) std::this_thread::sleep_for(std::chrono::microseconds(pauses_() % 500));
    if (draw % 256 == 1) std::this_thread::yield();
  }

  void expect(Element got, Element expected) { wrong_ += got == expected ? 0 : 1; }

  void one() {
    const int root = static_cast<int>(calls_() % static_cast<unsigned>(comm_.size()));
    const std::size_t count = 1 + calls_() % kMostElements;
    std::array<Element, kMostElements> own{};
    for (std::size_t i = 0; i < count; ++i) own[i] = contribution(comm_.rank(), call_, i);
    const std::span<Element> data = std::span(own).first(count);
    switch (calls_() % 5) {
      case 0:
        barrier(comm_);
        break;
      case 1:
        broadcast(comm_, Buffer(data), root);
        for (std::size_t i = 0; i < count; ++i) expect(data[i], contribution(root, call_, i));
        break;
      case 2:
        gathered_.resize(count * static_cast<std::size_t>(comm_.size()));
        gather(comm_, ConstBuffer(Buffer(data)), Buffer(std::span(gathered_)), root);
        for (std::size_t i = 0; comm_.rank() == root && i < gathered_.size(); ++i) {
          expect(gathered_[i], contribution(static_cast<int>(i / count), call_, i % count));
        }
        break;
      default:
        allreduce(comm_, data, ReduceOp::sum);
        for (std::size_t i = 0; i < count; ++i) expect(data[i], sum(comm_.size(), call_, i));
    }
    ++call_;
  }

  /// Waited for in an order of this rank's own.
  void many_under_way() {
    const std::size_t many = 1 + calls_() % kMostUnderWay;
    std::array<Element, kMostUnderWay> data{};
    std::vector<Request> operations;
    for (std::size_t k = 0; k < many; ++k) {
      data[k] = contribution(comm_.rank(), call_ + k, 0);
      operations.push_back(iallreduce(comm_, std::span(data).subspan(k, 1), ReduceOp::sum));
    }
    std::vector<std::size_t> order(many);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::shuffle(order.begin(), order.end(), pauses_);
    for (const std::size_t k : order) {
      pause();
      operations[k].wait();
      expect(data[k], sum(comm_.size(), call_ + k, 0));
    }
    call_ += many;
  }

  const Communicator& comm_;
  std::mt19937 calls_;  // draws alike on all ranks
  std::mt19937 pauses_;
  std::vector<Element> gathered_;
  std::uint64_t call_ = 0;
  std::uint64_t wrong_ = 0;
};

TEST(Soak, AMillionSmallCallsWithPauses) {
  const Communicator comm = test::world();
  ASSERT_NE(comm.state().node(), nullptr) << "the ranks of this node cannot map each other's memory";
  Soak soak(comm);
  soak.run();
  EXPECT_EQ(soak.wrong(), 0U) << "seed " << kSeed;
  if (comm.rank() == 0) std::printf("%llu calls\n", static_cast<unsigned long long>(soak.calls()));
}

}  // namespace
}  // namespace tutti
