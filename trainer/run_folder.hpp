// The folder that a run leaves behind: config.toml, metrics.jsonl, checkpoints/, result.json. Rank 0 alone touches it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include <tutti/io/checkpoint.hpp>

namespace tutti::trainer {

class RunFolder {
 public:
  /// A folder for a new run, made if need be, holding `config` as config.toml.
  /// \throws DataError naming the folder: it cannot be written, or holds a run.
  static RunFolder create(const std::filesystem::path& folder, const std::string& config);

  /// The folder of a run that is to go on; nothing is changed yet. \throws DataError naming the folder if it holds no
  /// run.
  static RunFolder open(const std::filesystem::path& folder);

  const std::filesystem::path& path() const noexcept { return path_; }

  /// The newest checkpoint that is whole. One line on standard error for each newer one that is not.
  /// \throws DataError naming the folder if there is none.
  io::Checkpoint newest_checkpoint(std::filesystem::path& file) const;

  /// Takes the run up again after `step` steps: drops lines of later steps from metrics.jsonl and a result.json,
  /// and writes `config` as config.toml. \throws DataError
  void resume_at(std::uint64_t step, const std::string& config);

  /// Appends one line to metrics.jsonl. \throws DataError
  void log(const nlohmann::json& line);

  /// Step of the last evaluation in metrics.jsonl, if any.
  std::optional<std::uint64_t> last_evaluation() const noexcept { return last_evaluation_; }

  /// Writes the checkpoint of `step` and removes all but the newest `keep`. \throws DataError; earlier ones stay.
  void write_checkpoint(std::uint64_t step, const io::Checkpoint& checkpoint, std::int64_t keep) const;

  /// Writes result.json. \throws DataError
  void write_result(const nlohmann::json& result) const;

 private:
  explicit RunFolder(std::filesystem::path folder) : path_(std::move(folder)) {}

  std::vector<std::filesystem::path> checkpoints() const;  // newest first
  void open_metrics(std::ios::openmode mode);

  std::filesystem::path path_;
  std::ofstream metrics_;
  std::optional<std::uint64_t> last_evaluation_;
};

}  // namespace tutti::trainer
