#include "tools/report/files.hpp"

#include <nlohmann/json.hpp>

#include <cmath>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>
#include <tutti/kernels/whole_file.hpp>

namespace tutti::tools {
namespace {

/// Whatever happens to a file, who is told learns who wanted it.
template <class Action>
auto for_report(Action action) {
  try {
    return action();
  } catch (const DataError& error) {
    throw DataError(text("report: ", error.what()));
  }
}

}  // namespace

std::optional<double> number_at(const nlohmann::json& object, const char* key) {
  if (!object.is_object()) return std::nullopt;
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number()) return std::nullopt;
  const auto value = found->get<double>();
  return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

std::optional<std::string> text_at(const nlohmann::json& object, const char* key) {
  if (!object.is_object()) return std::nullopt;
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return std::nullopt;
  if (found->is_string()) return found->get<std::string>();
  return found->dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string read_file(const std::filesystem::path& file) {
  return for_report([&] { return read_whole_file(file); });
}

void replace_file(const std::filesystem::path& file, const std::string& contents) {
  for_report([&] { write_whole_file(file, contents); });
}

}  // namespace tutti::tools
