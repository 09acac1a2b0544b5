#include "tools/compress/trial.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>

#include <tutti/kernels/error.hpp>

namespace tutti::tools {
namespace {

using nlohmann::ordered_json;

/// Calls that are timed: more of small tensors.
int rounds_for(std::size_t count) {
  constexpr std::size_t kValues = std::size_t{1} << 22;
  return static_cast<int>(std::clamp<std::size_t>(kValues / std::max<std::size_t>(count, 1), 3, 100));
}

CodecTrial try_tensor(const Communicator& comm, const FloatTensor& tensor, std::size_t number,
                      const CodecSettings& settings, int ranks) {
  const std::size_t count = tensor.values.size();
  const std::vector<TensorPart> parts = {
      {.count = count, .tensor = number, .rows = tensor.shape.size() > 1 ? tensor.shape.front() : 0}};
  std::vector<float> result(count);
  CodecTrial trial{.bytes = count * sizeof(float)};
  try {
    const Rehearsal call =
        rehearse(comm, parts, settings, {.ranks = ranks, .rounds = rounds_for(count)}, tensor.values, result);
    trial.encoded = call.payload_bytes;
    trial.encode_seconds = call.encode_seconds;
    trial.decode_seconds = call.decode_seconds;
    trial.error = encoding_error(comm, parts, settings, ranks, tensor.values, result);
  } catch (const InvalidArgument& error) {
    trial.problem = error.what();
  }
  return trial;
}

double megabytes_per_second(std::size_t bytes, double seconds) {
  return seconds > 0.0 ? static_cast<double>(bytes) / seconds / 1e6 : 0.0;
}

std::string error_text(const EncodingError& error) {
  const auto relative = error.relative();
  return relative ? fmt::format("{:.3g}", *relative) : "-";
}

std::string shape_text(const std::vector<std::size_t>& shape) {
  return shape.empty() ? "scalar" : fmt::format("{}", fmt::join(shape, "x"));
}

std::string trial_line(const std::string& name, const std::string& shape, const CodecTrial& trial) {
  std::string line = fmt::format("{:<36} {:>14} {:>12}", name, shape, trial.bytes);
  if (!trial.problem.empty()) return line + "  " + trial.problem + "\n";
  return line + fmt::format(" {:>12} {:>8.2f} {:>10} {:>9.0f} {:>9.0f}\n", trial.encoded, trial.ratio(),
                            error_text(trial.error), megabytes_per_second(trial.bytes, trial.encode_seconds),
                            megabytes_per_second(trial.bytes, trial.decode_seconds));
}

ordered_json trial_record(const CodecTrial& trial) {
  ordered_json record = {{"bytes", trial.bytes}};
  if (!trial.problem.empty()) {
    record["problem"] = trial.problem;
    return record;
  }
  const auto relative = trial.error.relative();
  record["encoded_bytes"] = trial.encoded;
  record["ratio"] = trial.ratio();
  record["relative_squared_error"] = relative ? ordered_json(*relative) : ordered_json();
  record["encode_seconds"] = trial.encode_seconds;
  record["decode_seconds"] = trial.decode_seconds;
  record["encode_mb_s"] = megabytes_per_second(trial.bytes, trial.encode_seconds);
  record["decode_mb_s"] = megabytes_per_second(trial.bytes, trial.decode_seconds);
  return record;
}

}  // namespace

CodecTrial& CodecTrial::operator+=(const CodecTrial& other) {
  bytes += other.bytes;
  encoded += other.encoded;
  error.error += other.error.error;
  error.values += other.error.values;
  encode_seconds += other.encode_seconds;
  decode_seconds += other.decode_seconds;
  return *this;
}

std::size_t TrialTable::worked() const {
  return static_cast<std::size_t>(
      std::count_if(trials.begin(), trials.end(), [](const CodecTrial& trial) { return trial.problem.empty(); }));
}

TrialTable try_codec(const Communicator& comm, const std::vector<FloatTensor>& tensors, const CodecSettings& settings,
                     int ranks) {
  TrialTable table{.settings = settings};
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    table.trials.push_back(try_tensor(comm, tensors[i], i, settings, ranks));
    if (table.trials.back().problem.empty()) table.total += table.trials.back();
  }
  return table;
}

std::string trial_text(const TensorFile& file, const TrialTable& table) {
  std::string all =
      fmt::format("codec {}\n{:<36} {:>14} {:>12} {:>12} {:>8} {:>10} {:>9} {:>9}\n", to_text(table.settings), "tensor",
                  "shape", "bytes", "encoded", "ratio", "error^2", "enc MB/s", "dec MB/s");
  for (std::size_t i = 0; i < file.tensors.size(); ++i)
    all += trial_line(file.tensors[i].name, shape_text(file.tensors[i].shape), table.trials[i]);
  const std::size_t worked = table.worked();
  const std::string name = worked == table.trials.size() ? "total" : fmt::format("total of {} tensor(s)", worked);
  if (worked > 0) all += trial_line(name, "", table.total);
  return all;
}

ordered_json trial_json(const TensorFile& file, const std::vector<TrialTable>& tables, int ranks) {
  ordered_json out = {{"file", file.file.string()}, {"ranks", ranks}, {"left_out", file.left_out}};
  out["codecs"] = ordered_json::array();
  for (const TrialTable& table : tables) {
    ordered_json of_codec = {{"codec", to_text(table.settings)}};
    of_codec["total"] = table.total.encoded > 0 ? trial_record(table.total) : ordered_json();
    of_codec["tensors"] = ordered_json::array();
    for (std::size_t i = 0; i < file.tensors.size(); ++i) {
      ordered_json record = {{"name", file.tensors[i].name}, {"shape", file.tensors[i].shape}};
      record.update(trial_record(table.trials[i]));
      of_codec["tensors"].push_back(std::move(record));
    }
    out["codecs"].push_back(std::move(of_codec));
  }
  return out;
}

}  // namespace tutti::tools
