// `tutti train`, `tutti models` and `tutti export`: hand over to tutti-train, a program of its own because it alone
// needs libtorch.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

#include "tools/command_line.hpp"
#include "tools/commands.hpp"

namespace tutti::tools {

namespace {

struct TrainerCommand {
  const char* name;
  const char* purpose;
};

constexpr std::array<TrainerCommand, 3> kCommands{
    {{"train", "Train a model as a configuration file says: mpirun -n N tutti train CONFIG.toml [--set key=value]"},
     {"models",
      "Show the models there are, with parameters and work: tutti models [--input 3x32x32] [--set key=value]"},
     {"export",
      "Write the model of a run for other programs: tutti export RUN --to FILE.safetensors, or FILE.pt "
      "(TorchScript)"}}};

}  // namespace

void add_train_command(CLI::App& app) {
  for (const TrainerCommand& listed : kCommands) {
    auto* command = app.add_subcommand(listed.name, listed.purpose);
    command->set_help_flag();
    command->allow_extras();
  }
}

bool is_of_trainer(std::string_view command) noexcept {
  return std::any_of(kCommands.begin(), kCommands.end(), [&](const auto& known) { return command == known.name; });
}

bool asks_trainer(std::span<char* const> arguments) noexcept {
  const auto is_config = [](const char* argument) { return std::string_view(argument).starts_with("--config"); };
  return arguments.size() > 2 && arguments[0] == std::string_view("explain") &&
         arguments[1] == std::string_view("compression") &&
         std::any_of(arguments.begin() + 2, arguments.end(), is_config);
}

void exec_trainer(int argc, char** argv, int words) {
  const auto trainer = program_path().parent_path() / "tutti-train";
  if (!std::filesystem::exists(trainer))
    throw DataError(text(argv[1], ": ", trainer.string(), " is not there: this build has no trainer (configure with ",
                         "-DTUTTI_TRAINER=ON and build tutti-train)"));
  std::vector<char*> arguments;
  std::string name = "tutti";  // how it is told to call itself
  for (int i = 1; i <= words; ++i) name += text(" ", argv[i]);
  arguments.push_back(name.data());
  for (int i = words + 1; i < argc; ++i) arguments.push_back(argv[i]);
  arguments.push_back(nullptr);
  execv(trainer.c_str(), arguments.data());
  throw DataError(text(argv[1], ": cannot start ", trainer.string(), ": ", std::strerror(errno)));
}

}  // namespace tutti::tools
