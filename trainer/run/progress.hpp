// What rank 0 shows while it trains: a bar that is redrawn on a terminal, a line now and then elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace tutti::trainer {

class Progress {
 public:
  struct State {
    std::uint64_t step = 0;   ///< steps done
    std::uint64_t steps = 0;  ///< of the whole run
    std::uint64_t epoch = 0;  ///< counted from 1
    std::uint64_t epochs = 0;
    double loss = 0.0;
    double samples_per_s = 0.0;  ///< lately
    double comm_share = 0.0;     ///< lately
    double seconds_left = 0.0;
  };

  /// `mode` as the key run.progress: auto, bar, lines, none.
  explicit Progress(const std::string& mode);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Shows `state` if it is time to: a bar 5 times a second, a line every 5 seconds.
  bool due() const;
  void show(const State& state);

  /// A line that stays.
  void say(const std::string& line);

 private:
  enum class Mode : std::uint8_t { none, lines, bar };
  using Clock = std::chrono::steady_clock;

  Mode mode_;
  bool drawn_ = false;  // a bar stands on the last line of the terminal
  Clock::time_point last_;
};

/// Text of a state: "epoch 2/6  step 938/2814  [####......]  12,345 samples/s  0:42 left  comm 3.1%  loss 0.2345".
std::string progress_text(const Progress::State& state, bool with_bar);

}  // namespace tutti::trainer
