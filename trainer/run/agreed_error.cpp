#include <tutti/trainer/run/agreed_error.hpp>

#include <array>
#include <cstdint>
#include <span>

#include <tutti/allreduce/allreduce.hpp>
#include <tutti/collectives/collectives.hpp>
#include <tutti/kernels/crc32c.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::trainer {

namespace {

std::string text_from(const Communicator& comm, std::string text, int root) {
  std::array<std::uint64_t, 1> length{text.size()};
  broadcast(comm, std::span<std::uint64_t>(length), root);
  text.resize(length[0]);
  broadcast(comm, std::span(reinterpret_cast<std::uint8_t*>(text.data()), text.size()), root);
  return text;
}

}  // namespace

std::string broadcast_text(const Communicator& comm, std::string text) { return text_from(comm, std::move(text), 0); }

bool all_equal(const Communicator& comm, std::uint64_t value) {
  std::array<std::uint64_t, 2> smallest{value, ~value};  // the smallest complement is that of the largest
  allreduce(comm, std::span<std::uint64_t>(smallest), ReduceOp::min);
  return smallest[0] == ~smallest[1];
}

void settle(const Communicator& comm, const std::optional<std::string>& error) {
  std::array<std::int64_t, 1> lowest{error ? comm.rank() : comm.size()};
  allreduce(comm, std::span<std::int64_t>(lowest), ReduceOp::min);
  if (lowest[0] == comm.size()) return;
  const int suspect = static_cast<int>(lowest[0]);
  const std::string message = text_from(comm, error.value_or(""), suspect);
  const bool shared = all_equal(comm, error ? crc32c(std::as_bytes(std::span(*error))) : ~std::uint64_t{0});
  throw AgreedError(shared ? message : text("rank ", suspect, ": ", message));
}

void settle_at_root(const Communicator& comm, const std::optional<std::string>& error) {
  const std::string message = broadcast_text(comm, error.value_or(""));
  if (!message.empty()) throw AgreedError(message);
}

}  // namespace tutti::trainer
