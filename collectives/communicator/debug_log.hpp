// What TUTTI_DEBUG=info prints on standard error, by the lowest rank of each communicator: a line for the communicator,
// and one for every new kind of call: what it is, which algorithm runs, and why.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>

#include <tutti/collectives/call/call.hpp>

namespace tutti::detail {

/// Whether the environment variable TUTTI_DEBUG asks for it: info, or none. \throws InvalidArgument for anything else.
bool wants_debug();

class DebugLog {
 public:
  /// Of the communicator with this number in its process.
  explicit DebugLog(std::uint32_t communicator) noexcept : communicator_(communicator) {}

  /// Prints the line, which is about the communicator.
  void say(std::string_view line) const;

  /// Prints how the call runs, unless that was said before.
  void say_call(const Call& call, std::string_view how, std::string_view why);

 private:
  std::uint32_t communicator_;
  std::unordered_set<std::string> said_;
  bool full_ = false;
};

}  // namespace tutti::detail
