#include "tools/report/files.hpp"

#include <nlohmann/json.hpp>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::tools {

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
  const auto fail = [&](int error) {
    throw DataError(text("report: ", file.string(), " cannot be read: ", std::strerror(error)));
  };
  if (std::filesystem::is_directory(file)) fail(EISDIR);
  errno = 0;
  std::ifstream in(file, std::ios::binary);
  if (!in.is_open()) fail(errno != 0 ? errno : EIO);
  std::string all{std::istreambuf_iterator<char>(in), {}};
  if (in.bad()) fail(EIO);
  return all;
}

void replace_file(const std::filesystem::path& file, const std::string& contents) {
  const std::filesystem::path partial = file.string() + ".part";
  errno = 0;
  std::ofstream out(partial, std::ios::binary);
  out << contents;
  out.close();
  const int cause = errno != 0 ? errno : EIO;
  std::error_code failed;
  if (out) std::filesystem::rename(partial, file, failed);
  if (!out || failed) {
    std::error_code ignored;
    std::filesystem::remove(partial, ignored);
    throw DataError(
        text("report: ", file.string(), " cannot be written: ", failed ? failed.message() : std::strerror(cause)));
  }
}

}  // namespace tutti::tools
