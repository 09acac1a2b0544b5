#include <tutti/io/detail/batch_plan.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <tuple>
#include <utility>

#include <tutti/io/sparse.hpp>
#include <tutti/kernels/dtype.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::io {

namespace {

std::uint64_t count_batches(const Dataset& dataset, const LoaderOptions& options) {
  if (options.global_batch == 0)
    throw InvalidArgument(fmt::format("loader of {}: global_batch = 0 is out of range", dataset.folder().string()));
  return (dataset.size() - 1) / options.global_batch + 1;
}

LoaderOptions valid(const Dataset& dataset, const LoaderOptions& options) {
  const auto require = [&](bool valid, const char* option, auto value) {
    if (!valid)
      throw InvalidArgument(
          fmt::format("loader of {}: {} = {} is out of range", dataset.folder().string(), option, value));
  };
  require(options.ranks >= 1, "ranks", options.ranks);
  require(options.rank >= 0 && options.rank < options.ranks, "rank", options.rank);
  require(options.shards == 0 || options.shards >= options.ranks, "shards", options.shards);
  require(options.shards == 0 || options.partition == Partition::samples, "shards", options.shards);
  require(options.prefetch >= 1, "prefetch", options.prefetch);
  require(options.threads >= 1 && options.threads <= 1024, "threads", options.threads);
  require(options.first_epoch <= options.epochs, "first_epoch", options.first_epoch);
  require(options.first_batch <= count_batches(dataset, options), "first_batch", options.first_batch);
  return options;
}

Sampler make_sampler(const Dataset& dataset, const LoaderOptions& options) {
  if (options.order != Order::two_level) return {dataset.size(), options.order, options.seed};
  return {dataset.size(), options.seed, two_level_options(dataset, options.global_batch, options.window_bytes)};
}

std::vector<Range> columns_of(const Dataset& dataset, const LoaderOptions& options) {
  std::vector<bool> cut(dataset.fields().size(), false);
  for (const std::string& name : options.cut_fields) cut[dataset.field(name)] = true;
  std::vector<Range> columns;
  columns.reserve(cut.size());
  for (std::size_t f = 0; f < cut.size(); ++f) {
    const Field& field = dataset.fields()[f];
    const bool shared =
        options.partition == Partition::features && !field.shape.empty() && (options.cut_fields.empty() || cut[f]);
    columns.push_back(part_of({0, field.elements()}, shared ? options.rank : 0, shared ? options.ranks : 1));
  }
  return columns;
}

std::optional<Augmenter> make_augmenter(const Dataset& dataset, const LoaderOptions& options,
                                        const std::vector<Range>& columns) {
  if (!options.augment.is_on()) return std::nullopt;
  Augmenter augmenter(dataset, options.augment, options.seed);
  if (columns[augmenter.field()].size() != dataset.fields()[augmenter.field()].elements())
    throw InvalidArgument(fmt::format("loader of {}: pictures of field '{}' are augmented whole, not by parts of them",
                                      dataset.folder().string(), options.augment.field));
  return augmenter;
}

}  // namespace

BatchMaker::BatchMaker(const Dataset& dataset, const LoaderOptions& options)
    : dataset_(dataset),
      options_(valid(dataset, options)),
      batches_(count_batches(dataset, options)),
      sampler_(make_sampler(dataset, options)),
      cache_(dataset, options.cache_bytes),
      columns_(columns_of(dataset, options)),
      cuts_([this] {
        std::vector<Cut> cuts;
        cuts.reserve(columns_.size());
        for (std::size_t f = 0; f < columns_.size(); ++f) {
          const Field& field = dataset_.fields()[f];
          const std::size_t element = size_of(field.dtype);
          cuts.push_back({.stride = field.sample_bytes(),
                          .offset = columns_[f].first * element,
                          .bytes = columns_[f].size() * element,
                          .in_chunk = cache_.offset(f),
                          .sparse = field.sparse});
        }
        return cuts;
      }()),
      augmenter_(make_augmenter(dataset, options, columns_)),
      pool_(batch_bytes(), options.prefetch + options.idle_batches) {}

/// Of a whole batch, whose part of this rank is as large as that of any other batch.
std::size_t BatchMaker::batch_bytes() const {
  const std::uint64_t samples = own_positions(0).size();
  std::size_t bytes = 0;
  for (const Cut& cut : cuts_) bytes += rounded_to_lines(samples * cut.bytes);
  return bytes;
}

Range BatchMaker::own_positions(std::uint64_t index) const noexcept {
  const std::uint64_t begin = index * options_.global_batch;
  const Range whole{begin, begin + std::min(options_.global_batch, dataset_.size() - begin)};
  if (options_.partition == Partition::features) return whole;
  const int parts = options_.shards == 0 ? options_.ranks : options_.shards;
  const Range own = part_of({0, static_cast<std::uint64_t>(parts)}, options_.rank, options_.ranks);
  return parts_of(whole, own, parts);
}

PlannedBatch BatchMaker::plan(std::uint64_t epoch, std::uint64_t index) {
  const Range mine = own_positions(index);
  PlannedBatch planned;
  Batch& batch = planned.batch;
  batch.epoch = epoch;
  batch.index = index;
  batch.global_samples = std::min(options_.global_batch, dataset_.size() - index * options_.global_batch);
  batch.ids.resize(mine.size());
  sampler_.samples(epoch, mine.first, batch.ids);
  planned.wanted.reserve(mine.size());
  for (const std::uint64_t id : batch.ids) {
    const Location location = cache_.locate(id);
    planned.wanted.push_back({location.chunk, location.index, planned.wanted.size()});
  }
  const bool all_there = cache_.is_complete();
  if (!all_there)
    std::sort(planned.wanted.begin(), planned.wanted.end(), [](const Wanted& a, const Wanted& b) {
      return std::tie(a.chunk, a.position) < std::tie(b.chunk, b.position);
    });
  cut_slices(planned, all_there);
  if (!all_there) prefetch(planned.wanted);
  batch.memory = pool_.take();
  std::span<std::byte> room = batch.memory.bytes();
  batch.data.reserve(cuts_.size());
  for (const Cut& cut : cuts_) {
    batch.data.push_back(room.first(mine.size() * cut.bytes));
    room = room.subspan(std::min(rounded_to_lines(mine.size() * cut.bytes), room.size()));
  }
  return planned;
}

// One thread takes a batch whole. For several there are some slices each, since chunks take different times, cut where
// the chunk changes.
void BatchMaker::cut_slices(PlannedBatch& planned, bool anywhere) const {
  constexpr int kSlicesOfThread = 4;
  const std::vector<Wanted>& wanted = planned.wanted;
  const int slices = options_.threads == 1 ? 1 : options_.threads * kSlicesOfThread;
  planned.slices.assign(1, 0);
  planned.slices.reserve(static_cast<std::size_t>(slices) + 1);
  for (int slice = 0; slice < slices; ++slice) {
    std::size_t end = part_of({0, wanted.size()}, slice, slices).last;
    while (!anywhere && end > 0 && end < wanted.size() && wanted[end].chunk == wanted[end - 1].chunk) ++end;
    if (end > planned.slices.back()) planned.slices.push_back(end);
  }
  if (planned.count() == 0) planned.slices.push_back(0);  // a batch without samples is filled too
}

void BatchMaker::prefetch(std::span<const Wanted> wanted) noexcept {
  for (std::size_t i = 0; i < wanted.size(); ++i)
    if (i == 0 || wanted[i].chunk != wanted[i - 1].chunk) cache_.prefetch(wanted[i].chunk);
}

void BatchMaker::fill(PlannedBatch& planned, std::size_t slice) {
  const std::span<const Wanted> wanted(planned.wanted.data() + planned.slices[slice],
                                       planned.slices[slice + 1] - planned.slices[slice]);
  Source next = source_of(wanted, 0, {});
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const Source source = std::exchange(next, {});
    if (i + 1 < wanted.size()) {
      next = source_of(wanted, i + 1, source);
      fetch(wanted[i + 1], next.data);
    }
    copy_sample(source, wanted[i], planned.batch);
  }
}

/// Where sample `index` is copied from; `before` is that of the sample before it.
BatchMaker::Source BatchMaker::source_of(std::span<const Wanted> wanted, std::size_t index, const Source& before) {
  if (index >= wanted.size()) return {};
  const std::uint64_t chunk = wanted[index].chunk;
  if (index > 0 && chunk == wanted[index - 1].chunk) return before;
  if (const std::byte* const data = cache_.kept(chunk)) return {.data = data, .rows = nullptr, .held = nullptr};
  std::size_t end = index + 1;
  while (end < wanted.size() && wanted[end].chunk == chunk) ++end;
  std::shared_ptr<const Chunk> held = cache_.chunk(chunk, end - index);
  const Chunk& there = *held;
  return {.data = there.data, .rows = there.rows.data(), .held = std::move(held)};
}

/// Samples lie far apart in memory: while one is copied, the processor fetches the next.
void BatchMaker::fetch(const Wanted& sample, const std::byte* data) const noexcept {
  constexpr std::size_t kMostBytes = 4096;  // more would push out what is copied now
  for (const Cut& cut : cuts_) {
    if (cut.sparse) continue;
    const std::byte* const from = data + cut.in_chunk + sample.index * cut.stride + cut.offset;
    for (std::size_t at = 0; at < std::min(cut.bytes, kMostBytes); at += kLineBytes) __builtin_prefetch(from + at);
  }
}

/// The one place where a sample comes into its batch.
void BatchMaker::copy_sample(const Source& source, const Wanted& sample, Batch& batch) const {
  for (std::size_t f = 0; f < cuts_.size(); ++f) {
    const Cut& cut = cuts_[f];
    std::byte* const out = batch.data[f].data() + sample.position * cut.bytes;
    const std::byte* const from = source.data + cut.in_chunk + sample.index * cut.stride + cut.offset;
    if (augmenter_ && f == augmenter_->field()) {
      augmenter_->augment(batch.epoch, batch.ids[sample.position], from, out);
    } else if (!cut.sparse) {
      std::memcpy(out, from, cut.bytes);
    } else if (cut.bytes == cut.stride) {
      densify(source.rows[f], sample.index, dataset_.fields()[f], {out, cut.bytes});
    } else {
      std::vector<std::byte> whole(cut.stride);
      densify(source.rows[f], sample.index, dataset_.fields()[f], whole);
      std::memcpy(out, whole.data() + cut.offset, cut.bytes);
    }
  }
}

}  // namespace tutti::io
