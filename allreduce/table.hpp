// The table of allreduce algorithms: it feeds selection, tests, benchmarks and documentation.
#pragma once

#include <span>

#include <tutti/collectives/schedule/schedule.hpp>

namespace tutti {

std::span<const Algorithm* const> allreduce_algorithms() noexcept;

}  // namespace tutti
