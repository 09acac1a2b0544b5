#include "tools/data.hpp"

#include "tools/data/commands.hpp"

namespace tutti::tools {

void add_data_command(CLI::App& app) {
  CLI::App* data = app.add_subcommand(
      "data", "Make, check, show, split and copy data sets (HDF5 shards), and measure how fast they are read");
  data->require_subcommand(1);
  data::add_import_command(*data);
  data::add_check_command(*data);
  data::add_split_command(*data);
  data::add_speed_command(*data);
  data::add_stage_command(*data);
  data::add_show_command(*data);
}

}  // namespace tutti::tools
