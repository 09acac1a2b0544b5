// The option --field NAME=FROM of formats that hold arrays by name.
#pragma once

#include <CLI/CLI.hpp>

#include <functional>
#include <string>
#include <vector>

namespace tutti::tools::data {

/// Adds `--field NAME=FROM`, which may be given several times; `take` gets both parts of each in turn.
inline CLI::Option* add_field_option(CLI::App& command, const std::string& from, const std::string& description,
                                     const std::function<void(const std::string&, const std::string&)>& take) {
  return command
      .add_option_function<std::vector<std::string>>(
          "--field",
          [take](const std::vector<std::string>& words) {
            for (const std::string& word : words) {
              const std::size_t sign = word.find('=');
              if (sign == 0 || sign == std::string::npos || sign + 1 == word.size())
                throw CLI::ValidationError("--field", "'" + word + "' is not of the form NAME=FROM");
              take(word.substr(0, sign), word.substr(sign + 1));
            }
          },
          description)
      ->option_text("NAME=" + from + " ...");
}

}  // namespace tutti::tools::data
