// Samples kept in a temporary file, for sources that do not know how many they have.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <tutti/io/import.hpp>

namespace tutti::io {

/// Writes all samples of `source` into `file` and returns how many. `seen` is called after each block.
/// \throws DataError naming the file; it is removed then.
std::uint64_t write_spool(SampleSource& source, const std::filesystem::path& file,
                          const std::function<void(std::uint64_t samples)>& seen);

/// The samples of such a file, which has `samples` of them.
std::unique_ptr<SampleSource> open_spool(const std::filesystem::path& file, std::vector<Field> fields,
                                         std::uint64_t samples);

}  // namespace tutti::io
