// Reading the environment; see settings.hpp.
#include "allreduce/preload/settings.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <string>
#include <string_view>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::preload {
namespace {

/// What the environment says of `variable`; empty if nothing.
std::string_view said(const char* variable) noexcept {
  const char* const value = std::getenv(variable);
  return value == nullptr ? "" : value;
}

[[noreturn]] void refuse(const char* variable, const char* wanted) {
  throw InvalidArgument(text(variable, ": '", said(variable), "' is not ", wanted));
}

std::optional<std::uint64_t> read_number(const char* variable) {
  const std::string_view word = said(variable);
  if (word.empty()) return std::nullopt;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size()) refuse(variable, "a number of at least 0");
  return value;
}

std::optional<double> read_seconds(const char* variable) {
  const std::string_view word = said(variable);
  if (word.empty()) return std::nullopt;
  double value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size() || !(value >= 0) || !std::isfinite(value)) {
    refuse(variable, "a number of seconds");
  }
  return value;
}

std::string without_underscores(std::string_view name) {
  std::string letters(name);
  letters.erase(std::remove(letters.begin(), letters.end(), '_'), letters.end());
  return letters;
}

/// The operation as it may be called: MPI_Bcast, bcast, broadcast; all_gather_v, allgatherv.
std::string spelled(std::string_view word) {
  std::string letters(word);
  std::transform(letters.begin(), letters.end(), letters.begin(), [](unsigned char c) { return std::tolower(c); });
  if (letters.rfind("mpi_", 0) == 0) letters.erase(0, 4);
  return letters == "broadcast" ? "bcast" : without_underscores(letters);
}

OperationSet read_operations() {
  constexpr const char* kVariable = "TUTTI_PRELOAD_SERVE";
  std::string_view words = said(kVariable);
  if (words.empty()) return kAllOperations;
  OperationSet operations = 0;
  for (;;) {
    const std::size_t comma = std::min(words.find(','), words.size());
    const std::string word = spelled(words.substr(0, comma));
    const auto* const found = std::find_if(kNames.begin(), kNames.end(),
                                           [&](std::string_view name) { return without_underscores(name) == word; });
    if (found == kNames.end()) refuse(kVariable, "a list of operations such as allreduce,bcast");
    operations |= OperationSet{1} << (found - kNames.begin());
    if (comma == words.size()) return operations;
    words.remove_prefix(comma + 1);
  }
}

Report read_report() {
  constexpr const char* kVariable = "TUTTI_PRELOAD_REPORT";
  const std::string_view word = said(kVariable);
  if (word.empty() || word == "0") return Report::none;
  if (word == "1") return Report::first;
  if (word != "all") refuse(kVariable, "0, 1 or all");
  return Report::all;
}

}  // namespace

Settings read_settings() {
  Settings settings;
  settings.operations = read_operations();
  const std::string_view serves = said("TUTTI_PRELOAD");
  if (serves == "0") {
    settings.operations = 0;
  } else if (!serves.empty() && serves != "1") {
    refuse("TUTTI_PRELOAD", "0 or 1");
  }
  settings.communicators = read_number("TUTTI_PRELOAD_COMMUNICATORS").value_or(settings.communicators);
  settings.from_call = read_number("TUTTI_PRELOAD_FROM_CALL").value_or(settings.from_call);
  settings.rooted_bytes = read_number("TUTTI_PRELOAD_ROOTED_BYTES").value_or(settings.rooted_bytes);
  settings.message_bytes = read_number("TUTTI_PRELOAD_MESSAGE_BYTES");
  if (const auto seconds = read_seconds("TUTTI_PRELOAD_START_LIMIT")) {
    settings.start_limit = std::chrono::duration<double>(*seconds);
  }
  if (const auto seconds = read_seconds("TUTTI_PRELOAD_TIMEOUT"); seconds && *seconds > 0) {
    settings.timeout = std::chrono::duration<double>(*seconds);
  }
  if (const auto seconds = read_seconds("TUTTI_PRELOAD_STALL_WARNING")) {
    settings.stall_warning = std::chrono::duration<double>(*seconds);
  }
  settings.report = read_report();
  return settings;
}

}  // namespace tutti::preload
