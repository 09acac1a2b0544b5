// Fields of a shard that are links to datasets of another program's HDF5 file. To be used within a h5::Session.
#pragma once

#include <hdf5.h>

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>

#include <tutti/io/detail/read_only_file.hpp>
#include <tutti/io/detail/shard.hpp>

namespace tutti::io {

/// How a shard in `folder` is to link to `file`, which is there. Datasets are left to be named.
/// \throws DataError naming the file
ShardLinks link_to(const std::filesystem::path& file, const std::filesystem::path& folder);

/// Writes the link that field number `field` of `header` is into the group "fields", and its type and shape below the
/// root. `file` is the shard. \throws DataError
void write_link(hid_t root, hid_t fields, const ShardHeader& header, std::size_t field,
                const std::filesystem::path& file);

bool is_link(hid_t fields, const std::string& name, const std::filesystem::path& file);

/// Reads the next field of `header`, which is a link, and adds it and where it leads to. \throws DataError
void read_link(hid_t root, hid_t fields, const std::string& name, ShardHeader& header,
               const std::filesystem::path& file);

/// The file that the links of a shard lead to: in the place that they say, or else where it was when the shard was
/// made.
std::filesystem::path linked_path(const ShardLinks& links, const std::filesystem::path& shard);

/// Opens the file that the links of a shard lead to. \throws DataError naming the shard, the file and a dataset: it is
/// missing, cannot be read, or has another size than it had.
std::unique_ptr<const ReadOnlyFile> open_linked_file(const ShardLinks& links, const std::filesystem::path& shard);

/// For messages: "FILE, dataset '/x'"
std::string link_place(const ShardLinks& links, std::size_t field, const std::filesystem::path& file);

}  // namespace tutti::io
