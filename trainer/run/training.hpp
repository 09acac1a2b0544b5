// A training run from an opened communicator to a written result: what a program calls, and what tests call.
#pragma once

#include <functional>

#include <tutti/collectives/communicator.hpp>
#include <tutti/trainer/config/config.hpp>
#include <tutti/trainer/run/reports.hpp>

namespace tutti::trainer {

struct TrainingOptions {
  bool resume = false;                                  ///< go on with the run in run.dir instead of beginning one
  std::function<void(const StepReport&)> on_step = {};  ///< called on every rank after each step; may be empty

  /// Asked on every rank at each step and each batch of an evaluation; may be empty. Once it says so on any rank, all
  /// ranks end the step, write a checkpoint and return.
  std::function<bool()> stop = {};
};

/// Trains as `config` says and leaves everything in run.dir, which no other run can have meanwhile. What is in a folder
/// is changed only once the run can go on: a refusal leaves it as it was.
///
/// Collective over `comm`, with the same config and options on all ranks. Bits: two runs with the same config, number
/// of ranks and threads give the same parameters, and so does a run that was stopped after any step and resumed. With
/// numerics.reproducible = "ranks" the number of ranks may differ, also of the parts of a run.
///
/// \throws AgreedError: on all ranks alike: what is wrong with data, folder, checkpoint or model; a loss or gradient
/// that is not finite. \throws Error, CommunicationError: on this rank, in the middle of the run: other ranks may be
/// waiting; call comm.abandon() and leave the program through MPI_Abort. Memory that MPI may still write to is kept
/// until then.
TrainingResult train(const Communicator& comm, const Config& config, const TrainingOptions& options = {});

}  // namespace tutti::trainer
