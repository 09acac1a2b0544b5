// The story of a run.
//
// What every rank holds: a replica of the model (parameters, gradients and the optimizer's slots in buckets), its part
// of every batch, and the position. Parameters, slots and position are the same on all ranks, bit for bit, between any
// two steps.
//
//   prepare   open the data sets; make the step loop; open the run folder
//   begin     initial parameters, or those of the newest checkpoint; sent from rank 0 to all, and compared
//   step      read samples; step_loop.cpp; write records
//   epoch     write a checkpoint; evaluate on the test set; end early if it gets no better
//   end       write a checkpoint; evaluate; hash of the parameters; result.json
#include <tutti/trainer/run/training.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <tutti/collectives/collectives.hpp>
#include <tutti/collectives/flight_recorder.hpp>
#include <tutti/io/loader.hpp>
#include <tutti/io/sampler.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>
#include <tutti/trainer/memory/parameters.hpp>
#include <tutti/trainer/network/network.hpp>
#include <tutti/trainer/run/agreed_error.hpp>
#include <tutti/trainer/run/auto_compression.hpp>
#include <tutti/trainer/run/bf16_support.hpp>
#include <tutti/trainer/run/cores.hpp>
#include <tutti/trainer/run/data.hpp>
#include <tutti/trainer/run/evaluation.hpp>
#include <tutti/trainer/run/exchange_state.hpp>
#include <tutti/trainer/run/initial_weights.hpp>
#include <tutti/trainer/run/laps.hpp>
#include <tutti/trainer/run/memory_use.hpp>
#include <tutti/trainer/run/monitor.hpp>
#include <tutti/trainer/run/parameter_hash.hpp>
#include <tutti/trainer/run/replicas.hpp>
#include <tutti/trainer/run/run_folder.hpp>
#include <tutti/trainer/run/run_log.hpp>
#include <tutti/trainer/run/shards.hpp>
#include <tutti/trainer/run/step_loop.hpp>
#include <tutti/trainer/run/training_state.hpp>

namespace tutti::trainer {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

/// What all ranks are doing, in words: a rank that waits in vain can say what for.
using Phase = std::string;

class Training {
 public:
  Training(const Communicator& comm, const Config& config, const TrainingOptions& options, Phase& phase);
  TrainingResult run();

 private:
  int agreed_shards();
  int agreed_threads();
  RunData open_agreed_data();
  TaskShape task() const;
  std::string choose_compression();
  io::Augmentation augmentation() const;
  void begin_run();
  void resume_run();
  void train_steps();
  std::uint64_t samples_of_step(std::uint64_t batches) const;
  StepReport make_step(io::Loader& loader, io::Batch& batch);
  StepReport make_step_of_batches(io::Loader& loader, io::Batch& batch, std::uint64_t batches);
  StepReport make_step_of_shards(io::Loader& loader, io::Batch& batch, std::uint64_t batches);
  bool evaluation_is_due(std::uint64_t step) const;
  void replay_evaluations();
  void judge(const Score& score);
  void after_step(const StepReport& report, const io::Batch& batch, double seconds);
  void evaluate_now();
  void save();
  TrainingResult finish();
  RunIdentity identity() {
    return {.config = config_,
            .train = data_.train.dataset(),
            .parameters = loop_.parameters(),
            .threads = threads_,
            .buffers = loop_.network().buffers(),
            .task = data_.train.task(),
            .scales = loop_.scales()};
  }
  bool is_root() const { return comm_.rank() == 0; }
  double train_seconds() const { return seconds_before_ + seconds_since(session_begin_); }

  const Communicator& comm_;
  Config config_;
  const TrainingOptions& options_;
  Phase& phase_;
  const int shards_;  // parts of a batch: each is computed by itself
  const int threads_;
  const RunData data_;
  const std::uint64_t batches_per_epoch_;
  const std::uint64_t steps_per_epoch_;
  const std::uint64_t steps_;         // of the whole run
  const std::string why_compressed_;  // as config_ says by now; empty if nothing was to be chosen
  StepLoop loop_;
  RunLog log_;
  Monitor monitor_;
  Position position_;
  std::optional<std::uint64_t> saved_step_;  // of the newest checkpoint
  std::optional<Evaluation> evaluated_;      // of the parameters as they are now
  std::vector<std::int64_t> labels_;
  std::vector<std::uint64_t> ids_;  // of this rank's samples in the step
  StepShards step_shards_;
  bool stopping_ = false;  // agreed: a rank was asked to stop
  Clock::time_point session_begin_;
  double seconds_before_ = 0.0;  // train_seconds of earlier sessions
};

std::uint64_t rounded_up(std::uint64_t dividend, std::int64_t divisor) {
  return (dividend - 1) / static_cast<std::uint64_t>(divisor) + 1;
}

std::uint64_t count_steps(const Config& config, std::uint64_t steps_per_epoch) {
  const auto all = static_cast<std::uint64_t>(config.train.epochs) * steps_per_epoch;
  return config.train.max_steps > 0 ? std::min(all, static_cast<std::uint64_t>(config.train.max_steps)) : all;
}

/// \throws ConfigError if a batch of every epoch leaves a rank, a shard, or all ranks together where they share
/// statistics, with one value of a channel, which has no variance.
void require_batches_to_normalise(const Config& config, std::uint64_t samples, int parts, const Network& network) {
  const Narrowest narrowest = network.narrowest();
  if (narrowest.values != 1) return;
  const auto batch = static_cast<std::uint64_t>(config.train.batch_size);
  const std::uint64_t last = samples % batch;
  const auto require = [&](std::uint64_t size, const std::string& which) {
    if (config.model.batch_norm_statistics == "synchronised") {
      if (size > 1) return;
      throw ConfigError(
          fmt::format("batch normalisation of {} needs two or more values of a channel: {} has 1 sample over all "
                      "ranks; choose another train.batch_size",
                      narrowest.name, which));
    }
    for (int part = 0; part < parts; ++part)
      if (io::part_of({0, size}, part, parts).size() == 1)
        throw ConfigError(
            fmt::format("batch normalisation of {} needs two or more values of a channel: {} has {} "
                        "sample(s), one of them alone {} {}; choose another train.batch_size",
                        narrowest.name, which, size, config.numerics.ignores_ranks() ? "in shard" : "on rank", part));
  };
  if (samples >= batch) require(batch, "each batch");
  if (last != 0) require(last, fmt::format("batch {} of each epoch, the last,", samples / batch + 1));
}

Training::Training(const Communicator& comm, const Config& config, const TrainingOptions& options, Phase& phase)
    : comm_(comm),
      config_(config),
      options_(options),
      phase_(phase),
      shards_(agreed_shards()),
      threads_(agreed_threads()),
      data_(open_agreed_data()),
      batches_per_epoch_(rounded_up(data_.train.dataset().size(), config.train.batch_size)),
      steps_per_epoch_(rounded_up(batches_per_epoch_, config.train.accumulate)),
      steps_(count_steps(config, steps_per_epoch_)),
      why_compressed_(choose_compression()),
      loop_(comm, config_, task()),
      log_(config_, comm.rank() == 0, steps_),
      monitor_(agree(comm, [&] { return Monitor(config.run, loop_.network().classes() > 0); })) {
  log_.why_compressed = why_compressed_;
  set_arithmetic_threads(threads_);
  agree(comm_, [&] { require_batches_to_normalise(config_, data_.train.dataset().size(), shards_, loop_.network()); });
}

int Training::agreed_shards() {
  if (!config_.numerics.ignores_ranks()) return comm_.size();
  if (config_.numerics.shards < comm_.size())
    throw AgreedError(fmt::format(
        "numerics.shards is {}, for {} ranks: with numerics.reproducible = \"ranks\" every rank needs a shard",
        config_.numerics.shards, comm_.size()));
  return static_cast<int>(config_.numerics.shards);
}

int Training::agreed_threads() {
  if (config_.train.threads == 0 && config_.numerics.ignores_ranks()) return 1;  // whatever the ranks' cores
  if (config_.train.threads > 0) return static_cast<int>(config_.train.threads);
  std::optional<std::string> failure;
  int threads = 1;
  try {
    threads = default_threads(comm_);
  } catch (const InvalidArgument& wrong) {
    failure = wrong.what();
  }
  settle(comm_, failure);
  return threads;
}

RunData Training::open_agreed_data() {
  phase_ = "all ranks open the data sets";
  RunData data = agree(comm_, [&] { return open_data(config_); });
  if (!all_equal(comm_, data.train.dataset().fingerprint()))
    throw AgreedError(text(config_.data.train, ": ranks see different data sets under this name"));
  if (data.test && !all_equal(comm_, data.test->dataset().fingerprint()))
    throw AgreedError(text(config_.data.test, ": ranks see different data sets under this name"));
  return data;
}

TaskShape Training::task() const {
  TaskShape task = data_.train.task();
  task.steps_per_epoch = steps_per_epoch_;
  task.steps = steps_;
  return task;
}

std::string Training::choose_compression() {
  phase_ = "all ranks choose what gradients travel as";
  return choose_compression_of(comm_, config_, task(), options_.resume);
}

void Training::begin_run() {
  std::vector<ParameterInfo> parameters = loop_.parameters();
  if (!config_.model.weights.empty()) {
    phase_ = fmt::format("rank 0 reads {}", config_.model.weights);
    agree_at_root(comm_, [&] { read_initial_weights(config_.model, parameters, loop_.network().buffers()); });
  }
  phase_ = fmt::format("rank 0 makes the run folder {}", config_.run.dir);
  agree_at_root(comm_, [&] { log_.folder.emplace(RunFolder::create(config_.run.dir)); });
  for (std::size_t i = 0; i < parameters.size(); ++i)
    initialise(parameters[i], i, static_cast<std::uint64_t>(config_.train.seed), loop_.buckets().parameter(i));
  share_parameters(comm_, loop_.buckets());
  position_.loss_scale = loop_.loss_scale();
  save();
  agree_at_root(comm_, [&] { log_.folder->begin(to_toml(config_)); });
}

/// Only once nothing can be refused any more is anything in the folder changed.
void Training::resume_run() {
  phase_ = fmt::format("rank 0 reads a checkpoint in {}", config_.run.dir);
  std::vector<std::string> notes;
  std::optional<WholeSlots> slots;
  agree_at_root(comm_, [&] {
    log_.folder.emplace(RunFolder::open(config_.run.dir));
    std::filesystem::path file;
    const io::Checkpoint checkpoint = log_.folder->newest_checkpoint(file);
    slots.emplace(loop_.buckets(), true);
    position_ = restore_checkpoint(file, checkpoint, identity(), loop_.buckets(), *slots, notes);
    if (position_.step > steps_)
      throw Error(fmt::format("{}: the run has done {} steps ({:g} epochs), {} steps are asked for", config_.run.dir,
                              position_.step,
                              static_cast<double>(position_.step) / static_cast<double>(steps_per_epoch_), steps_));
  });
  position_ = position_from_json(broadcast_text(comm_, to_json(position_)));
  loop_.restore_loss_scale(position_.loss_scale);
  seconds_before_ = position_.train_seconds;
  saved_step_ = position_.step;
  share_parameters(comm_, loop_.buckets());
  if (!slots) slots.emplace(loop_.buckets(), false);
  share_slots(comm_, loop_.buckets(), *slots);
  slots.reset();
  share_buffers(comm_, loop_.network());
  for (const NamedBuffer& scales : loop_.scales()) broadcast(comm_, scales.values, 0);
  loop_.exchange().replace_codecs(position_.replaced_codecs);
  loop_.exchange().restore_failed_checks(position_.failed_checks);
  loop_.go_on_at(position_.step);
  const auto note_of_exchange = restore_exchange_state(
      comm_, loop_.exchange(), loop_.parameters(), position_.exchange_layouts,
      [&](int rank) { return io::read_checkpoint(log_.folder->exchange_file(position_.step, rank)); });
  if (note_of_exchange) notes.push_back(*note_of_exchange);
  replay_evaluations();
  log_.resumed_after = position_.step;
  const bool makes_steps = position_.step < steps_ && !monitor_.stops();
  agree_at_root(comm_, [&] { log_.folder->resume_at(position_.step, to_toml(config_), makes_steps); });
  for (const auto& note : notes) log_.say("note: " + note + "; the run goes on with other bits than it would have had");
  log_.say(fmt::format("resuming after step {} of {}", position_.step, steps_));
  // The session before may have been stopped between the checkpoint of an epoch and its evaluation.
  std::array<std::uint64_t, 1> missing{is_root() && log_.folder->last_evaluation() != position_.step ? 1U : 0U};
  broadcast(comm_, std::span<std::uint64_t>(missing), 0);
  if (missing[0] != 0 && position_.step < steps_ && evaluation_is_due(position_.step)) evaluate_now();
}

/// Those of earlier sessions, as the records tell them: whatever is monitored then is judged from the start of the run.
void Training::replay_evaluations() {
  if (!monitor_.is_on()) return;
  nlohmann::json earlier = nlohmann::json::array();
  if (is_root())
    for (const auto& record : log_.folder->evaluations(position_.step))
      earlier.push_back({record.at("step"), record.value(std::string(monitor_.figure().name), nlohmann::json())});
  for (const auto& [step, value] : nlohmann::json::parse(broadcast_text(comm_, earlier.dump()))
                                       .get<std::vector<std::pair<std::uint64_t, nlohmann::json>>>())
    monitor_.add(step, value.is_number() ? std::optional(value.get<double>()) : std::nullopt, evaluation_is_due(step));
  if (!is_root() || !config_.run.keep_best || !monitor_.best()) return;
  log_.folder->protect(monitor_.best()->step);
  if (!log_.folder->checkpoint_file(monitor_.best()->step))
    log_.say(fmt::format("note: the best evaluation so far is that of step {}, whose checkpoint is gone",
                         monitor_.best()->step));
}

io::Augmentation Training::augmentation() const {
  const auto& told = config_.augment;
  return {.field = data_.train.input().name,
          .pad = static_cast<std::size_t>(told.pad),
          .padding = io::padding_from_name(told.padding),
          .flip = told.flip,
          .cutout = static_cast<std::size_t>(told.cutout),
          .fill = told.fill};
}

void Training::train_steps() {
  session_begin_ = Clock::now();
  auto loader = agree(comm_, [&] {
    return std::make_unique<io::Loader>(
        data_.train.dataset(), io::LoaderOptions{.order = io::order_from_name(config_.train.order),
                                                 .seed = static_cast<std::uint64_t>(config_.train.seed),
                                                 .window_bytes = static_cast<std::size_t>(config_.data.window_bytes),
                                                 .global_batch = static_cast<std::uint64_t>(config_.train.batch_size),
                                                 .rank = comm_.rank(),
                                                 .ranks = comm_.size(),
                                                 .shards = shards_,
                                                 .epochs = static_cast<std::uint64_t>(config_.train.epochs),
                                                 .first_epoch = position_.epoch,
                                                 .first_batch = position_.batch,
                                                 .augment = augmentation(),
                                                 .cache_bytes = static_cast<std::size_t>(config_.data.cache_bytes),
                                                 .threads = static_cast<int>(config_.data.threads)});
  });
  while (position_.step < steps_ && !stopping_ && !monitor_.stops()) {
    const auto begin = Clock::now();
    io::Batch batch;
    const StepReport report = make_step(*loader, batch);
    after_step(report, batch, seconds_since(begin));
  }
}

std::uint64_t Training::samples_of_step(std::uint64_t batches) const {
  const auto size = static_cast<std::uint64_t>(config_.train.batch_size);
  const std::uint64_t begin = position_.batch * size;
  return std::min(begin + batches * size, data_.train.dataset().size()) - begin;
}

/// A step is train.accumulate batches of the loader, the last of an epoch what is left of them. `batch` becomes the
/// last.
StepReport Training::make_step(io::Loader& loader, io::Batch& batch) {
  phase_ = fmt::format("all ranks make step {}, which begins with reading samples", position_.step + 1);
  const std::uint64_t batches =
      std::min(static_cast<std::uint64_t>(config_.train.accumulate), batches_per_epoch_ - position_.batch);
  ids_.clear();
  try {
    return config_.numerics.ignores_ranks() ? make_step_of_shards(loader, batch, batches)
                                            : make_step_of_batches(loader, batch, batches);
  } catch (const NotFiniteError& error) {
    throw AgreedError(fmt::format("{}; the newest checkpoint is that of step {}, in {}", error.what(), *saved_step_,
                                  config_.run.dir));
  }
}

StepReport Training::make_step_of_batches(io::Loader& loader, io::Batch& batch, std::uint64_t batches) {
  const std::uint64_t global_samples = samples_of_step(batches);
  Samples samples;
  double reading = 0.0;
  for (std::uint64_t i = 0; i < batches; ++i) {
    if (i > 0) loop_.accumulate(samples, global_samples);
    samples = {};
    Laps laps;
    loop_.attempt([&] {
      const TraceSpan span("read samples");
      auto next = loader.next();
      if (!next) throw Error("the loader ended before the run");
      batch = std::move(*next);
      samples = data_.train.samples(batch, labels_);
      ids_.insert(ids_.end(), batch.ids.begin(), batch.ids.end());
    });
    reading += laps.next();
  }
  StepReport report = loop_.train_step(
      {.step = position_.step, .samples = samples, .ids = ids_, .global_samples = global_samples}, options_.stop);
  report.phases.reading = reading;
  return report;
}

StepReport Training::make_step_of_shards(io::Loader& loader, io::Batch& batch, std::uint64_t batches) {
  std::vector<std::uint64_t> sizes;
  for (std::uint64_t i = 0; i < batches; ++i) sizes.push_back(samples_of_step(i + 1) - samples_of_step(i));
  step_shards_.begin(sizes, shards_of(comm_.rank(), comm_.size(), shards_), shards_);
  Laps laps;
  for (std::uint64_t i = 0; i < batches; ++i) {
    loop_.attempt([&] {
      const TraceSpan span("read samples");
      auto next = loader.next();
      if (!next) throw Error("the loader ended before the run");
      batch.epoch = next->epoch;
      batch.index = next->index;
      ids_.insert(ids_.end(), next->ids.begin(), next->ids.end());
      step_shards_.add(data_.train, std::move(*next));
    });
  }
  const double reading = laps.next();
  StepReport report = loop_.train_shards(
      {.step = position_.step, .samples = step_shards_.samples(), .batches = sizes, .ids = ids_}, options_.stop);
  report.phases.reading = reading;
  return report;
}

void Training::after_step(const StepReport& report, const io::Batch& batch, double seconds) {
  stopping_ = report.stop;
  const bool epoch_ends = batch.index + 1 == batches_per_epoch_;
  ++position_.step;
  position_.epoch = epoch_ends ? batch.epoch + 1 : batch.epoch;
  position_.batch = epoch_ends ? 0 : batch.index + 1;
  position_.samples += report.samples;
  position_.loss_scale = loop_.loss_scale();
  position_.step_seconds += seconds;
  position_.exposed_seconds += report.exposed_seconds;
  position_.phase_seconds += report.phases;
  position_.payload_bytes += report.payload_bytes;
  evaluated_.reset();
  if (is_root()) loop_.attempt([&] { log_.step(report, position_, seconds); });
  if (const auto checks = loop_.exchange().take_checks(); is_root() && !checks.empty())
    loop_.attempt([&] { log_.compression(checks, loop_.parameters(), position_.step); });
  if (options_.on_step) options_.on_step(report);
  // The checkpoint comes first: whatever the evaluation runs into, the epoch is not lost.
  const auto save_every = static_cast<std::uint64_t>(config_.run.checkpoint_every);
  if (stopping_ || (save_every == 0 ? epoch_ends : position_.step % save_every == 0)) save();
  if (evaluation_is_due(position_.step)) evaluate_now();
}

bool Training::evaluation_is_due(std::uint64_t step) const {
  const auto every = static_cast<std::uint64_t>(config_.run.evaluate_every) * steps_per_epoch_;
  return step > 0 && every > 0 && step % every == 0;
}

void Training::evaluate_now() {
  if (!data_.test || evaluated_ || stopping_) return;
  const TraceSpan span("evaluation");
  phase_ = fmt::format("all ranks evaluate on {}", config_.data.test);
  const auto begin = Clock::now();
  share_buffers(comm_, loop_.network());
  const auto look = [&] { return evaluate(comm_, loop_.network(), *data_.test, shards_, options_.stop); };
  evaluated_ = config_.run.evaluate_with == "average" ? loop_.with_average(look) : look();
  stopping_ = !evaluated_;
  if (is_root() && evaluated_)
    loop_.attempt([&] { log_.evaluation(evaluated_->score, position_, seconds_since(begin), train_seconds()); });
  if (evaluated_ && monitor_.is_on()) judge(evaluated_->score);
}

/// All ranks have the same score, so they judge alike.
void Training::judge(const Score& score) {
  monitor_.add(position_.step, monitor_.figure().value(score), evaluation_is_due(position_.step));
  if (!config_.run.keep_best || !monitor_.best() || monitor_.best()->step != position_.step) return;
  save();
  if (!is_root()) return;
  log_.folder->protect(position_.step);
  log_.folder->prune(position_.step, config_.run.keep);  // of the one that was best before
}

/// The replicas are compared first: what is written is what every rank holds, and it is sound.
void Training::save() {
  if (saved_step_ == position_.step) return;
  const TraceSpan span("checkpoint");
  const auto begin = Clock::now();
  if (!are_finite(loop_.buckets()))
    throw AgreedError(
        fmt::format("parameters are not finite after step {}; no checkpoint is written, the newest is that of step {}",
                    position_.step, saved_step_.value_or(0)));
  if (!are_same(comm_, loop_.buckets()))
    throw AgreedError(fmt::format("ranks hold different parameters after step {}", position_.step));
  share_buffers(comm_, loop_.network());
  if (!are_finite(loop_.network()))
    throw AgreedError(
        fmt::format("running statistics are not finite after step {}; no checkpoint is written, the "
                    "newest is that of step {}",
                    position_.step, saved_step_.value_or(0)));
  phase_ = fmt::format("rank 0 writes the checkpoint of step {} in {}", position_.step, config_.run.dir);
  const WholeSlots slots = agree(comm_, [&] { return WholeSlots(loop_.buckets(), is_root()); });
  gather_slots(comm_, loop_.buckets(), slots);
  position_.replaced_codecs = loop_.exchange().replaced_codecs();
  position_.failed_checks = loop_.exchange().failed_checks();
  position_.exchange_layouts =
      save_exchange_state(comm_, loop_.exchange(), loop_.parameters(), [&](int rank, const io::Checkpoint& state) {
        io::write_checkpoint(log_.folder->exchange_file(position_.step, rank), state);
      });
  agree_at_root(comm_, [&] {
    Position now = position_;
    now.train_seconds = train_seconds();
    log_.folder->write_checkpoint(position_.step, make_checkpoint(identity(), now, loop_.buckets(), slots),
                                  config_.run.keep);
  });
  saved_step_ = position_.step;
  const auto memory = largest_memory(comm_);
  if (is_root() && position_.step > 0)  // before that there are no records yet
    loop_.attempt([&] { log_.checkpoint(position_, seconds_since(begin), memory); });
}

TrainingResult Training::finish() {
  save();
  evaluate_now();
  loop_.settle_failures();
  if (stopping_) {
    log_.say(fmt::format("stopped after step {} of {}: --resume goes on; run folder {}", position_.step, steps_,
                         config_.run.dir));
    TrainingResult stopped;
    stopped.stopped = true;
    stopped.steps = position_.step;
    stopped.epochs = position_.epoch;
    stopped.train_seconds = train_seconds();
    return stopped;
  }
  const auto hash = parameter_hash(loop_.buckets());
  std::uint64_t head = 0;
  for (std::size_t i = 0; i < sizeof(head); ++i) head = head << 8 | hash[i];
  if (!all_equal(comm_, head)) throw AgreedError("ranks hold different parameters at the end");
  TrainingResult result{.stopped = false,
                        .stopped_early = monitor_.stops() && position_.step < steps_,
                        .steps = position_.step,
                        .epochs = position_.epoch,
                        .test = {},
                        .classes = {},
                        .parameter_hash = to_hex(hash),
                        .best = monitor_.is_on() ? monitor_.best() : std::nullopt,
                        .train_seconds = train_seconds(),
                        .memory_bytes = largest_memory(comm_)};
  if (evaluated_) {
    result.test = std::move(evaluated_->score);
    result.classes = std::move(evaluated_->counts);
  }
  if (position_.step_seconds > 0.0) {
    result.samples_per_s = static_cast<double>(position_.samples) / position_.step_seconds;
    result.comm_share = position_.exposed_seconds / position_.step_seconds;
  }
  if (result.stopped_early)
    log_.say(fmt::format("ended early after step {} of {}: no better {} in {} evaluations", position_.step, steps_,
                         config_.run.monitor, config_.run.stop_after));
  agree_at_root(comm_, [&] { log_.result(result, identity(), position_, comm_); });
  return result;
}

TrainingResult Training::run() {
  session_begin_ = Clock::now();
  if (options_.resume)
    resume_run();
  else
    begin_run();
  const bool in_bf16 = config_.model.compute == "bf16";
  if (in_bf16)
    if (const auto warning = bf16_warning(comm_)) log_.say("note: " + *warning);
  log_.say(fmt::format(
      "{} of {}{} on {}: {} samples, batch {}, {} steps; {} rank(s) on {} node(s), {} thread(s) each; {} bucket(s)",
      model_title(config_.model), config_.model.dtype, in_bf16 ? ", computed in bf16," : "",
      data_.train.dataset().name(), data_.train.dataset().size(), config_.train.batch_size, steps_, comm_.size(),
      comm_.topology().nodes, threads_, loop_.buckets().size()));
  if (!why_compressed_.empty())
    log_.say(fmt::format("exchange.compression = \"auto\": {}: {}", config_.exchange.compression, why_compressed_));
  train_steps();
  return finish();
}

}  // namespace

TrainingResult train(const Communicator& comm, const Config& config, const TrainingOptions& options) {
  Phase phase;
  std::unique_ptr<Training> training;
  try {
    training = std::make_unique<Training>(comm, config, options, phase);
    return training->run();
  } catch (const AgreedError&) {
    throw;  // nothing is under way
  } catch (const CommunicationError& error) {
    static_cast<void>(training.release());
    throw CommunicationError(
        fmt::format("{}; meanwhile {}; a rank that is only slow needs a larger train.timeout_s, "
                    "which is {} s",
                    error.what(), phase, config.train.timeout_s));
  } catch (...) {
    // Operations may be under way, and MPI cannot cancel them: their memory must stay until the program is aborted.
    static_cast<void>(training.release());
    throw;
  }
}

}  // namespace tutti::trainer
