// Which algorithm runs when the caller names none.
#pragma once

#include <tutti/collectives/executor.hpp>

namespace tutti::detail {

/// This folder's table, with the choice by size and ranks that its README states.
const AlgorithmSource& collective_source() noexcept;

}  // namespace tutti::detail
