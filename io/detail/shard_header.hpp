// What a shard says of itself, for those who have opened it.
#pragma once

#include <hdf5.h>

#include <filesystem>
#include <string>

#include <tutti/io/detail/shard.hpp>
#include <tutti/kernels/dtype.hpp>

namespace tutti::io {

/// From the root of an open shard. Requires an h5::Session. \throws DataError as read_shard_header().
ShardHeader read_header(hid_t root, const std::filesystem::path& file);

/// The attribute of a field. Requires an h5::Session. \throws DataError naming the file and `field`.
DType read_dtype(hid_t object, const std::string& field, const std::filesystem::path& file);

}  // namespace tutti::io
