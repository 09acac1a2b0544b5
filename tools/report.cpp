// `tutti report`: a run folder or a benchmark's JSON file becomes one HTML page.
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>

#include <tutti/kernels/error.hpp>

#include "tools/commands.hpp"
#include "tools/report/report.hpp"

namespace tutti::tools {

void add_report_command(CLI::App& app) {
  auto* command = app.add_subcommand("report", "Make one HTML page of a training run or of a benchmark");
  const auto source = std::make_shared<std::string>();
  command
      ->add_option("source", *source,
                   "Run folder (gets report.html in it), or JSON file of `tutti perf` or `./run bench` (gets an .html "
                   "beside it)")
      ->required()
      ->type_name("FOLDER|FILE");
  command->callback([source] {
    const std::filesystem::path path(*source);
    auto page = path;
    std::error_code unreadable;
    if (!std::filesystem::exists(path, unreadable))
      throw DataError("report: there is no folder or file " + path.string());
    if (!std::filesystem::is_directory(path)) {
      page.replace_extension(".html");
      write_bench_report(path, page);
    } else {
      page /= "report.html";
      write_report(path);
    }
    std::printf("%s\n", page.c_str());
  });
}

}  // namespace tutti::tools
