// What the ranks of a communicator tell each other about it: failures, questions of those that wait long, and answers.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include <tutti/collectives/call/call.hpp>

namespace tutti::detail {

struct ControlMessage {
  enum class Kind : std::uint32_t {
    refused,  ///< the sender threw InvalidArgument in operation `sequence`
    failed,   ///< the sender's communicator is unusable
    asks,     ///< the sender waits for this rank in operation `sequence`, which is `header`, if that has this number
    answers,  ///< what the sender was doing when it was asked
    gone,     ///< the process of rank `about`, which runs on the sender's machine, has ended; `sequence` is 1 if it had
              ///< called MPI_Finalize
  };
  Kind kind;
  std::int32_t about;  ///< the rank where it began
  std::uint64_t sequence;
  std::uint64_t stamp = 0;  ///< of the communicator: MPI may deliver what was sent on another that is freed by now
  Header header = {};
  std::array<char, 480> text = {};  ///< NUL-terminated

  /// What fits of the words.
  void say(std::string_view words) noexcept;
};

}  // namespace tutti::detail
