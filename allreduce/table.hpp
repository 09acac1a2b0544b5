// The table of allreduce algorithms: it feeds selection, tests, benchmarks and documentation.
#pragma once

#include <span>

#include <tutti/collectives/executor.hpp>
#include <tutti/collectives/schedule.hpp>

namespace tutti {

std::span<const Algorithm* const> allreduce_algorithms() noexcept;

namespace detail {
/// The table with the choice by size and ranks that the README states.
const AlgorithmSource& allreduce_source() noexcept;
}  // namespace detail

}  // namespace tutti
