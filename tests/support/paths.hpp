// Where the programs and files are that tests run and read. They are in a source of their own, because paths differ
// between clones: a compiler's cache then serves all the others.
#pragma once

namespace tutti::test {

extern const char* const kSourceDir;
extern const char* const kMpirun;
/// kMpirun and its option for the number of ranks, with a blank between.
extern const char* const kMpirunRanks;
/// Programs of this build; null if it has none.
extern const char* const kTutti;
extern const char* const kTuttiTrain;
extern const char* const kPreloadLibrary;
extern const char* const kWatchRanks;
extern const char* const kSlowFsync;

}  // namespace tutti::test
