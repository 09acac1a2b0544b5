// The table of algorithms of this folder: it feeds selection, tests, benchmarks and documentation.
#pragma once

#include <cstdint>
#include <span>

#include <tutti/collectives/schedule/schedule.hpp>

namespace tutti {

/// Every algorithm of every collective but allreduce (allreduce/allreduce_table.hpp).
std::span<const Algorithm* const> collective_algorithms() noexcept;

/// The row of `table` for `collective` with that name, or nullptr.
const Algorithm* find_algorithm(std::span<const Algorithm* const> table, Collective collective,
                                std::string_view name) noexcept;

/// What tells algorithms apart, but for the functions that make their rounds: collective, name, and every property.
std::uint32_t digest_of(const Algorithm& algorithm) noexcept;

/// The same of all rows of a table in their order, and of how many blocks and rounds they have in some shapes.
std::uint32_t digest_of(std::span<const Algorithm* const> table) noexcept;

}  // namespace tutti
