// Gathering many small pieces of memory into one contiguous buffer, and back.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <span>

#include <tutti/kernels/buffer.hpp>

#pragma GCC visibility push(default)
namespace tutti {

/// Copies the pieces one after another into `out`; same dtype, counts add up to out.count.
/// \throws InvalidArgument if they do not.
void pack(std::span<const ConstBuffer> pieces, Buffer out);

/// The inverse of pack(). \throws InvalidArgument likewise.
void unpack(ConstBuffer in, std::span<const Buffer> pieces);

}  // namespace tutti
#pragma GCC visibility pop
