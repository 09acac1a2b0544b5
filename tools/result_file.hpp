// A file for the results, whose place is known to be writable before anything is measured.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <tutti/kernels/whole_file.hpp>

namespace tutti::tools {

/// Written beside its place and renamed when complete, so that nobody reads half a file. With an empty path it does
/// nothing.
class ResultFile {
 public:
  /// `option` is what asked for it, for messages: "perf: --json".
  ResultFile(std::string option, const std::string& path);

  /// Why it cannot be written.
  const std::optional<std::string>& problem() const { return problem_; }

  /// \throws DataError naming the file.
  void write(std::string_view content);

 private:
  std::string option_;
  std::optional<WholeFile> file_;
  std::optional<std::string> problem_;
};

}  // namespace tutti::tools
