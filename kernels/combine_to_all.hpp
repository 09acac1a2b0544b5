// The loop behind combine_into().
#pragma once

#include <cstddef>
#include <span>

#include <tutti/kernels/buffer.hpp>
#include <tutti/kernels/reduce.hpp>

namespace tutti::detail {

/// Bytes.
inline constexpr std::size_t kWidestVector = 64;

/// left[i] op right[i] at element first + i of all of `targets`, which may be exactly `left` or `right` there: at least
/// kWidestVector bytes. With `streams`, whole cache lines of all targets, past the caches.
void combine_to_all(ReduceOp op, const ConstBuffer& left, const ConstBuffer& right, std::span<std::byte* const> targets,
                    std::size_t first, bool streams) noexcept;

}  // namespace tutti::detail
