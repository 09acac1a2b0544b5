// Copying memory by vectors. Per byte it reads 1 and writes 1; below the streaming threshold the caches also read the
// line that is written.
#include <tutti/kernels/copy.hpp>

#include <algorithm>
#include <cstdint>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tutti/kernels/copy.cpp"
#include <hwy/foreach_target.h>
// Highway's own headers come after foreach_target.h.
#include <hwy/cache_control.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace tutti::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Copies whole blocks of four vectors to an aligned `to`, and returns how many bytes that were.
template <bool kStream, class D>
HWY_INLINE std::size_t copy_blocks(D d, std::uint8_t* to, const std::uint8_t* from, std::size_t bytes) {
  const std::size_t lanes = hn::Lanes(d);
  std::size_t i = 0;
  for (; i + 4 * lanes <= bytes; i += 4 * lanes) {
    const auto a = hn::LoadU(d, from + i);
    const auto b = hn::LoadU(d, from + i + lanes);
    const auto c = hn::LoadU(d, from + i + 2 * lanes);
    const auto e = hn::LoadU(d, from + i + 3 * lanes);
    if constexpr (kStream) {
      hn::Stream(a, d, to + i);
      hn::Stream(b, d, to + i + lanes);
      hn::Stream(c, d, to + i + 2 * lanes);
      hn::Stream(e, d, to + i + 3 * lanes);
    } else {
      hn::Store(a, d, to + i);
      hn::Store(b, d, to + i + lanes);
      hn::Store(c, d, to + i + 2 * lanes);
      hn::Store(e, d, to + i + 3 * lanes);
    }
  }
  return i;
}

/// At least one vector.
void copy_on_target(std::uint8_t* to, const std::uint8_t* from, std::size_t bytes) {
  const hn::CappedTag<std::uint8_t, 64> d;
  const std::size_t lanes = hn::Lanes(d);
  // To an aligned output first, by one vector that the next ones overlap.
  hn::StoreU(hn::LoadU(d, from), d, to);
  std::size_t done = lanes - reinterpret_cast<std::uintptr_t>(to) % lanes;
  done += copy_blocks<false>(d, to + done, from + done, bytes - done);
  for (; done + lanes < bytes; done += lanes) hn::StoreU(hn::LoadU(d, from + done), d, to + done);
  hn::StoreU(hn::LoadU(d, from + bytes - lanes), d, to + bytes - lanes);
}

/// Copies whole groups of kPages pages past the caches, some lines of each page in turn, and returns how many bytes
/// that were. Processors fetch ahead within a page, and of several pages more is on its way (kernels/README.md).
constexpr std::size_t kPage = 4096;
constexpr std::size_t kPages = 4;
template <class D>
HWY_INLINE std::size_t stream_pages(D d, std::uint8_t* to, const std::uint8_t* from, std::size_t bytes) {
  const std::size_t at_once = 4 * hn::Lanes(d);
  std::size_t done = 0;
  for (; done + kPages * kPage <= bytes; done += kPages * kPage) {
    for (std::size_t i = 0; i < kPage; i += at_once) {
      for (std::size_t page = 0; page < kPages; ++page) {
        const std::size_t at = done + page * kPage + i;
        copy_blocks<true>(d, to + at, from + at, at_once);
      }
    }
  }
  return done;
}

/// Lines that are stored both past the caches and through them are slow (kernels/README.md): only whole ones are
/// streamed. At least one.
void stream_on_target(std::uint8_t* to, const std::uint8_t* from, std::size_t bytes) {
  constexpr std::size_t kLine = 64;
  const hn::CappedTag<std::uint8_t, kLine> d;
  const std::size_t lanes = hn::Lanes(d);
  std::size_t done = (kLine - reinterpret_cast<std::uintptr_t>(to) % kLine) % kLine;
  std::memcpy(to, from, done);
  done += stream_pages(d, to + done, from + done, bytes - done);
  done += copy_blocks<true>(d, to + done, from + done, bytes - done);
  for (; done + kLine <= bytes; done += kLine) {
    for (std::size_t i = 0; i < kLine; i += lanes) hn::Stream(hn::LoadU(d, from + done + i), d, to + done + i);
  }
  std::memcpy(to + done, from + done, bytes - done);
}

void flush_on_target() { hwy::FlushStream(); }

}  // namespace tutti::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tutti {

HWY_EXPORT(copy_on_target);
HWY_EXPORT(stream_on_target);
HWY_EXPORT(flush_on_target);

namespace {

constexpr std::size_t kShort = 256;  // what memcpy is good at

}  // namespace

void copy_bytes(void* to, const void* from, std::size_t bytes) noexcept {
  constexpr std::size_t kStreamFrom = std::size_t{16} << 20;
  if (bytes >= kStreamFrom) return stream_bytes(to, from, bytes);
  if (bytes >= kShort) {
    HWY_DYNAMIC_DISPATCH(copy_on_target)(static_cast<std::uint8_t*>(to), static_cast<const std::uint8_t*>(from), bytes);
  } else if (bytes > 0) {
    std::memcpy(to, from, bytes);
  }
}

void stream_bytes(void* to, const void* from, std::size_t bytes) noexcept {
  stream_part(to, from, bytes);
  end_streams();
}

void stream_part(void* to, const void* from, std::size_t bytes) noexcept {
  if (bytes >= kShort) {
    HWY_DYNAMIC_DISPATCH(stream_on_target)
    (static_cast<std::uint8_t*>(to), static_cast<const std::uint8_t*>(from), bytes);
  } else if (bytes > 0) {
    std::memcpy(to, from, bytes);
  }
}

void end_streams() noexcept { HWY_DYNAMIC_DISPATCH(flush_on_target)(); }

}  // namespace tutti
#endif
