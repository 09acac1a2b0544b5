// Whether a dataset of a foreign HDF5 file was written at all. To be used within a h5::Session.
#pragma once

#include <hdf5.h>

#include <filesystem>
#include <string>

namespace tutti::io {

/// HDF5 makes up values where nothing was ever written, and where a source of a virtual dataset is missing: refuses
/// such a dataset. `place` begins the messages. \returns whether that is certain: of space that was reserved when the
/// dataset was created HDF5 cannot tell what was written since. \throws DataError
bool require_written(hid_t dataset, const std::filesystem::path& file, const std::string& place, int depth = 0);

}  // namespace tutti::io
