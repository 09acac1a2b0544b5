// `tutti train`: hands over to tutti-train, a program of its own because it alone needs libtorch.
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

#include "tools/command_line.hpp"
#include "tools/commands.hpp"

namespace tutti::tools {

void add_train_command(CLI::App& app) {
  auto* command = app.add_subcommand(
      "train", "Train a model as a configuration file says: mpirun -n N tutti train CONFIG.toml [--set key=value]");
  command->set_help_flag();
  command->allow_extras();
}

void exec_trainer(int argc, char** argv) {
  const auto trainer = program_path().parent_path() / "tutti-train";
  if (!std::filesystem::exists(trainer))
    throw DataError(text("train: ", trainer.string(), " is not there: this build has no trainer (configure with ",
                         "-DTUTTI_TRAINER=ON and build tutti-train)"));
  std::vector<char*> arguments;
  std::string name = "tutti train";  // how it is told to call itself
  arguments.push_back(name.data());
  for (int i = 2; i < argc; ++i) arguments.push_back(argv[i]);
  arguments.push_back(nullptr);
  execv(trainer.c_str(), arguments.data());
  throw DataError(text("train: cannot start ", trainer.string(), ": ", std::strerror(errno)));
}

}  // namespace tutti::tools
