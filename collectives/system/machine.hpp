// Which machine a process runs on.
#pragma once

#include <cstdint>

namespace tutti::detail {

/// The same in all processes of a machine, and in no others: a digest of its name and of the number that its kernel
/// drew when it started. Containers that have names of their own are machines of their own; in a simulator its hosts
/// are.
std::uint64_t own_machine();

}  // namespace tutti::detail
