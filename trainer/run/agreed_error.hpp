// Steps that may fail on some ranks only, made to end alike on all: either every rank goes on, or every rank gets the
// same error.
#pragma once

#include <exception>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include <tutti/collectives/communicator.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::trainer {

/// An error that all ranks have been told: one of them is enough to print it, and no rank waits for another.
class AgreedError : public Error {
 public:
  using Error::Error;
};

/// Collective: if any rank passes an error, every rank throws AgreedError with the message of the lowest such rank,
/// which is named unless all ranks failed with the same words. \throws CommunicationError
void settle(const Communicator& comm, const std::optional<std::string>& error);

/// Collective: like settle(), where only rank 0 can have failed, which goes without saying.
void settle_at_root(const Communicator& comm, const std::optional<std::string>& error);

/// Collective: runs `step` on every rank and returns its result, or throws like settle() on all ranks if it threw on
/// any. `step` itself must not communicate.
template <class Step>
auto agree(const Communicator& comm, Step&& step) {
  std::optional<std::string> error;
  if constexpr (std::is_void_v<decltype(step())>) {
    try {
      step();
    } catch (const std::exception& caught) {
      error = caught.what();
    }
    settle(comm, error);
  } else {
    std::optional<decltype(step())> result;
    try {
      result.emplace(step());
    } catch (const std::exception& caught) {
      error = caught.what();
    }
    settle(comm, error);
    return std::move(*result);
  }
}

/// Collective: runs `step` on rank 0 only; other ranks learn whether it failed.
template <class Step>
void agree_at_root(const Communicator& comm, Step&& step) {
  std::optional<std::string> error;
  if (comm.rank() == 0) {
    try {
      step();
    } catch (const std::exception& caught) {
      error = caught.what();
    }
  }
  settle_at_root(comm, error);
}

/// Collective: the text of rank 0, on every rank.
std::string broadcast_text(const Communicator& comm, std::string text);

/// Collective: whether all ranks pass the same number.
bool all_equal(const Communicator& comm, std::uint64_t value);

}  // namespace tutti::trainer
