// Memory that MPI may still touch.
#pragma once

#include <memory>

namespace tutti::detail {

/// Keeps what MPI may still read or write after a failure, until the process ends: MPI cannot cancel. Thread-safe.
void leak_until_exit(std::shared_ptr<void> object) noexcept;

}  // namespace tutti::detail
