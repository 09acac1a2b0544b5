// See launcher.hpp.
#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <optional>

#include <tutti/collectives/system/launcher.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti {

namespace {

constexpr const char* kSizes[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"};
constexpr const char* kRanks[] = {"OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID"};

int number_in(const char* variable) {
  const char* value = std::getenv(variable);
  return value == nullptr ? 0 : std::atoi(value);
}

}  // namespace

std::optional<WrongLauncher> wrong_launcher(int world_size) {
  if (world_size != 1) return std::nullopt;
  const char* accuser = nullptr;
  for (const char* variable : kSizes) {
    // The launcher of one process may itself have been started by another one, beside others of its kind.
    if (number_in(variable) == 1) return std::nullopt;
    if (accuser == nullptr && number_in(variable) > 1) accuser = variable;
  }
  if (accuser == nullptr) return std::nullopt;
  const auto is_later = [](const char* variable) { return number_in(variable) > 0; };
  return WrongLauncher{
      .what = text("a launcher started ", number_in(accuser), " processes (", accuser,
                   "), but for MPI each is alone: start them by the mpirun of the MPI library that this program was "
                   "built with, or by srun --mpi=pmix"),
      .is_first = std::none_of(std::begin(kRanks), std::end(kRanks), is_later)};
}

}  // namespace tutti
