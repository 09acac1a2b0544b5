// What a folder keeps of staging; see stage_state.hpp.
#include "tools/data/stage_state.hpp"

#include <algorithm>
#include <span>
#include <string>

#include <tutti/kernels/error.hpp>

namespace tutti::tools::data {

StageState::StageState(const std::filesystem::path& folder, const StageSet& set)
    : path_(folder / ".staged"), set_(set), marks_(set.blocks(), 0) {}

std::optional<StageSet> StageState::before() const {
  const std::optional<std::string> text = text_of_file(path_);
  if (!text || text->find('\n') == std::string::npos) return std::nullopt;
  try {
    return set_from_text(text->substr(0, text->find('\n')));
  } catch (const DataError&) {
    return std::nullopt;
  }
}

bool StageState::read() {
  const std::optional<StageSet> earlier = before();
  if (!earlier || !earlier->same_content(set_)) return false;
  file_.emplace(path_, LocalFile::Mode::write);
  marks_begin_ = to_text(*earlier).size();
  if (file_->read(std::as_writable_bytes(std::span(marks_)), marks_begin_)) return true;
  forget();
  return false;
}

void StageState::make_if_none() {
  if (file_) return;
  const std::string head = to_text(set_);
  file_.emplace(path_, LocalFile::Mode::make);
  marks_begin_ = head.size();
  file_->write(std::as_bytes(std::span(marks_)), marks_begin_);
  file_->write(std::as_bytes(std::span(head)), 0);  // last: a state without it is none
}

void StageState::forget() {
  file_.reset();
  std::fill(marks_.begin(), marks_.end(), 0);
}

void StageState::remove() {
  forget();
  remove_file(path_);
}

void StageState::mark(std::uint64_t block, std::uint32_t checksum) {
  marks_[block] = kWritten | checksum;
  file_->write(std::as_bytes(std::span(&marks_[block], 1)), marks_begin_ + block * sizeof(std::uint64_t));
}

void StageState::sync() { file_->sync(); }

}  // namespace tutti::tools::data
