// The version; see version.hpp.
#include <tutti/version.h>

#include <tutti/allreduce/version.hpp>

namespace tutti {

const char* version() noexcept { return TUTTI_VERSION; }

}  // namespace tutti
