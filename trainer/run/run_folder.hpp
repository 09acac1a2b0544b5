// The folder that a run leaves behind: config.toml, metrics.jsonl, checkpoints/, result.json. Rank 0 alone touches it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include <tutti/io/checkpoint.hpp>
#include <tutti/io/files.hpp>

namespace tutti::trainer {

/// The newest checkpoint of a run that is whole, and its `file`; nothing if there is none. One line on standard error
/// for each newer one that is not, whose step is added to `damaged`. The folder may be in use.
std::optional<io::Checkpoint> find_newest_checkpoint(const std::filesystem::path& folder, std::filesystem::path& file,
                                                     std::set<std::uint64_t>& damaged);

/// While it lives, no other process can have the folder (io::FolderLock). What is in it stays as it is until begin() or
/// resume_at(), which come after everything that can be refused.
class RunFolder {
 public:
  /// A folder for a new run, made if need be. \throws DataError naming the folder: it cannot be written, is in use,
  /// holds a run that has got to its first checkpoint, or something else that a run would be mixed up with.
  static RunFolder create(const std::filesystem::path& folder);

  /// The folder of a run that is to go on. \throws DataError naming the folder if it holds no run, or is in use.
  static RunFolder open(const std::filesystem::path& folder);

  const std::filesystem::path& path() const noexcept { return path_; }

  /// The newest checkpoint that is whole. One line on standard error for each newer one that is not.
  /// \throws DataError naming the folder if there is none.
  io::Checkpoint newest_checkpoint(std::filesystem::path& file);

  /// Begins the records of a new run, with `config` as config.toml. To be called once there is a checkpoint, so that
  /// a folder with a config.toml can be resumed. \throws DataError
  void begin(const std::string& config);

  /// Takes the run up again after `step` steps: drops records of later steps from metrics.jsonl, and the result if the
  /// run `makes_steps`, and writes `config` as config.toml. \throws DataError
  void resume_at(std::uint64_t step, const std::string& config, bool makes_steps = true);

  /// Appends one line to metrics.jsonl. \throws DataError; Error naming a value that is not a finite number.
  void log(const nlohmann::json& line);

  /// Step of the last evaluation in metrics.jsonl, if any; known after begin() or resume_at().
  std::optional<std::uint64_t> last_evaluation() const noexcept { return last_evaluation_; }

  /// Evaluations that metrics.jsonl has up to `step`, in the order of the file.
  std::vector<nlohmann::json> evaluations(std::uint64_t step) const;

  /// The checkpoint of `step` is not removed, until another is named.
  void protect(std::uint64_t step) { protected_ = step; }

  /// The file of the checkpoint of `step` in the folder, if it is there.
  std::optional<std::filesystem::path> checkpoint_file(std::uint64_t step) const;

  /// Where the checkpoint of `step` keeps what a rank held back, beside the file of the checkpoint.
  std::filesystem::path exchange_file(std::uint64_t step, int rank) const;

  /// Writes the checkpoint of `step` and removes old ones as prune() does. \throws DataError; earlier ones stay.
  void write_checkpoint(std::uint64_t step, const io::Checkpoint& checkpoint, std::int64_t keep);

  /// Removes all checkpoints, with the files beside them, but the newest `keep` up to `step` and the protected one.
  /// Those that newest_checkpoint() passed over do not count, nor do those of later steps.
  void prune(std::uint64_t step, std::int64_t keep) const;

  /// Writes classes.json, which result.json may follow. \throws DataError
  void write_classes(const nlohmann::json& classes) const;

  /// Writes result.json. \throws DataError; Error naming a value that is not a finite number.
  void write_result(const nlohmann::json& result) const;

 private:
  explicit RunFolder(std::filesystem::path folder) : path_(std::move(folder)), lock_(path_) {}

  void open_metrics(std::ios::openmode mode);

  std::filesystem::path path_;
  io::FolderLock lock_;
  std::ofstream metrics_;
  std::optional<std::uint64_t> last_evaluation_;
  std::optional<std::uint64_t> protected_;  // step of the checkpoint that is never removed
  std::set<std::uint64_t> damaged_;         // steps whose checkpoint is there and not whole
};

}  // namespace tutti::trainer
