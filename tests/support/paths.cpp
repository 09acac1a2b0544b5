// The paths, which CMake knows.
#include "tests/support/paths.hpp"

namespace tutti {

const char* const test::kSourceDir = TUTTI_SOURCE_DIR;
const char* const test::kMpirun = TUTTI_MPIRUN;
const char* const test::kMpirunRanks = TUTTI_MPIRUN " " TUTTI_MPIRUN_RANKS;
const char* const test::kTutti = TUTTI_PROGRAM;
const char* const test::kTuttiTrain = TUTTI_TRAIN_PROGRAM;
const char* const test::kPreloadLibrary = TUTTI_PRELOAD_LIBRARY;
const char* const test::kWatchRanks = TUTTI_WATCH_RANKS;
const char* const test::kSlowFsync = TUTTI_SLOW_FSYNC;

}  // namespace tutti
