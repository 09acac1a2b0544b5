// Which HDF5 serves: for programs that report where they run.
#pragma once

#include <string>

namespace tutti::io {

struct Hdf5Facts {
  std::string version;     ///< of the library that is loaded
  std::string built_with;  ///< of the headers that tutti was built with; HDF5 ends programs where the two differ
  bool thread_safe = false;
};

Hdf5Facts hdf5_facts();

}  // namespace tutti::io
