// Whether arithmetic in bf16 is fast here.
#pragma once

#include <optional>
#include <span>
#include <string>

#include <tutti/collectives/communicator.hpp>

namespace tutti::trainer {

/// Whether this processor multiplies bf16 by instructions of its own.
bool multiplies_bf16() noexcept;

/// What to tell a user, given 1 or 0 for each rank that has such a processor or not; nothing if all have.
std::optional<std::string> bf16_warning(std::span<const int> ranks);

/// Collective: the same for the ranks of `comm`.
std::optional<std::string> bf16_warning(const Communicator& comm);

}  // namespace tutti::trainer
