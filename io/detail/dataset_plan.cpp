#include <tutti/io/detail/dataset_plan.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <system_error>

#include <tutti/io/detail/shard_links.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::io {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kChunkBytes = std::size_t{32} << 10;

// At most `wanted` samples a chunk, chunks of a shard as even as they can be.
std::uint64_t even_chunk(std::uint64_t samples, std::uint64_t wanted) {
  if (samples == 0 || wanted == 0) return 1;
  const std::uint64_t chunks = (samples - 1) / wanted + 1;
  return (samples - 1) / chunks + 1;
}

// The same of samples of which so many are decoded together: chunks hold whole such groups, at least one.
std::uint64_t even_chunk(const DatasetLinks::File& file, std::uint64_t wanted) {
  const std::uint64_t groups = (file.samples - 1) / file.together + 1;
  return std::min(file.samples, file.together * even_chunk(groups, std::max<std::uint64_t>(1, wanted / file.together)));
}

// The sum of the samples of the first `count` files.
std::uint64_t samples_of(const DatasetLinks& links, std::uint64_t count) {
  std::uint64_t samples = 0;
  for (std::uint64_t i = 0; i < count; ++i) samples += links.files[i].samples;
  return samples;
}

void require_valid_links(const DatasetPlan& plan, const fs::path& folder) {
  const DatasetLinks& links = *plan.links;
  bool sparse = false;
  for (std::size_t f = 0; f < std::min(plan.fields.size(), links.datasets.size()); ++f)
    sparse = sparse || (plan.fields[f].sparse && is_linked(plan, f));
  if (links.datasets.size() != plan.fields.size() || links.files.size() != plan.shards || sparse ||
      samples_of(links, links.files.size()) != plan.samples)
    throw InvalidArgument(fmt::format("data set '{}': its links are not those of its fields and samples", plan.name));
  for (const DatasetLinks::File& file : links.files) {
    if (file.samples == 0 || file.together == 0)
      throw InvalidArgument(fmt::format("{}: has no samples to be linked to", file.path.string()));
    std::error_code error;
    if (is_shard_name(file.path.filename().string()) && fs::equivalent(file.path.parent_path() / ".", folder, error))
      throw InvalidArgument(
          fmt::format("{}: is in the folder of the new data set, and has the name of a shard", file.path.string()));
  }
}

std::uint64_t default_chunk(const std::vector<Field>& fields) {
  // How many elements a sparse sample has is not known yet.
  constexpr std::size_t kSparseSample = 512;
  std::size_t bytes = 0;
  for (const Field& field : fields) bytes += field.sparse ? kSparseSample : field.sample_bytes();
  return std::max<std::uint64_t>(1, kChunkBytes / std::max<std::size_t>(1, bytes));
}

std::uint64_t chunk_wanted(const DatasetPlan& plan) {
  return plan.chunk_samples == 0 ? default_chunk(plan.fields) : plan.chunk_samples;
}

void require_chunks_that_hdf5_takes(const DatasetPlan& plan) {
  constexpr std::uint64_t kLimit = (std::uint64_t{1} << 32) - 1;
  const std::uint64_t largest_shard = (plan.samples - 1) / plan.shards + 1;
  const std::uint64_t chunk = even_chunk(largest_shard, chunk_wanted(plan));
  for (std::size_t f = 0; f < plan.fields.size(); ++f) {
    const Field& field = plan.fields[f];
    if (!is_linked(plan, f) && (field.sparse ? sizeof(std::uint64_t) : field.sample_bytes()) > kLimit / chunk)
      throw InvalidArgument(
          fmt::format("data set '{}': field '{}': a chunk of {} samples of {} bytes each is larger "
                      "than an HDF5 chunk may be, {} bytes",
                      plan.name, field.name, chunk, field.sample_bytes(), kLimit));
  }
}

}  // namespace

bool is_shard_name(const std::string& name) { return name.starts_with("shard-") && name.ends_with(".h5"); }

bool is_linked(const DatasetPlan& plan, std::size_t field) {
  return plan.links && !plan.links->datasets[field].empty();
}

void require_valid(const DatasetPlan& plan, const fs::path& folder) {
  if (!is_utf8(plan.name))
    throw InvalidArgument(fmt::format("the name of the data set, '{}', is not valid UTF-8", printable(plan.name)));
  const std::string invalid = describe_invalid_fields(plan.fields, plan.classes);
  if (!invalid.empty()) throw InvalidArgument(fmt::format("data set '{}': {}", plan.name, invalid));
  if (!plan.class_names.empty() && plan.class_names.size() != plan.classes)
    throw InvalidArgument(
        fmt::format("data set '{}': {} names of {} classes", plan.name, plan.class_names.size(), plan.classes));
  for (const std::string& name : plan.class_names)
    if (!is_utf8(name))
      throw InvalidArgument(
          fmt::format("data set '{}': the name of a class, '{}', is not valid UTF-8", plan.name, printable(name)));
  if (plan.shards == 0 || plan.shards > plan.samples || plan.shards > 99999)
    throw InvalidArgument(
        fmt::format("data set '{}': {} samples cannot make {} shards; a shard holds at least one sample, and "
                    "there are at most 99999",
                    plan.name, plan.samples, plan.shards));
  if (const std::string wrong = describe_invalid(plan.compression); !wrong.empty())
    throw InvalidArgument(fmt::format("data set '{}': {}", plan.name, wrong));
  if (plan.links) require_valid_links(plan, folder);
  require_chunks_that_hdf5_takes(plan);
}

Range samples_of_shards(const DatasetPlan& plan, Range shards) {
  if (plan.links) return {samples_of(*plan.links, shards.first), samples_of(*plan.links, shards.last)};
  return parts_of({0, plan.samples}, shards, static_cast<int>(plan.shards));
}

ShardHeader shard_of_plan(const DatasetPlan& plan, std::uint64_t index, const fs::path& folder) {
  const Range range = samples_of_shards(plan, {index, index + 1});
  ShardHeader header{.dataset = plan.name,
                     .shard = index,
                     .shards = plan.shards,
                     .first_sample = range.first,
                     .samples = range.size(),
                     .dataset_samples = plan.samples,
                     .classes = plan.classes,
                     .fields = plan.fields,
                     .compression = plan.compression};
  if (plan.links) {
    const DatasetLinks::File& file = plan.links->files[index];
    header.chunk_samples = even_chunk(file, chunk_wanted(plan));
    header.links = link_to(file.path, folder);
    header.links.datasets = plan.links->datasets;
  } else {
    header.chunk_samples = even_chunk(range.size(), chunk_wanted(plan));
  }
  return header;
}

}  // namespace tutti::io
