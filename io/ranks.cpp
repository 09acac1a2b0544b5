#include <tutti/io/ranks.hpp>

#include <cstddef>
#include <cstring>
#include <exception>
#include <string>

#include <tutti/kernels/error.hpp>

namespace tutti::io {

namespace {

class OneRank final : public Ranks {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  std::vector<std::vector<std::uint64_t>> all_gather(const std::vector<std::uint64_t>& mine) override { return {mine}; }
};

enum class Failure : std::uint64_t { none, invalid_argument, data };

// What happened on a rank, as numbers: the kind, the length of the message, its bytes.
std::vector<std::uint64_t> packed(Failure kind, const std::string& message) {
  std::vector<std::uint64_t> words{static_cast<std::uint64_t>(kind), message.size()};
  words.resize(2 + (message.size() + 7) / 8);
  if (!message.empty()) std::memcpy(words.data() + 2, message.data(), message.size());
  return words;
}

std::string message_in(const std::vector<std::uint64_t>& words) {
  std::string message(words[1], ' ');
  std::memcpy(message.data(), words.data() + 2, message.size());
  return message;
}

}  // namespace

Ranks& one_rank() noexcept {
  static OneRank rank;
  return rank;
}

void agree(Ranks& ranks, const std::function<void()>& step) {
  if (ranks.size() == 1) {
    step();
    return;
  }
  Failure kind = Failure::none;
  std::string message;
  try {
    step();
  } catch (const InvalidArgument& error) {
    kind = Failure::invalid_argument;
    message = error.what();
  } catch (const std::exception& error) {
    kind = Failure::data;
    message = error.what();
  }
  for (const auto& words : ranks.all_gather(packed(kind, message))) {
    if (words[0] == static_cast<std::uint64_t>(Failure::none)) continue;
    if (words[0] == static_cast<std::uint64_t>(Failure::invalid_argument)) throw InvalidArgument(message_in(words));
    throw DataError(message_in(words));
  }
}

}  // namespace tutti::io
