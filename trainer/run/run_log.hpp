// What rank 0 tells of a run while it is made: lines of metrics.jsonl, what is shown, and result.json.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <tutti/collectives/communicator.hpp>
#include <tutti/trainer/config/config.hpp>
#include <tutti/trainer/exchange/compression_guard.hpp>
#include <tutti/trainer/network/network.hpp>
#include <tutti/trainer/run/event_file.hpp>
#include <tutti/trainer/run/progress.hpp>
#include <tutti/trainer/run/reports.hpp>
#include <tutti/trainer/run/run_folder.hpp>
#include <tutti/trainer/run/training_state.hpp>

namespace tutti::trainer {

class RunLog {
 public:
  /// `steps` of the whole run. On ranks other than 0 nothing is shown, and nothing else is to be called but say().
  RunLog(const Config& config, bool is_root, std::uint64_t steps);

  /// Set once the run has begun or been taken up again.
  std::optional<RunFolder> folder;

  /// Set if the run has been taken up again: after which step.
  std::optional<std::uint64_t> resumed_after;

  /// Why gradients travel as they do, where that was chosen by the program.
  std::string why_compressed;

  /// After a step that took `seconds`; `position` counts it. \throws DataError
  void step(const StepReport& report, const Position& position, double seconds);

  /// After an evaluation that took `seconds`, `train_seconds` into the run. \throws DataError
  void evaluation(const Score& score, const Position& position, double seconds, double train_seconds);

  /// After a checkpoint that took `seconds`; `memory` is the most that any rank has had in use. \throws DataError
  void checkpoint(const Position& position, double seconds, std::optional<std::uint64_t> memory);

  /// Writes result.json and says what came out. \throws DataError
  void result(const TrainingResult& result, const RunIdentity& run, const Position& position, const Communicator& comm);

  /// What a step found out about compression: a record, and a line for each codec that is replaced. \throws DataError
  void compression(std::span<const CompressionCheck> checks, const std::vector<ParameterInfo>& parameters,
                   std::uint64_t step);

  /// A line on standard output.
  void say(const std::string& line) { progress_.say(line); }

 private:
  /// Sums since the last line.
  struct Window {
    double seconds = 0.0;
    double exposed = 0.0;
    StepPhases phases = {};
    std::uint64_t payload_bytes = 0;
    std::uint64_t samples = 0;
    std::uint64_t steps = 0;
    std::uint64_t repeats = 0;

    void add(const StepReport& report, double s);
    double rate() const { return seconds > 0.0 ? static_cast<double>(samples) / seconds : 0.0; }
    double share() const { return seconds > 0.0 ? exposed / seconds : 0.0; }
  };

  void log(const StepReport& report);
  void write(const nlohmann::json& record);
  nlohmann::json best_json(const BestEvaluation& best) const;
  void show(const StepReport& report, const Position& position);

  const Config& config_;
  const std::uint64_t steps_;
  Progress progress_;
  std::optional<EventFile> events_;  // with run.tensorboard, from the first record on
  Window logged_;                    // for metrics.jsonl
  nlohmann::json step_record_;       // kept: a step of 100 us notices what making a record anew takes
  Window shown_;                     // for the bar or line
  std::optional<double> last_loss_;  // of a step of this session
};

}  // namespace tutti::trainer
