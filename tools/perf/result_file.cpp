#include "tools/perf/result_file.hpp"

#include <filesystem>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::tools {

ResultFile::ResultFile(const char* option, const std::string& path)
    : option_(option), path_(path), partial_(path + ".part") {
  if (path_.empty()) return;
  out_.open(partial_);
  if (!out_) problem_ = text("perf: ", option_, " ", path_, ": cannot be written");
}

ResultFile::~ResultFile() {
  std::error_code ignored;
  if (!path_.empty() && !problem_) std::filesystem::remove(partial_, ignored);
}

void ResultFile::write(const std::string& text) {
  if (path_.empty()) return;
  out_ << text;
  out_.close();
  std::error_code failed;
  if (out_) std::filesystem::rename(partial_, path_, failed);
  if (!out_ || failed) throw DataError(tutti::text("perf: ", option_, " ", path_, ": writing failed"));
}

}  // namespace tutti::tools
