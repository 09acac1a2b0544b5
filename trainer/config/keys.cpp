// The table of keys: a function for each section, those of optimizer and schedule in learning_keys.cpp. Names of
// models, optimizers, strategies and codecs come from their tables.
#include <algorithm>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <tutti/io/augment.hpp>
#include <tutti/io/sampler.hpp>
#include <tutti/trainer/config/config.hpp>
#include <tutti/trainer/config/key_sections.hpp>

namespace tutti::trainer {

namespace {

Keys data_keys() {
  return {
      {.name = "data.train",
       .meaning = "folder of the training set (shards and manifest); in paths ~ and $NAME are expanded",
       .slot = [](Config& c) -> Slot { return &c.data.train; },
       .path = true},
      {.name = "data.test",
       .meaning = "folder of the data set to be evaluated on; empty: no evaluation",
       .slot = [](Config& c) -> Slot { return &c.data.test; },
       .path = true},
      {.name = "data.input",
       .meaning = "field that the model sees; several, with commas between, for model.file",
       .slot = [](Config& c) -> Slot { return &c.data.input; },
       .on_resume = OnResume::refuse},
      {.name = "data.integers",
       .meaning = "those of data.input that model.file wants as integers (i64); they are not scaled",
       .slot = [](Config& c) -> Slot { return &c.data.integers; },
       .on_resume = OnResume::refuse},
      {.name = "data.target",
       .meaning = "field to be told: the class `label`, or one or more numbers",
       .slot = [](Config& c) -> Slot { return &c.data.target; },
       .on_resume = OnResume::refuse},
      {.name = "data.scale",
       .meaning = "inputs are divided by this first: the largest pixel value",
       .slot = [](Config& c) -> Slot { return &c.data.scale; },
       .low = Key::kAboveZero,
       .high = 1e12,
       .on_resume = OnResume::refuse},
      {.name = "data.mean",
       .meaning = "then this is subtracted (a list: by channel)",
       .slot = [](Config& c) -> Slot { return &c.data.mean; },
       .low = -1e12,
       .high = 1e12,
       .on_resume = OnResume::refuse},
      {.name = "data.std",
       .meaning = "and the rest divided by this (a list: by channel)",
       .slot = [](Config& c) -> Slot { return &c.data.std; },
       .low = Key::kAboveZero,
       .high = 1e12,
       .on_resume = OnResume::refuse},
      {.name = "data.window_bytes",
       .meaning = "bytes shuffled together (train.order = two_level): more mix better",
       .slot = [](Config& c) -> Slot { return &c.data.window_bytes; },
       .low = 1,
       .high = Key::kUnbounded,
       .on_resume = OnResume::refuse},
      {.name = "data.cache_bytes",
       .meaning = "decoded chunks of the training set that a rank keeps in memory",
       .slot = [](Config& c) -> Slot { return &c.data.cache_bytes; },
       .high = Key::kUnbounded},
      {.name = "data.threads",
       .meaning = "threads of a rank that read, decode and copy samples",
       .slot = [](Config& c) -> Slot { return &c.data.threads; },
       .low = 1,
       .high = 1024},
  };
}

Keys augment_keys() {
  return {
      {.name = "augment.pad",
       .meaning = "pixels added around training pictures, as many are cut off anywhere",
       .slot = [](Config& c) -> Slot { return &c.augment.pad; },
       .high = 1e6,
       .on_resume = OnResume::note},
      {.name = "augment.padding",
       .meaning = "what those show: augment.fill, or the picture mirrored",
       .slot = [](Config& c) -> Slot { return &c.augment.padding; },
       .choices = list(io::padding_names()),
       .on_resume = OnResume::note},
      {.name = "augment.flip",
       .meaning = "mirrors every other picture, left to right, at random",
       .slot = [](Config& c) -> Slot { return &c.augment.flip; },
       .on_resume = OnResume::note},
      {.name = "augment.cutout",
       .meaning = "side of a square, anywhere, that shows augment.fill; 0: none",
       .slot = [](Config& c) -> Slot { return &c.augment.cutout; },
       .high = 1e6,
       .on_resume = OnResume::note},
      {.name = "augment.fill",
       .meaning = "pixel value there, before data.scale (or by channel)",
       .slot = [](Config& c) -> Slot { return &c.augment.fill; },
       .low = -1e9,
       .high = 1e9,
       .on_resume = OnResume::note},
  };
}

Keys model_keys() {
  return {
      {.name = "model.name",
       .meaning = "see `tutti models`",
       .slot = [](Config& c) -> Slot { return &c.model.name; },
       .choices = list(model_names()),
       .on_resume = OnResume::refuse},
      {.name = "model.hidden",
       .meaning = "units of a hidden layer (mlp, convnet)",
       .slot = [](Config& c) -> Slot { return &c.model.hidden; },
       .low = 1,
       .high = 1e6,
       .on_resume = OnResume::refuse},
      {.name = "model.channels",
       .meaning = "channels of the first convolution, the second has twice as many (convnet)",
       .slot = [](Config& c) -> Slot { return &c.model.channels; },
       .low = 1,
       .high = 4096,
       .on_resume = OnResume::refuse},
      {.name = "model.stride",
       .meaning = "step of the first convolution: 1 pools after it, 2 makes it cheaper (convnet)",
       .slot = [](Config& c) -> Slot { return &c.model.stride; },
       .low = 1,
       .high = 2,
       .on_resume = OnResume::refuse},
      {.name = "model.dtype",
       .meaning = "type of parameters and arithmetic",
       .slot = [](Config& c) -> Slot { return &c.model.dtype; },
       .choices = {"f32", "f64"},
       .on_resume = OnResume::refuse},
      {.name = "model.compute",
       .meaning = "type of arithmetic in forward and backward; same: as model.dtype",
       .slot = [](Config& c) -> Slot { return &c.model.compute; },
       .choices = {"same", "bf16"},
       .on_resume = OnResume::note},
      {.name = "model.file",
       .meaning = "a TorchScript module, in place of model.name",
       .slot = [](Config& c) -> Slot { return &c.model.file; },
       .on_resume = OnResume::note,
       .path = true},
      {.name = "model.weights",
       .meaning = "what parameters begin as: a file of `tutti export`, or another with these tensors",
       .slot = [](Config& c) -> Slot { return &c.model.weights; },
       .path = true},
      {.name = "model.weights_skip",
       .meaning = "names, with commas between, * and ?, that are not taken from model.weights",
       .slot = [](Config& c) -> Slot { return &c.model.weights_skip; }},
      {.name = "model.weights_names",
       .meaning = "its names: those here, or torchvision's (resnet*, vgg11)",
       .slot = [](Config& c) -> Slot { return &c.model.weights_names; },
       .choices = {"own", "torchvision"}},
      {.name = "model.depth",
       .meaning = "hidden layers (mlp)",
       .slot = [](Config& c) -> Slot { return &c.model.depth; },
       .low = 1,
       .high = 1000,
       .on_resume = OnResume::refuse},
      {.name = "model.stem",
       .meaning = "for images of about 32 x 32, or of 224 x 224 (resnet*, vgg11)",
       .slot = [](Config& c) -> Slot { return &c.model.stem; },
       .choices = {"small", "imagenet"},
       .on_resume = OnResume::refuse},
      {.name = "model.batch_norm",
       .meaning = "of hidden layers and convolutions (mlp, vgg11; resnet* always have it)",
       .slot = [](Config& c) -> Slot { return &c.model.batch_norm; },
       .on_resume = OnResume::refuse},
      {.name = "model.batch_norm_statistics",
       .meaning = "of a rank's samples, or all (mlp, vgg11, resnet*)",
       .slot = [](Config& c) -> Slot { return &c.model.batch_norm_statistics; },
       .choices = {"local", "synchronised"},
       .on_resume = OnResume::note},
      {.name = "model.dropout",
       .meaning = "share of elements made 0 in training (mlp, convnet, vgg11, resnet*, gpt)",
       .slot = [](Config& c) -> Slot { return &c.model.dropout; },
       .low = 0,
       .high = 0.999,
       .on_resume = OnResume::refuse},
      {.name = "model.layers",
       .meaning = "blocks of attention and perceptron (gpt)",
       .slot = [](Config& c) -> Slot { return &c.model.layers; },
       .low = 1,
       .high = 1000,
       .on_resume = OnResume::refuse},
      {.name = "model.heads",
       .meaning = "heads of an attention, a divisor of model.width (gpt)",
       .slot = [](Config& c) -> Slot { return &c.model.heads; },
       .low = 1,
       .high = 1024,
       .on_resume = OnResume::refuse},
      {.name = "model.width",
       .meaning = "numbers that stand for a byte of text (gpt)",
       .slot = [](Config& c) -> Slot { return &c.model.width; },
       .low = 1,
       .high = 65536,
       .on_resume = OnResume::refuse},
      {.name = "model.loss",
       .meaning = "auto: that of the model, mostly cross_entropy",
       .slot = [](Config& c) -> Slot { return &c.model.loss; },
       .choices = list(loss_names()),
       .on_resume = OnResume::refuse},
      {.name = "model.label_smoothing",
       .meaning = "share of the target that is spread over all classes (cross_entropy)",
       .slot = [](Config& c) -> Slot { return &c.model.label_smoothing; },
       .low = 0,
       .high = 1,
       .on_resume = OnResume::refuse},
      {.name = "model.huber_delta",
       .meaning = "error beyond which the loss is linear (huber)",
       .slot = [](Config& c) -> Slot { return &c.model.huber_delta; },
       .low = Key::kAboveZero,
       .high = 1e12,
       .on_resume = OnResume::refuse},
  };
}

Keys train_keys() {
  return {
      {.name = "train.epochs",
       .meaning = "passes over the training set",
       .slot = [](Config& c) -> Slot { return &c.train.epochs; },
       .low = 1,
       .high = 1e9},
      {.name = "train.batch_size",
       .meaning = "samples per step over all ranks, or per batch with accumulate",
       .slot = [](Config& c) -> Slot { return &c.train.batch_size; },
       .low = 1,
       .high = 1e9,
       .on_resume = OnResume::refuse},
      {.name = "train.accumulate",
       .meaning = "batches in a step; what an epoch leaves over is a shorter step",
       .slot = [](Config& c) -> Slot { return &c.train.accumulate; },
       .low = 1,
       .high = 1e6,
       .on_resume = OnResume::refuse},
      {.name = "train.max_steps",
       .meaning = "last step, over all epochs; 0: that of the last epoch",
       .slot = [](Config& c) -> Slot { return &c.train.max_steps; },
       .high = Key::kUnbounded},
      {.name = "train.seed",
       .meaning = "seed of initial parameters and of the order of samples",
       .slot = [](Config& c) -> Slot { return &c.train.seed; },
       .high = Key::kUnbounded,
       .on_resume = OnResume::refuse},
      {.name = "train.order",
       .meaning = "order of the samples of an epoch",
       .slot = [](Config& c) -> Slot { return &c.train.order; },
       .choices = list(io::order_names()),
       .on_resume = OnResume::refuse},
      {.name = "train.threads",
       .meaning = "threads per rank; 0: OMP_NUM_THREADS, else the rank's share of its cores",
       .slot = [](Config& c) -> Slot { return &c.train.threads; },
       .high = 1024,
       .on_resume = OnResume::note},
      {.name = "train.timeout_s",
       .meaning = "seconds after which waiting for another rank is an error",
       .slot = [](Config& c) -> Slot { return &c.train.timeout_s; },
       .low = 0.001,
       .high = 1e7},
  };
}

Keys exchange_keys() {
  return {
      {.name = "exchange.kind",
       .meaning = "how ranks exchange what they learn",
       .slot = [](Config& c) -> Slot { return &c.exchange.kind; },
       .choices = list(exchange_names()),
       .on_resume = OnResume::note},
      {.name = "exchange.bucket_bytes",
       .meaning = "about how many bytes make a bucket; 0: by model and network",
       .slot = [](Config& c) -> Slot { return &c.exchange.bucket_bytes; },
       .high = 1e12,
       .on_resume = OnResume::note},
      {.name = "exchange.compression",
       .meaning =
           "what gradients travel as: a codec of `tutti compress --list`, NAME or NAME:PARAMETER=VALUE,...; auto: "
           "what is predicted to be fastest",
       .slot = [](Config& c) -> Slot { return &c.exchange.compression; },
       .on_resume = OnResume::note},
      {.name = "exchange.auto_error",
       .meaning = "the relative squared error that a codec chosen by auto may have",
       .slot = [](Config& c) -> Slot { return &c.exchange.auto_error; },
       .high = 1.0,
       .on_resume = OnResume::note},
      {.name = "exchange.compress_from",
       .meaning = "parameters of fewer elements, or one dimension, travel as they are (not with bf16, f16), unless a "
                  "rule holds",
       .slot = [](Config& c) -> Slot { return &c.exchange.compress_from; },
       .high = 1e12,
       .on_resume = OnResume::note},
      {.name = "exchange.compress_after",
       .meaning = "steps of the run that are made before gradients are compressed",
       .slot = [](Config& c) -> Slot { return &c.exchange.compress_after; },
       .high = Key::kUnbounded,
       .on_resume = OnResume::note},
      {.name = "exchange.feedback_space",
       .meaning = "what is held back: gradient, or update (rescaled when the learning rate changes)",
       .slot = [](Config& c) -> Slot { return &c.exchange.feedback_space; },
       .choices = {"gradient", "update"},
       .on_resume = OnResume::note},
      {.name = "exchange.guard_every",
       .meaning = "steps between checks of what compression does; 0: none",
       .slot = [](Config& c) -> Slot { return &c.exchange.guard_every; },
       .high = Key::kUnbounded,
       .on_resume = OnResume::note},
      {.name = "exchange.guard_residual",
       .meaning = "what ranks hold back of a parameter may have so many times the norm of its gradient",
       .slot = [](Config& c) -> Slot { return &c.exchange.guard_residual; },
       .low = Key::kAboveZero,
       .high = 1e12,
       .on_resume = OnResume::note},
      {.name = "exchange.fallback",
       .meaning = "what a parameter travels as that fails two checks in a row, and none if that is this",
       .slot = [](Config& c) -> Slot { return &c.exchange.fallback; },
       .on_resume = OnResume::note},
      {.name = "exchange.overflow",
       .meaning = "a gradient beyond the range of its codec: error, or fall_back (exchanged anew as it is)",
       .slot = [](Config& c) -> Slot { return &c.exchange.overflow; },
       .choices = {"error", "fall_back"},
       .on_resume = OnResume::note},
      {.name = "exchange.algorithm",
       .meaning = "allreduce algorithm (allreduce/README.md); empty: chosen by size and ranks",
       .slot = [](Config& c) -> Slot { return &c.exchange.algorithm; },
       .on_resume = OnResume::note},
  };
}

Keys rule_keys() {
  constexpr double kMost = 1e12;
  return {
      {.name = "exchange.rule.match",
       .meaning = "names of parameters: `*` stands for any characters, `?` for one",
       .slot = [](Config& c) -> Slot { return &c.exchange.rules.back().match; }},
      {.name = "exchange.rule.min_elements",
       .meaning = "parameters of so many elements or more",
       .slot = [](Config& c) -> Slot { return &c.exchange.rules.back().min_elements; },
       .high = kMost},
      {.name = "exchange.rule.max_elements",
       .meaning = "parameters of so many elements or fewer; 0: any",
       .slot = [](Config& c) -> Slot { return &c.exchange.rules.back().max_elements; },
       .high = kMost},
      {.name = "exchange.rule.min_dimensions",
       .meaning = "parameters of so many dimensions or more",
       .slot = [](Config& c) -> Slot { return &c.exchange.rules.back().min_dimensions; },
       .high = 64},
      {.name = "exchange.rule.max_dimensions",
       .meaning = "parameters of so many dimensions or fewer",
       .slot = [](Config& c) -> Slot { return &c.exchange.rules.back().max_dimensions; },
       .high = 64},
      {.name = "exchange.rule.first",
       .meaning = "the first so many parameters of the model; 0: any",
       .slot = [](Config& c) -> Slot { return &c.exchange.rules.back().first; },
       .high = kMost},
      {.name = "exchange.rule.last",
       .meaning = "the last so many parameters of the model; 0: any",
       .slot = [](Config& c) -> Slot { return &c.exchange.rules.back().last; },
       .high = kMost},
      {.name = "exchange.rule.compression",
       .meaning = "what their gradients travel as, as exchange.compression",
       .slot = [](Config& c) -> Slot { return &c.exchange.rules.back().compression; }},
  };
}

Keys run_keys() {
  return {
      {.name = "run.dir",
       .meaning = "the run folder; empty: runs/NAME for a configuration NAME.toml",
       .slot = [](Config& c) -> Slot { return &c.run.dir; },
       .path = true},
      {.name = "run.checkpoint_every",
       .meaning = "steps between checkpoints; 0: one at the end of each epoch",
       .slot = [](Config& c) -> Slot { return &c.run.checkpoint_every; },
       .high = Key::kUnbounded},
      {.name = "run.keep",
       .meaning = "checkpoints kept, the newest ones",
       .slot = [](Config& c) -> Slot { return &c.run.keep; },
       .low = 1,
       .high = 1e6},
      {.name = "run.log_every",
       .meaning = "steps between lines of metrics.jsonl",
       .slot = [](Config& c) -> Slot { return &c.run.log_every; },
       .low = 1,
       .high = Key::kUnbounded},
      {.name = "run.evaluate_every",
       .meaning = "epochs between evaluations; one follows the last step; 0: only that",
       .slot = [](Config& c) -> Slot { return &c.run.evaluate_every; },
       .high = 1e9},
      {.name = "run.evaluate_with",
       .meaning = "what is evaluated (average: of optimizer.ema_decay)",
       .slot = [](Config& c) -> Slot { return &c.run.evaluate_with; },
       .choices = {"parameters", "average"}},
      {.name = "run.monitor",
       .meaning = "figure to judge by",
       .slot = [](Config& c) -> Slot { return &c.run.monitor; },
       .choices = {"test_loss", "test_accuracy", "test_top5_accuracy", "test_rmse", "test_r2"}},
      {.name = "run.stop_after",
       .meaning = "evaluations in a row without improvement that end the run; 0: none do",
       .slot = [](Config& c) -> Slot { return &c.run.stop_after; },
       .high = 1e9},
      {.name = "run.min_delta",
       .meaning = "what is better by no more than this is no improvement (stop_after)",
       .slot = [](Config& c) -> Slot { return &c.run.min_delta; },
       .high = 1e12},
      {.name = "run.keep_best",
       .meaning = "keep the checkpoint of the best evaluation beside the newest ones",
       .slot = [](Config& c) -> Slot { return &c.run.keep_best; }},
      {.name = "run.log_gradient_norm",
       .meaning = "write the norm of the gradient, before clipping, to metrics.jsonl",
       .slot = [](Config& c) -> Slot { return &c.run.log_gradient_norm; }},
      {.name = "run.tensorboard",
       .meaning = "writes event files for TensorBoard into tensorboard/ of the run folder",
       .slot = [](Config& c) -> Slot { return &c.run.tensorboard; }},
      {.name = "run.progress",
       .meaning = "what rank 0 shows; auto: a bar on a terminal, lines elsewhere",
       .slot = [](Config& c) -> Slot { return &c.run.progress; },
       .choices = {"auto", "bar", "lines", "none"}},
  };
}

Keys numerics_keys() {
  return {
      {.name = "numerics.reproducible",
       .meaning = "what gives the same bits again: see Reproducibility",
       .slot = [](Config& c) -> Slot { return &c.numerics.reproducible; },
       .choices = {"run", "layout", "ranks"},
       .on_resume = OnResume::note},
      {.name = "numerics.shards",
       .meaning = "parts of a batch, at least one for each rank (reproducible = ranks)",
       .slot = [](Config& c) -> Slot { return &c.numerics.shards; },
       .low = 1,
       .high = 4096,
       .on_resume = OnResume::note},
      {.name = "numerics.loss_scale",
       .meaning = "none, dynamic, or a power of two: for exchange.compression = \"f16\"",
       .slot = [](Config& c) -> Slot { return &c.numerics.loss_scale; },
       .on_resume = OnResume::note},
  };
}

Keys all_keys() {
  Keys table;
  for (const auto section : {data_keys, augment_keys, model_keys, train_keys, optimizer_keys, schedule_keys,
                             exchange_keys, numerics_keys, run_keys})
    for (Key& key : section()) table.push_back(std::move(key));
  return table;
}

}  // namespace

std::span<const ListedTables> listed_tables() {
  static constexpr ListedTables kLists[] = {
      {.name = "optimizer.group",
       .what = "a group of parameters",
       .required = "match",
       .required_meaning = "which parameters are meant",
       .keys = []() -> std::span<const Key> {
         static const Keys table = group_keys();
         return table;
       },
       .count = [](const Config& c) { return c.optimizer.groups.size(); },
       .append = [](Config& c) { c.optimizer.groups.emplace_back(); },
       .keep_only = [](Config& c, std::size_t i) { c.optimizer.groups = {ParameterGroup(c.optimizer.groups[i])}; },
       .is_given =
           [](const Config& c, const Key& key) {
             return key.name != "optimizer.group.weight_decay" || c.optimizer.groups.back().weight_decay.has_value();
           }},
      {.name = "exchange.rule",
       .what = "a rule for the compression of some parameters",
       .required = "compression",
       .required_meaning = "what their gradients travel as",
       .keys = []() -> std::span<const Key> {
         static const Keys table = rule_keys();
         return table;
       },
       .count = [](const Config& c) { return c.exchange.rules.size(); },
       .append = [](Config& c) { c.exchange.rules.emplace_back(); },
       .keep_only = [](Config& c, std::size_t i) { c.exchange.rules = {CompressionRule(c.exchange.rules[i])}; },
       .is_given = [](const Config&, const Key&) { return true; }},
  };
  return kLists;
}

bool key_applies(const Config& config, const Key& key) {
  const auto dot = key.name.find('.');
  const std::string_view section = key.name.substr(0, dot);
  const std::string_view own = key.name.substr(dot + 1);
  const auto known = [&](std::span<const std::string_view> kinds, bool (*reads)(std::string_view, std::string_view),
                         std::string_view kind) {
    return reads(kind, own) || std::none_of(kinds.begin(), kinds.end(), [&](auto other) { return reads(other, own); });
  };
  if (section == "optimizer") return known(optimizer_names(), optimizer_reads, config.optimizer.kind);
  if (section == "schedule") return known(schedule_names(), schedule_reads, config.schedule.kind);
  return true;
}

std::span<const Key> key_table() {
  static const Keys table = all_keys();
  return table;
}

}  // namespace tutti::trainer
