// How far staging is: a bar on a terminal, a line now and then elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

namespace tutti::tools::data {

/// "1.50 GB", in powers of 1000.
std::string decimal_bytes(double bytes);

/// Whether what is written there is seen on a terminal, by Open MPI's ranks too.
bool is_terminal(std::FILE* stream);

class StageProgress {
 public:
  /// Of `total` bytes. Draws nothing if `stream` is null.
  StageProgress(std::uint64_t total, std::FILE* stream);
  ~StageProgress();
  StageProgress(const StageProgress&) = delete;
  StageProgress& operator=(const StageProgress&) = delete;

  /// If the last was long enough ago.
  void show(std::uint64_t done);

 private:
  std::uint64_t total_;
  std::FILE* stream_;
  bool bar_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point begin_;
  std::chrono::steady_clock::time_point last_;
};

}  // namespace tutti::tools::data
