#include <tutti/io/split.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <optional>
#include <utility>

#include <tutti/io/detail/shard.hpp>
#include <tutti/io/sample_reader.hpp>
#include <tutti/io/sampler.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/philox.hpp>

namespace tutti::io {

namespace {

// Streams of the seed that nothing else draws from.
constexpr std::uint64_t kMembersStream = 0x73706C6974000001U;
constexpr std::uint64_t kOrderStream = 0x73706C6974000002U;

constexpr std::size_t kShuffleCache = std::size_t{256} << 20;  // in order a chunk is enough

/// Which part the members of a class go to, in the order in which they come.
class Dealer {
 public:
  Dealer(const std::vector<std::uint64_t>& counts, std::uint64_t seed)
      : ends_(counts.size()),
        sampler_(std::accumulate(counts.begin(), counts.end(), std::uint64_t{0}), Order::shuffled, seed) {
    std::partial_sum(counts.begin(), counts.end(), ends_.begin());
  }

  std::uint8_t next() {
    const std::uint64_t place = sampler_.sample(0, dealt_++);
    return static_cast<std::uint8_t>(std::upper_bound(ends_.begin(), ends_.end(), place) - ends_.begin());
  }

 private:
  std::vector<std::uint64_t> ends_;
  Sampler sampler_;
  std::uint64_t dealt_ = 0;
};

/// What is asked for and what is left over, of `whole` times `share`. A sum such as 0.1 + 0.2 may be a little off.
std::pair<std::uint64_t, double> share_of(std::uint64_t whole, double share) {
  const double exact = static_cast<double>(whole) * share;
  const double down = std::floor(exact + 1e-9 * std::max(1.0, exact * 1e-3));
  return {static_cast<std::uint64_t>(down), std::max(0.0, exact - down)};
}

/// Indices of `remainders`, the largest first, equal ones in their order.
std::vector<std::size_t> by_remainder(const std::vector<double>& remainders) {
  std::vector<std::size_t> order(remainders.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto rounded = [&](std::size_t i) { return std::llround(remainders[i] * 1e9); };
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return rounded(a) > rounded(b); });
  return order;
}

/// Calls `visit` with the label of every sample, by id.
template <class Visit>
void for_each_label(const Dataset& dataset, Visit visit) {
  const std::size_t index = dataset.field(kLabelField);
  const Field& field = dataset.fields()[index];
  std::vector<std::byte> labels;
  for (std::size_t shard = 0; shard < dataset.shards().size(); ++shard) {
    const auto opened = open_shard(dataset, shard);
    const ShardReader& reader = *opened;
    labels.resize(reader.header().chunk_samples * field.sample_bytes());
    for (std::uint64_t chunk = 0; chunk < reader.header().chunks(); ++chunk) {
      reader.read_chunk(chunk, index, labels);
      for (std::size_t i = 0; i < reader.header().samples_in_chunk(chunk); ++i) visit(label_value(field, labels, i));
    }
  }
}

struct ClassShare {
  std::uint64_t samples = 0;
  std::vector<std::uint64_t> by_part;

  std::uint64_t given() const { return std::accumulate(by_part.begin() + 1, by_part.end(), std::uint64_t{0}); }
};

/// Gives part `part` `wanted` samples, of all classes alike. Rounded down to begin with, which is always there.
void give(std::vector<ClassShare>& classes, std::size_t part, std::uint64_t wanted, double share) {
  std::vector<double> remainders;
  remainders.reserve(classes.size());
  for (ClassShare& one : classes) {
    remainders.push_back(share_of(one.samples, share).second);
    wanted -= std::min(wanted, one.by_part[part]);
  }
  const std::vector<std::size_t> order = by_remainder(remainders);
  for (bool found = true; wanted > 0 && found;) {
    found = false;
    for (const std::size_t c : order) {
      ClassShare& one = classes[c];
      if (wanted == 0 || one.given() + 1 >= one.samples) continue;
      ++one.by_part[part];
      --wanted;
      found = true;
    }
  }
}

}  // namespace

Split::Split(std::shared_ptr<const Dataset> dataset, const SplitOptions& options)
    : dataset_(std::move(dataset)), options_(options) {
  require_valid();
  part_of_sample_.resize(dataset_->size());
  sizes_ = part_sizes();
  if (options_.stratified)
    divide_classes();
  else
    divide_all();
  for (std::size_t part = 0; part < sizes_.size(); ++part)
    if (sizes_[part] == 0)
      throw InvalidArgument(fmt::format("{}: part '{}' would have none of the {} samples", dataset_->folder().string(),
                                        parts()[part].name, dataset_->size()));
}

void Split::require_valid() const {
  const auto require = [&](bool valid, const std::string& message) {
    if (!valid) throw InvalidArgument(fmt::format("{}: {}", dataset_->folder().string(), message));
  };
  require(!parts().empty() && parts().size() <= 255,
          fmt::format("a data set is split into 1 to 255 parts, not {}", parts().size()));
  double sum = 0.0;
  for (const SplitPart& part : parts()) {
    require(part.share > 0.0, fmt::format("part '{}' has a share of {}, which is not above 0", part.name, part.share));
    const auto same = std::count_if(parts().begin(), parts().end(), [&](const auto& p) { return p.name == part.name; });
    require(same == 1 && !part.name.empty(), fmt::format("there are {} parts named '{}'", same, part.name));
    sum += part.share;
  }
  require(std::abs(sum - 1.0) < 1e-6, fmt::format("the shares of the parts sum to {}, not to 1", sum));
  require(!options_.stratified || dataset_->classes() > 0, "it has no classes to be stratified by");
}

std::vector<std::uint64_t> Split::part_sizes() const {
  std::vector<std::uint64_t> sizes;
  std::vector<double> remainders;
  sizes.reserve(parts().size());
  remainders.reserve(parts().size());
  std::uint64_t left = dataset_->size();
  for (const SplitPart& part : parts()) {
    const auto [size, remainder] = share_of(dataset_->size(), part.share);
    sizes.push_back(std::min(size, left));
    remainders.push_back(remainder);
    left -= sizes.back();
  }
  const std::vector<std::size_t> order = by_remainder(remainders);
  for (std::size_t i = 0; left > 0; i = (i + 1) % order.size(), --left) ++sizes[order[i]];
  return sizes;
}

void Split::divide_all() {
  Dealer dealer(sizes_, random_u64(options_.seed, kMembersStream, 0));
  for (std::uint8_t& part : part_of_sample_) part = dealer.next();
}

void Split::divide_classes() {
  std::map<std::size_t, std::uint64_t> counts;
  for_each_label(*dataset_, [&](std::size_t label) { ++counts[label]; });
  std::vector<ClassShare> classes;
  classes.reserve(counts.size());
  for (const auto& [label, samples] : counts) {
    classes.push_back({.samples = samples, .by_part = std::vector<std::uint64_t>(parts().size())});
    for (std::size_t part = 1; part < parts().size(); ++part)
      classes.back().by_part[part] = share_of(samples, parts()[part].share).first;
    if (samples == 1) lone_classes_.push_back(label);
  }
  for (std::size_t part = 1; part < parts().size(); ++part) give(classes, part, sizes_[part], parts()[part].share);
  std::map<std::size_t, Dealer> dealers;
  std::fill(sizes_.begin(), sizes_.end(), std::uint64_t{0});
  auto of_class = classes.begin();
  for (const auto& [label, samples] : counts) {
    of_class->by_part[0] = samples - of_class->given();
    dealers.try_emplace(label, of_class->by_part, random_u64(options_.seed, kMembersStream, label + 1));
    for (std::size_t part = 0; part < sizes_.size(); ++part) sizes_[part] += of_class->by_part[part];
    ++of_class;
  }
  auto next = part_of_sample_.begin();
  for_each_label(*dataset_, [&](std::size_t label) { *next++ = dealers.at(label).next(); });
}

/// One part. In a random order it keeps the ids of all its samples, 8 bytes each.
class SplitSource final : public SampleSource {
 public:
  SplitSource(std::shared_ptr<const Split> split, std::size_t part)
      : split_(std::move(split)),
        part_(part),
        labels_(split_->dataset().classes()),
        reader_(split_->dataset(), split_->options_.shuffle ? kShuffleCache : 0) {
    if (!split_->options_.shuffle) return;
    ids_.reserve(split_->samples(part));
    for (std::uint64_t id = 0; id < split_->dataset().size(); ++id)
      if (split_->part_of(id) == part_) ids_.push_back(id);
    order_.emplace(ids_.size(), Order::shuffled, random_u64(split_->options_.seed, kOrderStream, part));
  }

  const std::vector<Field>& fields() const override { return split_->dataset().fields(); }
  std::optional<std::uint64_t> samples() const override { return split_->samples(part_); }
  const ClassLabels* labels() const override { return split_->dataset().classes() > 0 ? &labels_ : nullptr; }
  std::vector<std::string> class_names() const override { return split_->dataset().class_names(); }

  void skip_to(std::uint64_t first) override {
    while (position_ < first) next_id();
  }

  std::uint64_t read(std::uint64_t most, SampleBlock& block) override {
    constexpr std::uint64_t kBlockBytes = std::uint64_t{4} << 20;
    std::uint64_t dense_bytes = 0;
    for (const Field& field : fields()) dense_bytes += field.sparse ? 0 : field.sample_bytes();
    most =
        std::min({most, split_->samples(part_) - position_, 1 + kBlockBytes / std::max<std::uint64_t>(1, dense_bytes)});
    for (std::uint64_t i = 0; i < most; ++i) reader_.append(next_id(), block);
    bytes_read_ += most * dense_bytes;
    return most;
  }

  std::uint64_t bytes_read() const override { return bytes_read_; }
  std::optional<std::uint64_t> bytes_total() const override { return std::nullopt; }

 private:
  std::uint64_t next_id() {
    const std::uint64_t position = position_++;
    if (order_) return ids_[order_->sample(0, position)];
    while (split_->part_of(next_) != part_) ++next_;
    return next_++;
  }

  std::shared_ptr<const Split> split_;
  std::size_t part_;
  ClassLabels labels_;
  SampleReader reader_;
  std::uint64_t position_ = 0;
  std::uint64_t next_ = 0;
  std::vector<std::uint64_t> ids_;
  std::optional<Sampler> order_;
  std::uint64_t bytes_read_ = 0;
};

std::unique_ptr<SampleSource> Split::source(std::shared_ptr<const Split> split, std::size_t part) {
  return std::make_unique<SplitSource>(std::move(split), part);
}

}  // namespace tutti::io
