#include <tutti/trainer/run/run_log.hpp>

#include <fmt/core.h>

#include <array>
#include <cstddef>
#include <ctime>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <tutti/allreduce/version.hpp>

namespace tutti::trainer {

namespace {

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  std::array<char, 32> buffer{};
  std::strftime(buffer.data(), buffer.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return buffer.data();
}

/// What the score is read by: accuracy of classes, error of numbers.
std::string main_figure(const Score& score) {
  return score.of_classes() ? fmt::format("test accuracy {:.4f}", score.accuracy())
                            : fmt::format("test RMSE {:.6g}  R2 {:.4f}", score.rmse(), score.r2());
}

void add_figures(nlohmann::json& record, const Score& score) {
  record["test_loss"] = score.mean_loss();
  if (score.of_classes()) {
    record["test_accuracy"] = score.accuracy();
    record["test_top5_accuracy"] = score.top5_accuracy();
  } else {
    record["test_rmse"] = score.rmse();
    record["test_r2"] = score.r2();
  }
}

/// Sums over steps.
struct StepCosts {
  double seconds;
  double exposed;
  StepPhases phases;
  double payload_bytes;
  double steps;
};

/// Means over the steps, of which there are some. The phases add up to the time of a step.
void add_costs(nlohmann::json& record, const StepCosts& costs) {
  const StepPhases& p = costs.phases;
  const double other = costs.seconds - costs.exposed - p.reading - p.forward - p.backward - p.update;
  record["step_time_s"] = costs.seconds / costs.steps;
  record["reading_s"] = p.reading / costs.steps;
  record["forward_s"] = p.forward / costs.steps;
  record["backward_s"] = p.backward / costs.steps;
  record["communication_s"] = costs.exposed / costs.steps;
  record["update_s"] = p.update / costs.steps;
  record["other_s"] = other / costs.steps;
  record["payload_bytes"] = costs.payload_bytes / costs.steps;
}

/// Every number of a record but the step, in the groups train, test, evaluation and checkpoint.
std::vector<Scalar> scalars_of(const nlohmann::json& record) {
  const std::string kind = record.at("kind").get<std::string>();
  const std::string group = kind == "step" ? "train" : kind;
  std::vector<Scalar> scalars;
  for (const auto& [key, value] : record.items()) {
    if (!value.is_number() || key == "step") continue;
    scalars.push_back(
        {.tag = key.starts_with("test_") ? fmt::format("test/{}", key.substr(5)) : fmt::format("{}/{}", group, key),
         .value = value.get<double>()});
  }
  return scalars;
}

/// A missing figure is null: there is nothing to divide by.
nlohmann::json or_null(const std::optional<double>& figure) { return figure ? nlohmann::json(*figure) : nullptr; }

nlohmann::json classes_json(const ClassCounts& counts, std::uint64_t step) {
  nlohmann::json classes = nlohmann::json::array();
  nlohmann::json confusion = nlohmann::json::array();
  for (std::size_t c = 0; c < counts.classes; ++c) {
    classes.push_back({{"class", c},
                       {"samples", counts.samples(c)},
                       {"predicted", counts.predicted(c)},
                       {"precision", or_null(counts.precision(c))},
                       {"recall", or_null(counts.recall(c))},
                       {"f1", or_null(counts.f1(c))}});
    const auto row = counts.cells.begin() + static_cast<std::ptrdiff_t>(c * counts.classes);
    confusion.push_back(std::vector(row, row + static_cast<std::ptrdiff_t>(counts.classes)));
  }
  return {{"step", step}, {"classes", std::move(classes)}, {"confusion", std::move(confusion)}};
}

}  // namespace

void RunLog::Window::add(const StepReport& report, double s) {
  seconds += s;
  exposed += report.exposed_seconds;
  phases += report.phases;
  payload_bytes += report.payload_bytes;
  samples += report.samples;
  repeats += report.repeats;
  ++steps;
}

RunLog::RunLog(const Config& config, bool is_root, std::uint64_t steps)
    : config_(config), steps_(steps), progress_(is_root ? config.run.progress : "none") {}

void RunLog::step(const StepReport& report, const Position& position, double seconds) {
  last_loss_ = report.loss;
  logged_.add(report, seconds);
  shown_.add(report, seconds);
  if (progress_.due()) show(report, position);
  if (report.step % static_cast<std::uint64_t>(config_.run.log_every) == 0) log(report);
}

void RunLog::log(const StepReport& report) {
  nlohmann::json& record = step_record_;
  record["kind"] = "step";
  record["step"] = report.step;
  record["epoch"] = report.epoch;
  record["loss"] = report.loss;
  record["lr"] = report.learning_rate;
  record["samples"] = report.samples;
  record["samples_per_s"] = logged_.rate();
  record["comm_share"] = logged_.share();
  add_costs(record, {.seconds = logged_.seconds,
                     .exposed = logged_.exposed,
                     .phases = logged_.phases,
                     .payload_bytes = static_cast<double>(logged_.payload_bytes),
                     .steps = static_cast<double>(logged_.steps)});
  if (config_.numerics.ignores_ranks()) record["repeats"] = logged_.repeats;
  if (report.gradient_norm) record["gradient_norm"] = *report.gradient_norm;
  if (report.loss_scale) {
    record["loss_scale"] = *report.loss_scale;
    record["skipped_steps"] = report.skipped_steps;
  }
  write(record);
  logged_ = {};
}

/// A line of metrics.jsonl, and what it says as scalars for TensorBoard.
void RunLog::write(const nlohmann::json& record) {
  folder->log(record);
  if (!config_.run.tensorboard) return;
  if (!events_) {
    const auto restarted_at = resumed_after ? std::optional(*resumed_after + 1) : std::nullopt;
    events_.emplace(folder->path() / "tensorboard", restarted_at);
  }
  events_->write(record.at("step").get<std::uint64_t>(), scalars_of(record));
}

void RunLog::compression(std::span<const CompressionCheck> checks, const std::vector<ParameterInfo>& parameters,
                         std::uint64_t step) {
  nlohmann::json list = nlohmann::json::array();
  for (const CompressionCheck& check : checks) {
    const std::string& name = parameters[check.parameter].name;
    nlohmann::json its{{"parameter", name}, {"codec", check.codec}, {"saturated", check.saturated}};
    const auto add = [&](const char* key, const std::optional<double>& figure) {
      if (figure && std::isfinite(*figure)) its[key] = *figure;
    };
    add("contraction", check.contraction);
    add("residual", check.residual);
    add("cosine", check.cosine);
    add("error", check.error);
    if (!check.problem.empty()) its["problem"] = check.problem;
    if (!check.remedy.empty()) {
      its["replaced_by"] = check.remedy;
      say(fmt::format("step {}: {} travels as {} from now on, not as {}: {}", step, name, check.remedy, check.codec,
                      check.problem));
    }
    list.push_back(std::move(its));
  }
  folder->log({{"kind", "compression"}, {"step", step}, {"parameters", std::move(list)}});
}

void RunLog::show(const StepReport& report, const Position& position) {
  const double seconds_per_step = position.step_seconds / static_cast<double>(position.step);
  progress_.show({.step = report.step,
                  .steps = steps_,
                  .epoch = report.epoch,
                  .epochs = static_cast<std::uint64_t>(config_.train.epochs),
                  .loss = report.loss,
                  .samples_per_s = shown_.rate(),
                  .comm_share = shown_.share(),
                  .seconds_left = static_cast<double>(steps_ - report.step) * seconds_per_step});
  shown_ = {};
}

void RunLog::evaluation(const Score& score, const Position& position, double seconds, double train_seconds) {
  const std::string loss = last_loss_ ? fmt::format("  loss {:.4f}", *last_loss_) : "";
  say(fmt::format("epoch {}  step {}{}  test loss {:.4f}  {}  {:.1f} s", position.epoch_of_last_step(), position.step,
                  loss, score.mean_loss(), main_figure(score), train_seconds));
  if (folder->last_evaluation() == position.step) return;  // written by the session that was stopped here
  nlohmann::json record = {{"kind", "evaluation"},
                           {"step", position.step},
                           {"epoch", position.epoch_of_last_step()},
                           {"samples", score.samples},
                           {"seconds", seconds}};
  add_figures(record, score);
  write(record);
}

void RunLog::checkpoint(const Position& position, double seconds, std::optional<std::uint64_t> memory) {
  nlohmann::json record = {
      {"kind", "checkpoint"}, {"step", position.step}, {"epoch", position.epoch_of_last_step()}, {"seconds", seconds}};
  if (memory) record["memory_bytes"] = *memory;
  write(record);
}

nlohmann::json RunLog::best_json(const BestEvaluation& best) const {
  const auto file = folder->checkpoint_file(best.step);
  return {{"step", best.step},
          {"figure", config_.run.monitor},
          {"value", best.value},
          {"checkpoint", file ? nlohmann::json(file->string()) : nullptr}};
}

void RunLog::result(const TrainingResult& result, const RunIdentity& run, const Position& position,
                    const Communicator& comm) {
  std::size_t parameters = 0;
  for (const auto& parameter : run.parameters) parameters += parameter.count();
  const bool complete = position.epoch >= static_cast<std::uint64_t>(config_.train.epochs);
  const std::string early =
      fmt::format("early: no better {} in {} evaluations", config_.run.monitor, config_.run.stop_after);
  nlohmann::json record = {{"tutti", tutti::version()},
                           {"date", utc_now()},
                           {"ended", complete               ? "after the last epoch"
                                     : result.stopped_early ? early
                                                            : "at max_steps"},
                           {"model", model_title(config_.model)},
                           {"loss", loss_name(config_.model)},
                           {"dtype", config_.model.dtype},
                           {"compute", config_.model.compute == "same" ? config_.model.dtype : config_.model.compute},
                           {"parameters", parameters},
                           {"parameter_hash", result.parameter_hash},
                           {"dataset", run.train.name()},
                           {"training_samples", run.train.size()},
                           {"batch_size", config_.train.batch_size},
                           {"steps", result.steps},
                           {"skipped_steps", position.loss_scale.skipped},
                           {"epochs", result.epochs},
                           {"samples", position.samples},
                           {"train_seconds", result.train_seconds},
                           {"samples_per_s", result.samples_per_s},
                           {"comm_share", result.comm_share},
                           {"exchange", config_.exchange.kind},
                           {"compression", config_.exchange.compression},
                           {"world_size", comm.size()},
                           {"nodes", comm.topology().nodes},
                           {"threads", run.threads},
                           {"memory_bytes", nullptr},
                           {"test_accuracy", nullptr},
                           {"test_loss", nullptr}};
  if (!why_compressed.empty()) record["compression_reason"] = why_compressed;
  if (result.best) record["best"] = best_json(*result.best);
  if (result.memory_bytes) record["memory_bytes"] = *result.memory_bytes;
  if (position.step > 0)
    add_costs(record, {.seconds = position.step_seconds,
                       .exposed = position.exposed_seconds,
                       .phases = position.phase_seconds,
                       .payload_bytes = static_cast<double>(position.payload_bytes),
                       .steps = static_cast<double>(position.step)});
  if (result.test) {
    add_figures(record, *result.test);
    record["test_samples"] = result.test->samples;
  }
  if (!result.classes.empty()) folder->write_classes(classes_json(result.classes, result.steps));
  folder->write_result(record);
  if (result.test)
    say(fmt::format("{} after {} steps, {:.1f} s of training", main_figure(*result.test), result.steps,
                    result.train_seconds));
  if (result.best)
    say(fmt::format("best {} {:.6g} after step {}", config_.run.monitor, result.best->value, result.best->step));
  say("run folder " + config_.run.dir);
}

}  // namespace tutti::trainer
