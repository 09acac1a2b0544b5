// `tutti train` and `tutti models`: hand over to tutti-train, a program of its own because it alone needs libtorch.
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
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
  auto* models = app.add_subcommand(
      "models",
      "Show the models there are, with parameters and work: tutti models [--input 3x32x32] [--set key=value]");
  models->set_help_flag();
  models->allow_extras();
}

void exec_trainer(int argc, char** argv) {
  const auto trainer = program_path().parent_path() / "tutti-train";
  if (!std::filesystem::exists(trainer))
    throw DataError(text(argv[1], ": ", trainer.string(), " is not there: this build has no trainer (configure with ",
                         "-DTUTTI_TRAINER=ON and build tutti-train)"));
  std::vector<char*> arguments;
  std::string name = text("tutti ", argv[1]);  // how it is told to call itself
  arguments.push_back(name.data());
  for (int i = 2; i < argc; ++i) arguments.push_back(argv[i]);
  arguments.push_back(nullptr);
  execv(trainer.c_str(), arguments.data());
  throw DataError(text(argv[1], ": cannot start ", trainer.string(), ": ", std::strerror(errno)));
}

}  // namespace tutti::tools
