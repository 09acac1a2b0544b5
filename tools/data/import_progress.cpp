#include "tools/data/import_progress.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include <tutti/kernels/clock.hpp>

#include "tools/data/stage_progress.hpp"

namespace tutti::tools::data {

ImportProgress::ImportProgress(int ranks, std::FILE* stream)
    : ranks_(ranks),
      stream_(stream),
      bar_(stream != nullptr && is_terminal(stream)),
      begin_(std::chrono::steady_clock::now()),
      last_(begin_) {}

void ImportProgress::clear() {
  if (std::exchange(drawn_, false)) std::fputs("\r\x1b[K", stream_);
}

void ImportProgress::show(const io::ImportProgress& state) {
  if (stream_ == nullptr) return;
  const auto now = std::chrono::steady_clock::now();
  if (state.samples < samples_ || samples_ == 0) begin_ = now;
  samples_ = state.samples;
  if (now - last_ < (bar_ ? std::chrono::milliseconds(200) : std::chrono::milliseconds(5000))) return;
  last_ = now;
  const std::string text = import_progress_text(state, seconds_since(begin_), ranks_, bar_);
  std::fputs((bar_ ? "\r" + text + "\x1b[K" : text + "\n").c_str(), stream_);
  std::fflush(stream_);
  drawn_ = bar_;
}

std::string import_progress_text(const io::ImportProgress& state, double seconds, int ranks, bool with_bar) {
  std::string text;
  if (state.samples_total) {
    constexpr std::size_t kWidth = 24;
    const double share =
        static_cast<double>(state.samples) / static_cast<double>(std::max<std::uint64_t>(1, *state.samples_total));
    const auto filled = std::min(kWidth, static_cast<std::size_t>(share * static_cast<double>(kWidth)));
    if (with_bar) text = fmt::format("[{}{}] ", std::string(filled, '#'), std::string(kWidth - filled, '.'));
    text += fmt::format("{:3.0f} %  {} of {} samples", 100 * share, state.samples, *state.samples_total);
  } else {
    text = fmt::format("{} samples read", state.samples);
  }
  if (seconds > 0) text += fmt::format("  {}/s", decimal_bytes(static_cast<double>(state.bytes) / seconds));
  if (ranks > 1) text += fmt::format("  (rank 0 of {})", ranks);
  return text;
}

}  // namespace tutti::tools::data
