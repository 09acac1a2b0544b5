// The version of the library that is linked (macros of the one compiled against: <tutti/version.h>).
#pragma once

#include <tutti/kernels/cpp20.hpp>

#pragma GCC visibility push(default)
namespace tutti {

/// "0.1.0"
const char* version() noexcept;

}  // namespace tutti
#pragma GCC visibility pop
