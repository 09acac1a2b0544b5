#include "bench/training/arithmetic.hpp"

#include <dlfcn.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

#include <fmt/core.h>

namespace tutti::bench {

namespace {

/// The file that has `symbol`, with links resolved.
std::string file_of(const void* symbol) {
  Dl_info info{};
  if (symbol == nullptr || dladdr(symbol, &info) == 0 || info.dli_fname == nullptr) return "none";
  std::error_code error;
  const auto file = std::filesystem::canonical(info.dli_fname, error);
  return error ? std::string(info.dli_fname) : file.string();
}

/// The head of dnnl_version_t.
struct OneDnnVersion {
  int major, minor, patch;
};

}  // namespace

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name") && line.find(": ") != std::string::npos) return line.substr(line.find(": ") + 2);
  return "unknown processor";
}

std::string blas_library() { return file_of(dlsym(RTLD_DEFAULT, "sgemm_")); }

std::string onednn_library() {
  void* const symbol = dlsym(RTLD_DEFAULT, "dnnl_version");
  if (symbol == nullptr) return "none";
  const auto* const version = reinterpret_cast<const OneDnnVersion* (*)()>(symbol)();
  return fmt::format("{}.{}.{} ({})", version->major, version->minor, version->patch, file_of(symbol));
}

}  // namespace tutti::bench
