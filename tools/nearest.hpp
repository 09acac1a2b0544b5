// Names that are nearly right.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace tutti::tools {

/// The name among `known` that is fewest edits away from `text`; empty if that is more than about a third of the text.
std::string nearest(std::string_view text, std::span<const std::string> known);

}  // namespace tutti::tools
