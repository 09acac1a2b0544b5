// Copying memory, where it must be fast whatever the alignment.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <cstddef>

#pragma GCC visibility push(default)
namespace tutti {

/// Copies `bytes` bytes; the ranges must not overlap, and may be of any alignment. As memcpy, but without its cliff:
/// glibc copies 2 KiB to 1 MiB by `rep movsb`, which some processors do at a tenth of the speed when the ranges begin
/// at different places in their pages, as pieces of a packed buffer do. From 16 MiB on the output bypasses the caches.
/// Figures: kernels/README.md.
void copy_bytes(void* to, const void* from, std::size_t bytes) noexcept;

/// As copy_bytes(), but the output bypasses the caches whatever its size: for what nobody reads soon. Other processors
/// see it as they see ordinary stores.
void stream_bytes(void* to, const void* from, std::size_t bytes) noexcept;

/// One of the parts that are streamed one after the other. Other processors see them after end_streams(), which waits
/// for all of them, and is worth some KiB.
void stream_part(void* to, const void* from, std::size_t bytes) noexcept;
void end_streams() noexcept;

}  // namespace tutti
#pragma GCC visibility pop
