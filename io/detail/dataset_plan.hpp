// What a plan of a data set means: whether it can be written, and which samples each shard has.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

#include <tutti/io/dataset_writer.hpp>
#include <tutti/io/detail/shard.hpp>
#include <tutti/io/sampler.hpp>

namespace tutti::io {

bool is_shard_name(const std::string& name);

/// Requires a plan that is valid.
bool is_linked(const DatasetPlan& plan, std::size_t field);

/// \throws InvalidArgument for a plan that makes no sense; `folder` is that of the data set.
void require_valid(const DatasetPlan& plan, const std::filesystem::path& folder);

/// The samples of shards together.
Range samples_of_shards(const DatasetPlan& plan, Range shards);

/// The header of a shard, but for the checksum. \throws DataError naming a file that is to be linked to.
ShardHeader shard_of_plan(const DatasetPlan& plan, std::uint64_t index, const std::filesystem::path& folder);

}  // namespace tutti::io
