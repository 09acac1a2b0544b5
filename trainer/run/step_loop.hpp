// The steps of a run: from samples to updated parameters, on all ranks. No files, no data sets, no clock but for the
// times that a report tells: what has the folder and reads samples is training.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <tutti/collectives/communicator.hpp>
#include <tutti/collectives/request.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/trainer/config/config.hpp>
#include <tutti/trainer/exchange/exchange.hpp>
#include <tutti/trainer/exchange/loss_scale.hpp>
#include <tutti/trainer/exchange/shard_sums.hpp>
#include <tutti/trainer/memory/buckets.hpp>
#include <tutti/trainer/network/network.hpp>
#include <tutti/trainer/optimizers/learning_rate.hpp>
#include <tutti/trainer/optimizers/optimizer.hpp>
#include <tutti/trainer/run/agreed_error.hpp>
#include <tutti/trainer/run/reports.hpp>
#include <tutti/trainer/run/shard_buffers.hpp>
#include <tutti/trainer/run/statistics.hpp>
#include <tutti/trainer/run/update.hpp>

namespace tutti::trainer {

/// What a model learns from.
struct TaskShape {
  std::vector<std::size_t> input;  ///< of one sample
  std::size_t classes = 0;
  std::uint64_t steps_per_epoch = 1;
  std::uint64_t steps = 0;                ///< of the whole run; 0 if no schedule asks for it
  std::size_t numbers = 0;                ///< of one sample's target, where there are no classes
  bool integers = false;                  ///< whether the model wants the first input as integers
  std::vector<Task::Input> further = {};  ///< inputs behind the first

  Task of_network(std::uint64_t seed) const {
    return {
        .input = input, .classes = classes, .numbers = numbers, .integers = integers, .further = further, .seed = seed};
  }
};

/// What this rank brings to a step, or to the last micro-batch of it where others came before (StepLoop::accumulate).
struct StepInput {
  std::uint64_t step = 0;                   ///< of the run, counted from 0; the same on all ranks
  Samples samples = {};                     ///< of this rank; may be none
  std::span<const std::uint64_t> ids = {};  ///< of this rank's samples in the step, for reports
  std::uint64_t global_samples = 0;         ///< in the step, of all ranks; the same on all that have not failed
};

/// What this rank brings to a step where bits do not depend on the number of ranks.
struct ShardsInput {
  std::uint64_t step = 0;                       ///< of the run, counted from 0; the same on all ranks
  std::span<const Samples> samples = {};        ///< by shard of this rank, within it by batch; any if it has failed
  std::span<const std::uint64_t> batches = {};  ///< global samples of each; the same on all ranks
  std::span<const std::uint64_t> ids = {};      ///< of this rank's samples in the step, for reports
};

/// A loss or gradient is not finite, as all ranks have found, and no smaller loss scale helps. With a loss nothing has
/// been updated, with a gradient no parameter of its bucket or of later ones.
class NotFiniteError : public AgreedError {
 public:
  using AgreedError::AgreedError;
};

/// One rank's replica with all that a step needs. Parameters and slots begin as zeros; the caller makes them, the same
/// on all ranks (share_parameters), and between two steps they are the same on all ranks, bit for bit.
class StepLoop {
 public:
  /// Collective, with the same arguments on all ranks. `comm` and `config` outlive it. \throws AgreedError: no such
  /// model, optimizer or strategy, a model that cannot take such inputs, not enough memory.
  StepLoop(const Communicator& comm, const Config& config, const TaskShape& task);
  StepLoop(const StepLoop&) = delete;
  StepLoop& operator=(const StepLoop&) = delete;

  Network& network() noexcept { return *network_; }
  const std::vector<ParameterInfo>& parameters() const noexcept { return network_->parameters(); }
  const Buckets& buckets() const noexcept { return *buckets_; }
  Exchange& exchange() noexcept { return *exchange_; }

  /// Runs work of this rank alone, such as reading samples, unless something failed before. What it throws is kept for
  /// the other ranks to be told, in the next train_step() or settle_failures(), which then throw.
  template <class Work>
  void attempt(Work work) {
    if (failure_) return;
    try {
      work();
    } catch (const CommunicationError&) {  // which the other ranks cannot be told in order
      throw;
    } catch (...) {
      keep_failure();
    }
  }
  void settle_failures() { settle(comm_, failure_); }

  /// Of the next step. The same on all ranks.
  const LossScaleState& loss_scale() const noexcept { return loss_scale_.state(); }
  /// Before the state of the exchange is restored: the next step is `step`. After restore_loss_scale().
  void go_on_at(std::uint64_t step);

  void restore_loss_scale(const LossScaleState& state) noexcept { loss_scale_.restore(state); }

  /// A micro-batch of the step that the next train_step() ends: its gradients are added to those of this rank, and
  /// no gradient is exchanged. `global_samples` is that of the whole step, over all its micro-batches and ranks.
  /// Collective if statistics of batch normalisation are shared: all ranks make as many micro-batches. What fails is
  /// told as what an attempt() throws. \throws CommunicationError
  void accumulate(const Samples& samples, std::uint64_t global_samples);

  /// Collective: runs `work` while the network has the average of the parameters (optimizer.ema_decay) in their place.
  /// If it throws, what this rank owns is as before.
  template <class Work>
  auto with_average(Work work) {
    swap_average();
    try {
      auto result = work();
      swap_average();
      return result;
    } catch (...) {
      update_->swap_average();
      throw;
    }
  }

  /// Collective: every rank calls this for every global batch, also without samples of its own. `stop`, which may be
  /// empty, is asked once; the report says whether it said so on any rank.
  /// \throws AgreedError: an attempt failed on some rank; NotFiniteError: see there. After both no communication is
  /// under way. \throws Error, CommunicationError: on this rank alone.
  StepReport train_step(const StepInput& input, const std::function<bool()>& stop = {});

  /// Collective, in place of accumulate() and train_step() with numerics.reproducible = "ranks": a whole step. Throws
  /// as train_step().
  StepReport train_shards(const ShardsInput& input, const std::function<bool()>& stop = {});

  /// Scales of the gradients of shards, by parameter: what the next step depends on besides parameters and slots. None
  /// at other levels.
  std::vector<NamedBuffer> scales() const;

 private:
  std::unique_ptr<Buckets> make_buckets();
  double taken_statistics_seconds();
  void begin_step();
  void compute_shards(const ShardsInput& input, bool asked_to_stop);
  void end_shard_buffers(const ShardsInput& input);
  void swap_average();
  void keep_failure();
  std::string memory_text() const;
  void update(const StepInput& input, StepReport& report);
  std::string step_text(std::uint64_t step) const;
  [[noreturn]] void stop_at_loss(const StepInput& input, double local_loss, double loss);
  [[noreturn]] void stop_at_gradient(const StepInput& input, const UpdateOutcome& outcome);

  const Communicator& comm_;
  const Config& config_;
  const std::uint64_t steps_per_epoch_;
  const std::unique_ptr<const LearningRate> learning_rate_;
  const std::unique_ptr<CommunicatorStatistics> statistics_;  // null: each rank has its own
  const std::unique_ptr<Network> network_;
  const std::unique_ptr<Optimizer> optimizer_;
  const std::unique_ptr<Buckets> buckets_;
  const std::unique_ptr<Exchange> exchange_;
  ShardSums* const shard_sums_;  // the same, where shards are added up
  const std::unique_ptr<Update> update_;
  LossScale loss_scale_;
  ShardBuffers shard_buffers_;
  std::vector<double> sums_;  // being added up over ranks: losses, how many have a failure_, how many want to stop
  Request loss_operation_;
  bool in_step_ = false;                // gradients of micro-batches are there
  bool announces_ = false;              // gradients that backward completes are those of the step
  double statistics_seconds_ = 0.0;     // of the step, in the statistics of batch normalisation
  double local_loss_ = 0.0;             // of this rank's micro-batches
  StepPhases phases_;                   // of the step so far
  std::optional<std::string> failure_;  // of this rank, not known to the others yet
};

}  // namespace tutti::trainer
