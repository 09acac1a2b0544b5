// A file for the results, whose place is known to be writable before anything is measured.
#pragma once

#include <fstream>
#include <optional>
#include <string>

namespace tutti::tools {

/// Written beside its place and renamed when complete, so that nobody reads half a file. With an empty path it does
/// nothing.
class ResultFile {
 public:
  /// `option` is what asked for it, for messages.
  ResultFile(const char* option, const std::string& path);
  ~ResultFile();
  ResultFile(const ResultFile&) = delete;
  ResultFile& operator=(const ResultFile&) = delete;

  /// Why it cannot be written.
  const std::optional<std::string>& problem() const { return problem_; }

  /// \throws DataError naming the file.
  void write(const std::string& text);

 private:
  const char* option_;
  std::string path_;
  std::string partial_;
  std::ofstream out_;
  std::optional<std::string> problem_;
};

}  // namespace tutti::tools
