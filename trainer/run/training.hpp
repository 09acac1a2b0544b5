// A training run from an opened communicator to a written result: what a program calls, and what tests call.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include <tutti/collectives/communicator.hpp>
#include <tutti/trainer/config/config.hpp>
#include <tutti/trainer/network/network.hpp>

namespace tutti::trainer {

/// One step, as it has been made.
struct StepReport {
  std::uint64_t step = 0;   ///< counted from 1
  std::uint64_t epoch = 0;  ///< counted from 1
  double loss = 0.0;        ///< mean over the samples of the global batch, before the update
  double learning_rate = 0.0;
  std::uint64_t samples = 0;                ///< in the global batch
  std::span<const std::uint64_t> ids = {};  ///< of this rank's samples
};

struct TrainingOptions {
  bool resume = false;                                  ///< go on with the run in run.dir instead of beginning one
  std::function<void(const StepReport&)> on_step = {};  ///< called on every rank after each step; may be empty

  /// Asked on every rank at each step and each batch of an evaluation; may be empty. Once it says so on any rank, all
  /// ranks end the step, write a checkpoint and return.
  std::function<bool()> stop = {};
};

/// The same on all ranks, but for the seconds and what follows from them, which are rank 0's.
struct TrainingResult {
  bool stopped = false;  ///< by TrainingOptions::stop, before the run was complete: there is no result.json
  std::uint64_t steps = 0;
  std::uint64_t epochs = 0;    ///< completed
  std::optional<Score> test;   ///< of the last parameters; nothing without a test set
  std::string parameter_hash;  ///< SHA-256 over all parameters in model order, in hexadecimal
  double train_seconds =
      0.0;  ///< in the training loop, with evaluations and checkpoints, all sessions of the run together
  double samples_per_s = 0.0;  ///< over all ranks, in steps
  double comm_share = 0.0;     ///< of the time in steps: spent in communication, not in work
};

/// Trains as `config` says and leaves everything in run.dir, which no other run can have meanwhile. What is in a folder
/// is changed only once the run can go on: a refusal leaves it as it was.
///
/// Collective over `comm`, with the same config and options on all ranks. Bits: two runs with the same config, number
/// of ranks and threads give the same parameters, and so does a run that was stopped after any step and resumed.
///
/// \throws AgreedError         on all ranks alike: what is wrong with data, folder, checkpoint or model, a loss that is
/// not finite. \throws Error, CommunicationError  on this rank, in the middle of the run: other ranks may be waiting;
/// call comm.abandon() and leave the
///                             program through MPI_Abort. Memory that MPI may still write to is kept until then.
TrainingResult train(const Communicator& comm, const Config& config, const TrainingOptions& options = {});

}  // namespace tutti::trainer
