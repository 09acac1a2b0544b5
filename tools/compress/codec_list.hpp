// The table of codecs, for people, READMEs and programs.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace tutti::tools {

std::string codec_list_text();

/// Two tables, of codecs and of their parameters: as compression/README.md has them.
std::string codec_list_markdown();

nlohmann::ordered_json codec_list_json();

}  // namespace tutti::tools
