// Telling what runs; see debug_log.hpp.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include <tutti/collectives/communicator/debug_log.hpp>
#include <tutti/kernels/byte_size.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/names.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::detail {
namespace {

/// Programs whose counts never repeat would print for ever.
constexpr std::size_t kMostKinds = 1000;

/// "allreduce sum f32, 4K bytes"
std::string what(const Call& call) {
  std::string out(name(call.collective));
  if (call.is_uneven()) out += "_v";
  if (call.collective == Collective::barrier) return out;
  if (call.reduces() && !call.function) out += text(" ", name(call.stated_op.value_or(call.op)));
  out += call.function ? text(" by the operator '", call.function->name, "'") : text(" ", name(call.dtype));
  if (call.is_counted_by_pair()) return out + ", counts by pair";
  return text(out, ", ", byte_size_text(call.data_bytes()), " bytes");
}

}  // namespace

bool wants_debug() {
  const char* const said = std::getenv("TUTTI_DEBUG");
  const std::string_view word = said == nullptr ? "" : said;
  if (word.empty() || word == "none") return false;
  if (word == "info") return true;
  throw InvalidArgument(text("TUTTI_DEBUG: ", unknown_name("level", word, std::array<std::string, 2>{"info", "none"})));
}

void DebugLog::say(std::string_view line) const {
  const std::string whole = text("tutti: info: communicator ", communicator_, ": ", line, "\n");
  std::fputs(whole.c_str(), stderr);
}

void DebugLog::say_call(const Call& call, std::string_view how, std::string_view why) {
  if (full_) return;
  const auto [entry, is_new] = said_.insert(text(what(call), ": ", how, " (", why, ")"));
  if (!is_new) return;
  say(*entry);
  full_ = said_.size() == kMostKinds;
  if (full_) say(text(kMostKinds, " kinds of calls were printed; no more are"));
}

}  // namespace tutti::detail
