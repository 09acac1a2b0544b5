// Ranks that are threads of this process.
#pragma once

#include <barrier>
#include <cstdint>
#include <exception>
#include <functional>
#include <thread>
#include <vector>

#include <tutti/io/ranks.hpp>

namespace tutti::io::test {

class ThreadRanks {
 public:
  /// Runs `body` on `size` ranks; throws what the lowest of those that threw did. They throw alike, or the others would
  /// wait.
  static void run(int size, const std::function<void(Ranks&)>& body) {
    ThreadRanks all(size);
    std::vector<std::exception_ptr> errors(static_cast<std::size_t>(size));
    std::vector<std::thread> threads;
    threads.reserve(errors.size());
    for (int rank = 0; rank < size; ++rank)
      threads.emplace_back([&, rank] {
        One one(all, rank);
        try {
          body(one);
        } catch (...) {
          errors[static_cast<std::size_t>(rank)] = std::current_exception();
        }
      });
    for (std::thread& thread : threads) thread.join();
    for (const std::exception_ptr& error : errors)
      if (error) std::rethrow_exception(error);
  }

 private:
  class One final : public Ranks {
   public:
    One(ThreadRanks& all, int rank) : all_(all), rank_(rank) {}
    int rank() const override { return rank_; }
    int size() const override { return static_cast<int>(all_.given_.size()); }
    std::vector<std::vector<std::uint64_t>> all_gather(const std::vector<std::uint64_t>& mine) override {
      all_.given_[static_cast<std::size_t>(rank_)] = mine;
      all_.barrier_.arrive_and_wait();
      auto theirs = all_.given_;
      all_.barrier_.arrive_and_wait();
      return theirs;
    }

   private:
    ThreadRanks& all_;
    int rank_;
  };

  explicit ThreadRanks(int size) : given_(static_cast<std::size_t>(size)), barrier_(size) {}

  std::vector<std::vector<std::uint64_t>> given_;
  std::barrier<> barrier_;
};

}  // namespace tutti::io::test
