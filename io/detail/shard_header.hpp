// What a shard says of itself, for those who have opened it.
#pragma once

#include <hdf5.h>

#include <filesystem>

#include <tutti/io/detail/shard.hpp>

namespace tutti::io {

/// From the root of an open shard. Requires an h5::Session. \throws DataError as read_shard_header().
ShardHeader read_header(hid_t root, const std::filesystem::path& file);

}  // namespace tutti::io
