#include "tools/result_file.hpp"

#include <utility>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::tools {

ResultFile::ResultFile(std::string option, const std::string& path) : option_(std::move(option)) {
  if (path.empty()) return;
  try {
    file_.emplace(path);
  } catch (const DataError& error) {
    problem_ = text(option_, " ", error.what());
  }
}

void ResultFile::write(std::string_view content) {
  if (!file_) return;
  try {
    file_->append(content);
    file_->publish();
  } catch (const DataError& error) {
    throw DataError(text(option_, " ", error.what()));
  }
}

}  // namespace tutti::tools
