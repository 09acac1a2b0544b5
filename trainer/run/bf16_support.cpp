#include <tutti/trainer/run/bf16_support.hpp>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <tutti/collectives/collectives.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::trainer {

#if defined(__x86_64__)
namespace {

/// Not every compiler knows this feature by name.
bool has_amx_bf16() noexcept {
  constexpr unsigned kFeatures = 7;
  constexpr unsigned kAmxBf16 = 1U << 22U;
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  return __get_cpuid_count(kFeatures, 0, &eax, &ebx, &ecx, &edx) != 0 && (edx & kAmxBf16) != 0;
}

}  // namespace

bool multiplies_bf16() noexcept { return __builtin_cpu_supports("avx512bf16") != 0 || has_amx_bf16(); }
#else
bool multiplies_bf16() noexcept { return false; }
#endif

std::optional<std::string> bf16_warning(std::span<const int> ranks) {
  const auto lacking = std::find(ranks.begin(), ranks.end(), 0);
  if (lacking == ranks.end()) return std::nullopt;
  const auto count = std::count(ranks.begin(), ranks.end(), 0);
  return text("model.compute = \"bf16\" will be slow, and slower than f32: the processor of rank ",
              lacking - ranks.begin(), count > 1 ? text(" and of ", count - 1, " other rank(s)") : std::string(),
              " has neither avx512_bf16 nor amx_bf16");
}

std::optional<std::string> bf16_warning(const Communicator& comm) {
  const std::array<std::int32_t, 1> own{multiplies_bf16() ? 1 : 0};
  std::vector<std::int32_t> all(static_cast<std::size_t>(comm.size()));
  all_gather(comm, std::span<const std::int32_t>(own), std::span<std::int32_t>(all));
  return bf16_warning(all);
}

}  // namespace tutti::trainer
