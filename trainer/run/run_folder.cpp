#include <tutti/trainer/run/run_folder.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>

#include <nlohmann/json.hpp>

#include <tutti/kernels/error.hpp>

namespace tutti::trainer {

namespace {

namespace fs = std::filesystem;

constexpr const char* kCheckpoints = "checkpoints";
constexpr const char* kMetrics = "metrics.jsonl";
constexpr const char* kResult = "result.json";
constexpr const char* kClasses = "classes.json";
constexpr const char* kConfig = "config.toml";

std::string checkpoint_name(std::uint64_t step) { return fmt::format("step-{:012}.h5", step); }

/// How names of files beside that checkpoint begin.
std::string beside(std::uint64_t step) { return fmt::format("step-{:012}.rank-", step); }

/// The step of a checkpoint by the name of its file; nothing for any other file, also one that is called nearly so.
std::optional<std::uint64_t> step_of(const fs::path& file) {
  const std::string name = file.filename().string();
  std::uint64_t step = 0;
  const std::size_t digits = std::string_view("step-").size();
  if (name.size() <= digits) return std::nullopt;
  std::from_chars(name.data() + digits, name.data() + name.size(), step);
  if (name != checkpoint_name(step)) return std::nullopt;
  return step;
}

bool is_there(const fs::path& file) {
  std::error_code error;
  return fs::exists(file, error);
}

void write_text(const fs::path& file, const std::string& text) { io::write_file(file, std::as_bytes(std::span(text))); }

/// JSON has no numbers that are not finite: they would be written as null, which stands for what there is not.
void require_finite(const nlohmann::json& record, const char* file) {
  for (const auto& [key, value] : record.items())
    if (value.is_number_float() && !std::isfinite(value.get<double>()))
      throw Error(fmt::format("{}: {} is {}", file, key, value.get<double>()));
}

struct Saved {
  std::uint64_t step;
  fs::path file;
};

/// Of the run in `folder`, newest first.
std::vector<Saved> checkpoints_of(const fs::path& folder) {
  std::vector<Saved> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder / kCheckpoints, error))
    if (const auto step = step_of(entry.path())) found.push_back({*step, entry.path()});
  std::sort(found.begin(), found.end(), [](const Saved& a, const Saved& b) { return a.step > b.step; });
  return found;
}

/// What a run would be mixed up with, as a clause; empty if the folder may hold one.
std::string occupant(const fs::path& folder) {
  if (is_there(folder / "manifest.json")) return "the folder holds a data set";
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (step_of(entry.path())) return "the folder holds checkpoints of another run";
  return {};
}

}  // namespace

RunFolder RunFolder::create(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw DataError(fmt::format("{}: the run folder cannot be written: {}", folder.string(), error.message()));
  RunFolder run(folder);
  if (const std::string what = occupant(folder); !what.empty())
    throw DataError(fmt::format("{}: {}: choose another for the run by --out", folder.string(), what));
  const bool has_records = is_there(folder / kConfig) || is_there(folder / kMetrics) || is_there(folder / kResult);
  if (has_records || !checkpoints_of(folder).empty())
    throw DataError(fmt::format(
        "{}: the folder already holds a run: go on with it by --resume, or choose another by --out", folder.string()));
  fs::create_directories(folder / kCheckpoints, error);
  if (error) throw DataError(fmt::format("{}: the run folder cannot be written: {}", folder.string(), error.message()));
  return run;
}

RunFolder RunFolder::open(const fs::path& folder) {
  std::error_code error;
  if (!fs::is_directory(folder / kCheckpoints, error))
    throw DataError(fmt::format("{}: the folder holds no run that could be resumed", folder.string()));
  return RunFolder(folder);
}

io::Checkpoint RunFolder::newest_checkpoint(fs::path& file) {
  if (auto found = find_newest_checkpoint(path_, file, damaged_)) return std::move(*found);
  if (!damaged_.empty())
    throw DataError(
        fmt::format("{}: none of the {} checkpoint(s) of the run is whole: it cannot be resumed; choose "
                    "another folder by --out",
                    path_.string(), damaged_.size()));
  throw DataError(
      fmt::format("{}: the folder holds no checkpoint to resume from: {}", path_.string(),
                  is_there(path_ / kConfig) ? "choose another by --out" : "start the run without --resume"));
}

std::optional<io::Checkpoint> find_newest_checkpoint(const fs::path& folder, fs::path& file,
                                                     std::set<std::uint64_t>& damaged) {
  for (const Saved& candidate : checkpoints_of(folder)) {
    try {
      io::Checkpoint checkpoint = io::read_checkpoint(candidate.file);
      file = candidate.file;
      return checkpoint;
    } catch (const DataError& broken) {
      damaged.insert(candidate.step);
      std::fprintf(stderr, "tutti: note: passing over a checkpoint: %s\n", broken.what());
    }
  }
  return std::nullopt;
}

void RunFolder::open_metrics(std::ios::openmode mode) {
  const fs::path file = path_ / kMetrics;
  errno = 0;
  metrics_ = std::ofstream(file, std::ios::binary | std::ios::out | mode);
  if (!metrics_) throw DataError(fmt::format("{}: cannot be written: {}", file.string(), std::strerror(errno)));
}

void RunFolder::begin(const std::string& config) {
  open_metrics(std::ios::trunc);
  write_text(path_ / kConfig, config);
}

void RunFolder::resume_at(std::uint64_t step, const std::string& config, bool makes_steps) {
  const fs::path file = path_ / kMetrics;
  std::string kept;
  std::ifstream in(file);
  std::uint64_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    const auto record = nlohmann::json::parse(line, nullptr, false);
    if (record.is_discarded()) {
      const bool cut_off = in.eof();  // when the run was killed
      if (!cut_off) std::fprintf(stderr, "tutti: note: %s:%ju: left out: it is not JSON\n", file.c_str(), number);
      continue;
    }
    const auto at = record.is_object() ? record.find("step") : record.end();
    if (at != record.end() && at->is_number_unsigned()) {
      if (at->get<std::uint64_t>() > step) continue;
      const auto kind = record.find("kind");
      if (kind != record.end() && *kind == "evaluation") last_evaluation_ = at->get<std::uint64_t>();
    }
    kept += line + '\n';  // also what is no record of ours
  }
  in.close();
  write_text(file, kept);
  write_text(path_ / kConfig, config);
  std::error_code ignored;
  if (makes_steps)
    for (const char* name : {kResult, kClasses}) fs::remove(path_ / name, ignored);
  open_metrics(std::ios::app);
}

std::vector<nlohmann::json> RunFolder::evaluations(std::uint64_t step) const {
  std::vector<nlohmann::json> found;
  std::ifstream in(path_ / kMetrics);
  for (std::string line; std::getline(in, line);) {
    auto record = nlohmann::json::parse(line, nullptr, false);
    if (!record.is_object() || !record.contains("kind") || record["kind"] != "evaluation") continue;
    const auto at = record.find("step");
    if (at != record.end() && at->is_number_unsigned() && at->get<std::uint64_t>() <= step)
      found.push_back(std::move(record));
  }
  return found;
}

void RunFolder::log(const nlohmann::json& line) {
  require_finite(line, kMetrics);
  errno = 0;
  metrics_ << line.dump() << '\n' << std::flush;
  if (!metrics_)
    throw DataError(fmt::format("{}: cannot be written: {}", (path_ / kMetrics).string(), std::strerror(errno)));
  if (line.value("kind", "") == "evaluation") last_evaluation_ = line.value("step", std::uint64_t{0});
}

void RunFolder::write_checkpoint(std::uint64_t step, const io::Checkpoint& checkpoint, std::int64_t keep) {
  io::write_checkpoint(path_ / kCheckpoints / checkpoint_name(step), checkpoint);
  damaged_.erase(step);
  prune(step, keep);
}

fs::path RunFolder::exchange_file(std::uint64_t step, int rank) const {
  return path_ / kCheckpoints / fmt::format("{}{:06}.h5", beside(step), rank);
}

std::optional<fs::path> RunFolder::checkpoint_file(std::uint64_t step) const {
  const fs::path file = fs::path(kCheckpoints) / checkpoint_name(step);
  return is_there(path_ / file) ? std::optional(file) : std::nullopt;
}

void RunFolder::prune(std::uint64_t step, std::int64_t keep) const {
  std::int64_t kept = 0;
  for (const Saved& saved : checkpoints_of(path_)) {
    if (saved.step > step) continue;
    if (!damaged_.contains(saved.step) && kept < keep) {
      ++kept;  // the first is the one just written
      continue;
    }
    std::error_code ignored;  // an old checkpoint that stays does no harm
    if (kept < keep || saved.step == protected_) continue;
    fs::remove(saved.file, ignored);
    std::vector<fs::path> companions;
    for (const auto& entry : fs::directory_iterator(path_ / kCheckpoints, ignored))
      if (entry.path().filename().string().starts_with(beside(saved.step))) companions.push_back(entry.path());
    for (const fs::path& file : companions) fs::remove(file, ignored);
  }
}

void RunFolder::write_classes(const nlohmann::json& classes) const {
  write_text(path_ / kClasses, classes.dump() + '\n');
}

void RunFolder::write_result(const nlohmann::json& result) const {
  require_finite(result, kResult);
  write_text(path_ / kResult, result.dump(2) + '\n');
}

}  // namespace tutti::trainer
