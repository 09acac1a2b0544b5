// What time it is, and how long ago something was.
#pragma once

#include <array>
#include <chrono>
#include <ctime>
#include <string>

namespace tutti {

/// By the clock that never jumps.
inline double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// As 2026-01-31T23:59:59Z.
inline std::string now_in_utc() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  std::array<char, 32> out{};
  return {out.data(), std::strftime(out.data(), out.size(), "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

}  // namespace tutti
