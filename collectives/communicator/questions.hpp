// Who waits long asks those it waits for what they do, and so learns of calls that differ without meeting.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tutti/collectives/communicator/call_log.hpp>
#include <tutti/collectives/communicator/control_channel.hpp>

namespace tutti::detail {

/// A rank's question what this one does about operation `sequence`.
struct Question {
  int peer;
  std::uint64_t sequence;
};

class Questions {
 public:
  /// Both stay.
  Questions(ControlChannel& control, const CallLog& calls) noexcept : control_(control), calls_(calls) {}
  Questions(const Questions&) = delete;
  Questions& operator=(const Questions&) = delete;

  /// Asks `peer`, which is found to call otherwise or answers what it does, once it is in a call on this communicator.
  /// Whether it is told anything that it can compare.
  bool ask(int peer, std::uint64_t sequence) noexcept;

  /// Another rank asks. Returns how its call differs from this rank's of the same number; empty if that is not known,
  /// and then the question waits for an answer.
  std::string handle_question(const ControlMessage& message);

  /// Those that came since the last look.
  std::vector<Question> take() noexcept { return std::exchange(open_, {}); }
  void answer(const Question& question, std::string_view what) noexcept;

  void handle_answer(const ControlMessage& message) { answers_[message.about] = message; }

  /// What `peer` last answered about operation `sequence`, or has since it was forgotten; empty if nothing.
  std::string answer_of(int peer, std::uint64_t sequence) const;
  void forget_answer(int peer) noexcept { answers_.erase(peer); }

 private:
  ControlChannel& control_;
  const CallLog& calls_;
  std::vector<Question> open_;
  std::map<int, ControlMessage> answers_;  // by peer, the last
};

}  // namespace tutti::detail
