// What a run tells those who called it: after each step, and at its end.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include <tutti/trainer/network/network.hpp>

namespace tutti::trainer {

/// Where the time of a step goes, in seconds of this rank. Time spent in communication is in none of them.
struct StepPhases {
  double reading = 0.0;  ///< of samples
  double forward = 0.0;
  double backward = 0.0;
  double update = 0.0;  ///< of parameters, with the search for gradients that are not finite

  StepPhases& operator+=(const StepPhases& more) noexcept {
    reading += more.reading;
    forward += more.forward;
    backward += more.backward;
    update += more.update;
    return *this;
  }
};

/// One step, as it has been made.
struct StepReport {
  std::uint64_t step = 0;   ///< counted from 1
  std::uint64_t epoch = 0;  ///< counted from 1
  double loss = 0.0;        ///< mean over the samples of the global batch, before the update
  double learning_rate = 0.0;
  std::optional<double> gradient_norm = {};  ///< before clipping; with run.log_gradient_norm or optimizer.clip_norm
  std::optional<double> loss_scale = {};     ///< only with numerics.loss_scale
  std::uint64_t skipped_steps = 0;           ///< of the run so far: gradients of the scaled loss were not finite
  std::uint64_t samples = 0;                 ///< in the global batch, all its micro-batches together
  std::span<const std::uint64_t> ids = {};   ///< of this rank's samples
  double exposed_seconds = 0.0;              ///< of this rank, spent in communication
  StepPhases phases = {};                    ///< beside it; what is left of the step is other work
  std::uint64_t payload_bytes = 0;           ///< of this rank, handed to collectives, in the form in which they travel
  bool stop = false;                         ///< a rank was asked to stop
  std::uint64_t repeats = 0;                 ///< how often it was made anew, with larger scales for its gradients
};

/// The evaluation of a run whose monitored figure is best.
struct BestEvaluation {
  std::uint64_t step = 0;
  double value = 0.0;
};

/// The same on all ranks, but for the seconds and what follows from them, which are rank 0's.
struct TrainingResult {
  bool stopped = false;        ///< by TrainingOptions::stop, before the run was complete: there is no result.json
  bool stopped_early = false;  ///< by run.stop_after: the result is that of a complete run
  std::uint64_t steps = 0;
  std::uint64_t epochs = 0;            ///< completed
  std::optional<Score> test;           ///< of the last parameters; nothing without a test set
  ClassCounts classes;                 ///< the same, by class; empty without classes
  std::string parameter_hash;          ///< SHA-256 over all parameters in model order, in hexadecimal
  std::optional<BestEvaluation> best;  ///< so far, of all sessions; only with run.stop_after or run.keep_best
  double train_seconds = 0.0;  ///< in the loop, with evaluations and checkpoints, all sessions of the run together
  double samples_per_s = 0.0;  ///< over all ranks, in steps
  double comm_share = 0.0;     ///< of the time in steps: spent in communication, not in work
  std::optional<std::uint64_t> memory_bytes;  ///< the most of any rank, at any time of the session
};

}  // namespace tutti::trainer
