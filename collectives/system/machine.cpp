// Which machine this is; see machine.hpp.
#include <mpi.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <string>

#include <tutti/collectives/system/machine.hpp>
#include <tutti/collectives/system/simulated.hpp>

namespace tutti::detail {
namespace {

std::string machine_in_words() {
  std::array<char, MPI_MAX_PROCESSOR_NAME + 256> name{};
  if constexpr (kSimulated) {
    int length = 0;
    MPI_Get_processor_name(name.data(), &length);
    return name.data();
  }
  gethostname(name.data(), name.size() - 1);
  std::string boot;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> boot;
  return name.data() + ('/' + boot);
}

std::uint64_t digest_of_words(const std::string& words) noexcept {
  std::uint64_t digest = 0xCBF29CE484222325U;  // FNV-1a
  for (const char c : words) digest = (digest ^ static_cast<unsigned char>(c)) * 0x100000001B3U;
  return digest;
}

}  // namespace

std::uint64_t own_machine() {
  if constexpr (kSimulated) return digest_of_words(machine_in_words());  // ranks of many hosts are one process
  static const std::uint64_t machine = digest_of_words(machine_in_words());
  return machine;
}

}  // namespace tutti::detail
