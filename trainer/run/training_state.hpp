// What the next step depends on, and its way into and out of a checkpoint.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <tutti/io/checkpoint.hpp>
#include <tutti/trainer/config/config.hpp>
#include <tutti/trainer/exchange/loss_scale.hpp>
#include <tutti/trainer/memory/buckets.hpp>
#include <tutti/trainer/memory/parameters.hpp>
#include <tutti/trainer/run/data.hpp>
#include <tutti/trainer/run/replicas.hpp>
#include <tutti/trainer/run/reports.hpp>
#include <tutti/trainer/run/step_loop.hpp>

namespace tutti::trainer {

/// Where a run stands, the same on all ranks but for the seconds, which are rank 0's.
struct Position {
  std::uint64_t step = 0;   ///< steps done; the optimizer has counted them for its bias corrections, less those skipped
  std::uint64_t epoch = 0;  ///< of the next step
  std::uint64_t batch = 0;  ///< of the loader: the first of the next step, within its epoch
  std::uint64_t samples = 0;  ///< seen so far, over all ranks
  LossScaleState loss_scale = {};
  std::vector<std::uint32_t> exchange_layouts = {};  ///< of the arrays that ranks keep (exchange_state.hpp)
  std::vector<ReplacedCodec> replaced_codecs = {};
  std::vector<int> failed_checks = {};  ///< of compression, in a row, by parameter
  double train_seconds = 0.0;           ///< time in the training loop, evaluations and checkpoints included
  double step_seconds = 0.0;            ///< time in steps
  double exposed_seconds = 0.0;         ///< time of steps spent in communication
  StepPhases phase_seconds = {};    ///< time of steps by what was done; 0 for steps of programs that did not measure it
  std::uint64_t payload_bytes = 0;  ///< that rank 0 handed to collectives in steps; likewise

  /// Counted from 1, as people do.
  std::uint64_t epoch_of_last_step() const noexcept { return batch == 0 ? epoch : epoch + 1; }
};

/// What identifies a run, beside its position: a checkpoint of another one is refused.
struct RunIdentity {
  const Config& config;
  const io::Dataset& train;
  const std::vector<ParameterInfo>& parameters;
  int threads;                            ///< of this rank's arithmetic
  std::vector<NamedBuffer> buffers = {};  ///< of the model, beside its parameters
  TaskShape task = {};                    ///< for those who make the model without the data sets
  std::vector<NamedBuffer> scales = {};   ///< of gradients, where bits do not depend on the number of ranks
};

/// `slots`: those of all owners, gathered.
io::Checkpoint make_checkpoint(const RunIdentity& run, const Position& position, const Buckets& buckets,
                               const WholeSlots& slots);

/// Fills the parameters of `buckets`, `slots` and the buffers of `run` and returns the position. Settings that differ
/// but may are listed in `notes`. \throws DataError naming `file` and what differs: the model (its first differing
/// parameter), the data set, a setting that
///         makes it another run; nothing is changed then.
Position restore_checkpoint(const std::filesystem::path& file, const io::Checkpoint& checkpoint, const RunIdentity& run,
                            const Buckets& buckets, const WholeSlots& slots, std::vector<std::string>& notes);

/// The model in a checkpoint, for other uses than going on with the run.
struct StoredModel {
  Config config;
  Position position;
  std::optional<TaskShape> task;            ///< earlier versions did not write it
  std::vector<io::NamedTensor> parameters;  ///< in model order, by their names in the model
  std::vector<io::NamedTensor> buffers;
};

/// `average`: with the moving average in place of the parameters. \throws DataError naming `file`: not of a training
/// run, or without an average
StoredModel stored_model(const std::filesystem::path& file, const io::Checkpoint& checkpoint, bool average);

/// A position as JSON, to be sent to other ranks, and back.
std::string to_json(const Position& position);
Position position_from_json(const std::string& json_text);

}  // namespace tutti::trainer
