#include <tutti/io/hdf5_facts.hpp>

#include <fmt/core.h>

#include <tutti/io/detail/hdf5.hpp>

namespace tutti::io {

Hdf5Facts hdf5_facts() {
  const h5::Session session;  // which uses nothing of HDF5 that compares the two versions
  unsigned major = 0;
  unsigned minor = 0;
  unsigned release = 0;
  H5get_libversion(&major, &minor, &release);
  hbool_t thread_safe = false;
  H5is_library_threadsafe(&thread_safe);
  return {.version = fmt::format("{}.{}.{}", major, minor, release),
          .built_with = fmt::format("{}.{}.{}", H5_VERS_MAJOR, H5_VERS_MINOR, H5_VERS_RELEASE),
          .thread_safe = thread_safe};
}

}  // namespace tutti::io
