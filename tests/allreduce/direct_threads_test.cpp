// Allreduce in each other's memory with threads as ranks: the same code under ThreadSanitizer, which sees one address
// space.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include <tutti/allreduce/direct.hpp>

namespace tutti {
namespace {

using namespace detail;

constexpr unsigned kSeed = 20261122;

/// A thread as a rank: everyone can map everyone's memory, as far as it is said to be mapped.
class ThreadMates final : public NodeMates {
 public:
  using NodeMates::NodeMates;
  bool maps = true;

  Place place_of(const void* data, std::size_t bytes) override {
    if (!maps) return {};
    return {.allocation = 1, .offset = reinterpret_cast<std::uintptr_t>(data), .bytes = bytes, .fd = 0};
  }
  std::byte* address_of(int /*number*/, const Place& place) override {
    return reinterpret_cast<std::byte*>(place.offset);  // NOLINT(performance-no-int-to-ptr): it was a pointer
  }
  void forget_freed() override {}
};

/// What ranks have in common.
struct Node {
  std::vector<std::unique_ptr<Board>> boards;
  std::vector<std::unique_ptr<Staging>> staging;

  explicit Node(int size) {
    for (int r = 0; r < size; ++r) {
      boards.push_back(std::make_unique<Board>());
      staging.push_back(std::make_unique<Staging>());
    }
  }
  ThreadMates mates(int number) const {
    std::vector<Board*> all_boards;
    std::vector<Staging*> all_staging;
    for (const auto& board : boards) all_boards.push_back(board.get());
    for (const auto& stage : staging) all_staging.push_back(stage.get());
    return {number, std::move(all_boards), std::move(all_staging)};
  }
};

struct Draw {
  std::size_t count;
  bool in_place;
  std::vector<bool> maps;  // of every rank
};

std::vector<Draw> draws(int size, int how_many) {
  std::mt19937 generator(kSeed + static_cast<unsigned>(size));
  std::vector<Draw> all;
  for (int i = 0; i < how_many; ++i) {
    constexpr std::size_t kLargest[] = {1, 12, 1024, 1025, 20'000, 200'000};
    std::uniform_int_distribution<std::size_t> count(0, kLargest[generator() % std::size(kLargest)]);
    Draw draw{count(generator), generator() % 2 == 0, {}};
    const auto kind = generator() % 3;  // all, none, or some
    for (int r = 0; r < size; ++r) draw.maps.push_back(kind == 0 || (kind == 2 && generator() % 2 == 0));
    all.push_back(draw);
  }
  return all;
}

std::int32_t contribution(int rank, int operation, std::size_t i) {
  return static_cast<std::int32_t>(static_cast<std::size_t>((rank + 1) * (operation + 3)) + i * 7);
}

/// One operation of one rank, and its memory.
struct Operation {
  std::vector<std::int32_t> input;
  std::vector<std::int32_t> output;
  std::unique_ptr<DirectAllreduce> work;
  bool complete = false;
};

bool advance(std::vector<Operation>& underway) {
  bool all = true;
  for (Operation& operation : underway) {
    operation.complete = operation.complete || operation.work->advance() == Task::Progress::complete;
    all = all && operation.complete;
  }
  return all;
}

class DirectThreads : public testing::TestWithParam<int> {};

TEST_P(DirectThreads, SumsOfAllKindsAndSizesSeveralUnderWay) {
  const int size = GetParam();
  const Node node(size);
  const std::vector<Draw> all = draws(size, 120);
  std::atomic<int> wrong{0};
  std::atomic<bool> late{false};
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  const auto rank = [&](int number) {
    ThreadMates mates = node.mates(number);
    std::mt19937 generator(kSeed * 7 + static_cast<unsigned>(number));
    for (std::size_t first = 0; first < all.size() && !late; first += 3) {
      std::vector<Operation> underway(std::min<std::size_t>(3, all.size() - first));
      for (std::size_t k = 0; k < underway.size(); ++k) {
        const Draw& draw = all[first + k];
        Operation& operation = underway[k];
        operation.input.resize(draw.count);
        for (std::size_t i = 0; i < draw.count; ++i) operation.input[i] = contribution(number, int(first + k), i);
        operation.output = draw.in_place ? operation.input : std::vector<std::int32_t>(draw.count, -1);
        mates.maps = draw.maps[static_cast<std::size_t>(number)];
        const Buffer output{std::span(operation.output)};
        operation.work = std::make_unique<DirectAllreduce>(
            mates, draw.in_place ? ConstBuffer(output) : ConstBuffer(Buffer(std::span(operation.input))), output,
            ReduceOp::sum, Header{}, 42);
        operation.work->advance();  // posts, since few are under way: `maps` is of this one
        if (generator() % 8 == 0) std::this_thread::sleep_for(std::chrono::microseconds(generator() % 200));
      }
      while (!advance(underway) && !late) {
        if (std::chrono::steady_clock::now() > limit) late = true;
        std::this_thread::yield();
      }
      for (std::size_t k = 0; k < underway.size(); ++k) {
        for (std::size_t i = 0; i < underway[k].output.size(); ++i) {
          std::int32_t sum = 0;
          for (int r = 0; r < size; ++r) sum += contribution(r, int(first + k), i);
          if (underway[k].output[i] != sum) ++wrong;
        }
      }
    }
  };
  std::vector<std::thread> threads;
  threads.reserve(static_cast<std::size_t>(size));
  for (int r = 0; r < size; ++r) threads.emplace_back(rank, r);
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(late) << "seed " << kSeed;
  EXPECT_EQ(wrong, 0) << "seed " << kSeed;
}

INSTANTIATE_TEST_SUITE_P(Ranks, DirectThreads, testing::Values(2, 3, 5, 8));

}  // namespace
}  // namespace tutti
