// The program that libFuzzer makes (clang; preset `fuzz`): TUTTI_FUZZ_TARGET names the decoder. With TUTTI_FUZZ_SEEDS
// it first writes right bytes into that folder.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <span>
#include <string>

#include <tutti/kernels/whole_file.hpp>

#include "tests/compression/fuzz/decoders.hpp"

namespace {

std::optional<tutti::detail::Decoder> chosen;

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* /*argc*/, char*** /*argv*/) {
  const char* name = std::getenv("TUTTI_FUZZ_TARGET");
  try {
    chosen = tutti::detail::decoder_named(name == nullptr ? "" : name);
  } catch (const std::exception&) {
    std::fprintf(stderr, "TUTTI_FUZZ_TARGET names no decoder; known are");
    for (const auto& decoder : tutti::detail::decoders()) std::fprintf(stderr, " %s", decoder.name.c_str());
    std::fprintf(stderr, "\n");
    std::exit(2);
  }
  if (const char* folder = std::getenv("TUTTI_FUZZ_SEEDS"); folder != nullptr) {
    int number = 0;
    for (const auto& seed : tutti::detail::right_bytes(*chosen))
      tutti::write_whole_file(std::string(folder) + "/seed" + std::to_string(number++),
                              {reinterpret_cast<const char*>(seed.data()), seed.size()});
  }
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  tutti::detail::decode_anything(*chosen, std::as_bytes(std::span(bytes, size)));
  return 0;
}
