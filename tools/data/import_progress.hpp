// How far an import is: a bar on a terminal, a line now and then elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

#include <tutti/io/import.hpp>

namespace tutti::tools::data {

class ImportProgress {
 public:
  /// Of one of `ranks` ranks, all of which have about the same to do. Draws nothing if `stream` is null.
  ImportProgress(int ranks, std::FILE* stream);
  ~ImportProgress() { clear(); }
  ImportProgress(const ImportProgress&) = delete;
  ImportProgress& operator=(const ImportProgress&) = delete;

  /// If the last was long enough ago.
  void show(const io::ImportProgress& state);

  /// Takes the bar away.
  void clear();

 private:
  int ranks_;
  std::FILE* stream_;
  bool bar_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point begin_;  // of what is done now: a pipe is read, then shards are made of it
  std::chrono::steady_clock::time_point last_;
  std::uint64_t samples_ = 0;
};

/// "[######..................]  25 %  250000 of 1000000 samples  310 MB/s"; without a share if the number of samples is
/// not known. Of the first of several ranks: "... (rank 0 of 4)".
std::string import_progress_text(const io::ImportProgress& state, double seconds, int ranks, bool with_bar);

}  // namespace tutti::tools::data
