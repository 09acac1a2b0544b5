// The table of allreduce algorithms: it feeds selection, tests, benchmarks and documentation.
#pragma once

#include <span>

#include <tutti/collectives/schedule/schedule.hpp>

namespace tutti {

/// Schedules, and `hierarchical`, which is staged.
std::span<const Algorithm* const> allreduce_algorithms() noexcept;

}  // namespace tutti
