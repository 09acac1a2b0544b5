#include <tutti/trainer/run_folder.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include <nlohmann/json.hpp>

#include <tutti/kernels/error.hpp>

namespace tutti::trainer {

namespace {

namespace fs = std::filesystem;

constexpr const char* kCheckpoints = "checkpoints";
constexpr const char* kMetrics = "metrics.jsonl";
constexpr const char* kResult = "result.json";
constexpr const char* kConfig = "config.toml";

bool holds_run(const fs::path& folder) {
  std::error_code error;
  for (const char* name : {kConfig, kMetrics, kCheckpoints, kResult})
    if (fs::exists(folder / name, error)) return true;
  return false;
}

/// Small files appear whole or not at all: written beside, then renamed.
void write_text(const fs::path& file, const std::string& text) {
  const fs::path temporary = fs::path(file).concat(".tmp");
  errno = 0;
  {
    std::ofstream out(temporary, std::ios::binary | std::ios::trunc);
    out << text;
    out.close();
    if (!out) {
      const int cause = errno;
      std::error_code ignored;
      fs::remove(temporary, ignored);
      throw DataError(fmt::format("{}: cannot be written: {}", file.string(), std::strerror(cause)));
    }
  }
  std::error_code error;
  fs::rename(temporary, file, error);
  if (error) throw DataError(fmt::format("{}: cannot be written: {}", file.string(), error.message()));
}

}  // namespace

RunFolder RunFolder::create(const fs::path& folder, const std::string& config) {
  if (holds_run(folder))
    throw DataError(fmt::format(
        "{}: the folder already holds a run: go on with it by --resume, or choose another by --out", folder.string()));
  std::error_code error;
  fs::create_directories(folder / kCheckpoints, error);
  if (error) throw DataError(fmt::format("{}: the run folder cannot be written: {}", folder.string(), error.message()));
  RunFolder run(folder);
  write_text(folder / kConfig, config);
  run.open_metrics(std::ios::trunc);
  return run;
}

RunFolder RunFolder::open(const fs::path& folder) {
  std::error_code error;
  if (!fs::is_directory(folder / kCheckpoints, error))
    throw DataError(fmt::format("{}: the folder holds no run that could be resumed", folder.string()));
  return RunFolder(folder);
}

std::vector<fs::path> RunFolder::checkpoints() const {
  std::vector<fs::path> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(path_ / kCheckpoints, error))
    if (entry.path().extension() == ".h5" && entry.path().filename().string().starts_with("step-"))
      files.push_back(entry.path());
  std::sort(files.rbegin(), files.rend());  // the step is written with leading zeros: order of names is order of steps
  return files;
}

io::Checkpoint RunFolder::newest_checkpoint(fs::path& file) const {
  for (const auto& candidate : checkpoints()) {
    try {
      io::Checkpoint checkpoint = io::read_checkpoint(candidate);
      file = candidate;
      return checkpoint;
    } catch (const DataError& broken) {
      std::fprintf(stderr, "tutti: note: passing over a checkpoint: %s\n", broken.what());
    }
  }
  throw DataError(fmt::format("{}: the folder holds no whole checkpoint to resume from", path_.string()));
}

void RunFolder::open_metrics(std::ios::openmode mode) {
  const fs::path file = path_ / kMetrics;
  errno = 0;
  metrics_.open(file, std::ios::binary | std::ios::out | mode);
  if (!metrics_) throw DataError(fmt::format("{}: cannot be written: {}", file.string(), std::strerror(errno)));
}

void RunFolder::resume_at(std::uint64_t step, const std::string& config) {
  const fs::path file = path_ / kMetrics;
  std::string kept;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    const auto record = nlohmann::json::parse(line, nullptr, false);
    if (!record.is_object()) continue;  // cut off when the run was killed
    const auto at = record.value("step", std::uint64_t{0});
    if (at > step) continue;
    if (record.value("kind", "") == "evaluation") last_evaluation_ = at;
    kept += line + '\n';
  }
  in.close();
  write_text(file, kept);
  write_text(path_ / kConfig, config);
  std::error_code ignored;
  fs::remove(path_ / kResult, ignored);
  open_metrics(std::ios::app);
}

void RunFolder::log(const nlohmann::json& line) {
  errno = 0;
  metrics_ << line.dump() << '\n' << std::flush;
  if (!metrics_)
    throw DataError(fmt::format("{}: cannot be written: {}", (path_ / kMetrics).string(), std::strerror(errno)));
  if (line.value("kind", "") == "evaluation") last_evaluation_ = line.value("step", std::uint64_t{0});
}

void RunFolder::write_checkpoint(std::uint64_t step, const io::Checkpoint& checkpoint, std::int64_t keep) const {
  io::write_checkpoint(path_ / kCheckpoints / fmt::format("step-{:012}.h5", step), checkpoint);
  const auto files = checkpoints();
  std::error_code ignored;  // an old checkpoint that stays does no harm
  for (std::size_t i = static_cast<std::size_t>(keep); i < files.size(); ++i) fs::remove(files[i], ignored);
}

void RunFolder::write_result(const nlohmann::json& result) const { write_text(path_ / kResult, result.dump(2) + '\n'); }

}  // namespace tutti::trainer
