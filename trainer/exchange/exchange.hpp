// How replicas learn from each other: the interface between a backward pass and the update of the parameters.
//
// Synchronous SGD is the first strategy. Others differ in when and what they exchange, not in how the training loop
// calls them.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>

#include <tutti/kernels/sgd.hpp>
#include <tutti/trainer/config/config.hpp>
#include <tutti/trainer/memory/buckets.hpp>

namespace tutti::trainer {

/// Collective: all ranks call begin(), gradient_ready() any number of times (also none), and finish() or discard(),
/// step after step.
class Exchange {
 public:
  Exchange() = default;
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;
  virtual ~Exchange() = default;

  /// A new step: gradient memory is zeros from here on, and belongs to the model until it says that a gradient is
  /// ready.
  virtual void begin() = 0;

  /// This rank's gradient of `parameter` is complete. May start communication; never waits. \throws CommunicationError
  virtual void gradient_ready(std::size_t parameter) = 0;

  /// Ends the exchange and updates the parameters by `step`. If a gradient that all ranks have is not finite, returns
  /// the number of its parameter, the same on all ranks: no parameter of its bucket is updated then, and the exchange
  /// is to be ended by discard(). \throws CommunicationError
  [[nodiscard]] virtual std::optional<std::size_t> finish(const SgdStep& step) = 0;

  /// Ends the exchange without an update: afterwards no communication of the step is under way. \throws
  /// CommunicationError
  virtual void discard() = 0;

  /// Seconds spent inside the exchange's communication since begin(): starting, polling and waiting.
  virtual double exposed_seconds() const noexcept = 0;
};

/// What a strategy is made from. `comm` and `buckets` outlive it.
struct ExchangeParts {
  const Communicator& comm;
  const Buckets& buckets;
  const Config::Exchange& options;
};

/// The strategy named options.kind. Local. \throws InvalidArgument naming the known ones.
std::unique_ptr<Exchange> make_exchange(const ExchangeParts& parts);

/// sync_sgd.cpp
std::unique_ptr<Exchange> make_sync_sgd(const ExchangeParts& parts);

}  // namespace tutti::trainer
