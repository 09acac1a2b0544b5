// What a rank finds out by itself.
#pragma once

#include <filesystem>

#include "tools/doctor/facts.hpp"

namespace tutti::tools::doctor {

/// Facts that files of the kernel tell: processors, memory, limits, control groups. `root` is where /proc, /sys and
/// /dev lie; another than "/" is for tests.
RankFacts read_system(const std::filesystem::path& root = "/");

/// All facts of this rank but those between local ranks. To be called before MPI_Init, which takes shared memory
/// itself; then add_mpi() after it.
RankFacts collect();
void add_mpi(RankFacts& facts);

}  // namespace tutti::tools::doctor
