#include <tutti/trainer/run/memory_use.hpp>

#include <array>
#include <cstddef>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <span>
#include <string_view>

#include <tutti/allreduce/allreduce.hpp>

namespace tutti::trainer {

std::optional<std::uint64_t> high_water_in(const std::string& status) {
  constexpr std::string_view kLine = "\nVmHWM:";
  const std::size_t at = status.find(kLine);
  if (at == std::string::npos) return std::nullopt;
  const char* const begin = status.c_str() + at + kLine.size();
  char* end = nullptr;
  const auto kibibytes = std::strtoull(begin, &end, 10);
  if (end == begin) return std::nullopt;
  return std::uint64_t{kibibytes} * 1024;
}

std::optional<std::uint64_t> largest_memory(const Communicator& comm) {
  std::ifstream file("/proc/self/status");
  const std::string status{std::istreambuf_iterator<char>(file), {}};
  std::array<std::uint64_t, 1> bytes{high_water_in(status).value_or(0)};
  allreduce(comm, std::span<std::uint64_t>(bytes), ReduceOp::max);
  return bytes[0] == 0 ? std::nullopt : std::optional(bytes[0]);
}

}  // namespace tutti::trainer
