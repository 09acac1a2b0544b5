// The table of algorithms of this folder: it feeds selection, tests, benchmarks and documentation.
#pragma once

#include <span>

#include <tutti/collectives/schedule.hpp>

namespace tutti {

/// Every algorithm of every collective but allreduce (allreduce/table.hpp).
std::span<const Algorithm* const> collective_algorithms() noexcept;

/// The row of `table` for `collective` with that name, or nullptr.
const Algorithm* find_algorithm(std::span<const Algorithm* const> table, Collective collective,
                                std::string_view name) noexcept;

}  // namespace tutti
