// Looks for time stamps in HDF5 files, which would make equal content differ.
#pragma once

#include <gtest/gtest.h>
#include <hdf5.h>

#include <filesystem>

namespace tutti::io::test {

/// Expects that no object of the file, at least `objects` of them, says when it was made or changed.
inline void expect_no_times(const std::filesystem::path& file, int objects) {
  struct Count {
    int objects = 0;
    int with_times = 0;
  } count;
  const hid_t id = H5Fopen(file.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  ASSERT_GE(id, 0);
  const auto visit = [](hid_t, const char*, const H5O_info_t* info, void* data) {
    auto& seen = *static_cast<Count*>(data);
    ++seen.objects;
    if (info->atime != 0 || info->mtime != 0 || info->ctime != 0 || info->btime != 0) ++seen.with_times;
    return herr_t{0};
  };
  EXPECT_GE(H5Ovisit(id, H5_INDEX_NAME, H5_ITER_NATIVE, visit, &count), 0);
  H5Fclose(id);
  EXPECT_GE(count.objects, objects);
  EXPECT_EQ(count.with_times, 0);
}

}  // namespace tutti::io::test
