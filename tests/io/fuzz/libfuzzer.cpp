// The program that libFuzzer makes (clang; preset `fuzz`): TUTTI_FUZZ_TARGET names the reader. With TUTTI_FUZZ_SEEDS it
// first writes right files into that folder.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>

#include <tutti/kernels/whole_file.hpp>

#include "tests/io/fuzz/targets.hpp"

namespace {

std::optional<tutti::io::fuzz::Target> chosen;

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* /*argc*/, char*** /*argv*/) {
  const char* name = std::getenv("TUTTI_FUZZ_TARGET");
  if (name != nullptr) chosen = tutti::io::fuzz::find(name);
  if (!chosen) {
    std::fprintf(stderr, "TUTTI_FUZZ_TARGET names no reader; known are");
    for (const auto& target : tutti::io::fuzz::targets()) std::fprintf(stderr, " %s", target.name);
    std::fprintf(stderr, "\n");
    std::exit(2);
  }
  if (const char* folder = std::getenv("TUTTI_FUZZ_SEEDS"); folder != nullptr) {
    int number = 0;
    for (const std::string& seed : chosen->seeds())
      tutti::write_whole_file(std::string(folder) + "/seed" + std::to_string(number++), seed);
  }
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  tutti::io::fuzz::run(*chosen, {bytes, size});
  return 0;
}
