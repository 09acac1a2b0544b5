// What the tests of errors share: an attempt and what became of it, and the proof that a communicator is usable no
// more.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <tests/support/ranks/grid.hpp>
#include <tutti/allreduce/allreduce.hpp>
#include <tutti/collectives/collectives.hpp>

namespace tutti::test {

using Clock = std::chrono::steady_clock;
using Action = std::function<void(const Communicator&)>;

constexpr auto kSoon = std::chrono::seconds(10);

enum class Outcome { success, invalid, communication };

struct Result {
  Outcome outcome = Outcome::success;
  std::string message;
};

inline Result attempt(const std::function<void()>& action) {
  try {
    action();
  } catch (const InvalidArgument& error) {
    return {Outcome::invalid, error.what()};
  } catch (const CommunicationError& error) {
    return {Outcome::communication, error.what()};
  }
  return {};
}

inline testing::AssertionResult contains(const std::string& message, const std::string& part) {
  if (message.find(part) != std::string::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "'" << message << "' does not say '" << part << "'";
}

inline Communicator with_timeout(double seconds) {
  return Communicator(MPI_COMM_WORLD, with_timeout_of(std::chrono::duration<double>(seconds)));
}

/// The communicator is usable no more: on every rank, soon, with some text.
inline void expect_unusable(const Communicator& comm) {
  const auto begin = Clock::now();
  const Result later = attempt([&] { barrier(comm); });
  EXPECT_EQ(later.outcome, Outcome::communication);
  EXPECT_FALSE(later.message.empty());
  EXPECT_TRUE(comm.unusable());
  // The first of them may be the one that learns why.
  const std::string since = "communicator unusable since ";
  const bool has_just_learnt = !later.message.starts_with(since);
  EXPECT_EQ(attempt([&] {
              int one = 1;
              allreduce(comm, std::span(&one, 1), ReduceOp::sum);
            }).message,
            (has_just_learnt ? since : "") + later.message);
  EXPECT_LT(Clock::now() - begin, kSoon);
}

/// Memory that outlives the test: after a failure MPI may still read and write it.
template <class T>
std::span<T> lasting(std::size_t count, T value = {}) {
  static std::vector<std::unique_ptr<std::vector<T>>> kept;
  return *kept.emplace_back(std::make_unique<std::vector<T>>(count, value));
}

}  // namespace tutti::test
