// How replicas learn from each other: the interface of exchange strategies, and their table.
//
// An exchange makes gradients of one rank's samples into gradients of the global batch, bucket by bucket, on the ranks
// that own them, and gives updated parameters to the ranks that do not. It updates nothing, so every strategy goes with
// every optimizer; the training loop calls both (run/update.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <tutti/collectives/communicator.hpp>
#include <tutti/compression/compressed_allreduce.hpp>
#include <tutti/trainer/exchange/compression_guard.hpp>
#include <tutti/trainer/exchange/options.hpp>
#include <tutti/trainer/memory/buckets.hpp>
#include <tutti/trainer/memory/parameters.hpp>

namespace tutti::trainer {

/// An array that the next step depends on beside parameters and slots, of this rank: elements [first, first +
/// values.size()) of a parameter.
struct ExchangeState {
  std::string_view name;  ///< "residual"
  CompressionState::Kind kind = CompressionState::Kind::held_back;
  std::size_t parameter = 0;
  std::size_t first = 0;
  std::span<float> values = {};
  double weight = 1.0;  ///< of a value, in units of gradients
};

/// A codec that did not do for a parameter, and the one in its place.
struct ReplacedCodec {
  std::size_t parameter = 0;
  std::string from;
  std::string to;
};

/// Collective: all ranks call begin(), gradient_ready() any number of times (also none), wait() and then updated() for
/// every bucket, in order, and finish(); or discard() in place of what is left, at the same point on all ranks. Step
/// after step.
class Exchange {
 public:
  Exchange() = default;
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;
  virtual ~Exchange() = default;

  /// A new step, by its number in the run, the same on all ranks: random draws depend on it. The gradient memory
  /// belongs to the model until it says that a gradient is ready.
  virtual void begin(std::uint64_t step) = 0;

  /// Elements [first, first + count) of this rank's gradient of `parameter` are complete; each at most once a step. May
  /// start communication; never waits. \throws CommunicationError
  virtual void gradient_ready(std::size_t parameter, std::size_t first, std::size_t count) = 0;

  /// Waits until the gradients of what this rank owns of `bucket` are those of the global batch, the same bits on all
  /// ranks that own it. Buckets after it may be on their way still: what is done between two waits is done meanwhile.
  /// The first wait says that backward has ended: gradients that were not announced are what their memory holds.
  /// \throws CommunicationError
  virtual void wait(std::size_t bucket) = 0;

  /// This rank has updated what it owns of the parameters of `bucket`. May come later than the waits of other buckets,
  /// in the same order on all ranks. \throws CommunicationError
  virtual void updated(std::size_t /*bucket*/) {}

  /// Waits until all ranks have all parameters of buckets that were updated(). \throws CommunicationError
  virtual void finish() {}

  /// Adds up numbers that each rank has of what it owns, so that all ranks have those of everything: with one owner
  /// they are that already. Every element is zero on all ranks but one, so nothing is rounded.
  /// \throws CommunicationError
  virtual void combine(std::span<double> /*sums*/) {}

  /// Ends the step without its result: afterwards none of its communication is under way. \throws CommunicationError
  virtual void discard() = 0;

  /// Makes ready for `step`, which comes next, so that state() has what that step depends on. Local.
  virtual void prepare(std::uint64_t /*step*/) {}

  /// The learning rate of the step that begins next; at first, of the one before it. What is held back may depend on
  /// it. Local.
  virtual void set_learning_rate(double /*rate*/) {}

  /// To be read and written between steps. Local.
  virtual std::vector<ExchangeState> state() { return {}; }

  /// Adds to what this rank contributes to the next step: elements of a parameter's gradient that were held back
  /// elsewhere. Only for gradients of f32. Local.
  virtual void add_to_next_step(std::size_t parameter, std::size_t first, std::span<const float> values) = 0;

  /// What was found out about compression in the last step. The same on all ranks.
  virtual std::vector<CompressionCheck> take_checks() { return {}; }

  /// Checks of compression that failed in a row so far, by parameter: what comes of the next depends on them.
  virtual std::vector<int> failed_checks() const { return {}; }
  virtual void restore_failed_checks(const std::vector<int>& /*failures*/) {}

  /// Codecs that have been replaced since the run began, the same on all ranks; and to have those of an earlier session
  /// replaced again, where parameters were to travel by the same as then.
  virtual std::vector<ReplacedCodec> replaced_codecs() const { return {}; }
  virtual void replace_codecs(std::span<const ReplacedCodec> /*codecs*/) {}

  /// Seconds spent inside the exchange's communication since begin(): starting, polling and waiting.
  virtual double exposed_seconds() const noexcept = 0;

  /// Bytes that this rank has handed to collectives since begin(), in the form in which they travel.
  virtual std::uint64_t payload_bytes() const noexcept = 0;
};

/// What a strategy is made from. `comm`, `buckets` and `parameters` outlive it.
struct ExchangeParts {
  const Communicator& comm;
  const Buckets& buckets;
  std::span<const ParameterInfo> parameters;
  const ExchangeOptions& options;
};

/// The strategy named options.kind. Local. \throws InvalidArgument naming the known ones, or what else in `options` is
/// unknown.
std::unique_ptr<Exchange> make_exchange(const ExchangeParts& parts);

/// Who owns what with the strategy named options.kind. \throws InvalidArgument naming the known ones
Ownership ownership_of(const ExchangeOptions& options, const Communicator& comm);

// Each in the source of its name.
std::unique_ptr<Exchange> make_allreduce_exchange(const ExchangeParts& parts);
std::unique_ptr<Exchange> make_compressed_exchange(const ExchangeParts& parts);
std::unique_ptr<Exchange> make_sharded_exchange(const ExchangeParts& parts);

}  // namespace tutti::trainer
