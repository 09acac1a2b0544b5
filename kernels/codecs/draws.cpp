// Per element: writes 4 bytes. A call of Philox for eight elements is 20 multiplications.
#include <tutti/kernels/codecs/draws.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tutti/kernels/codecs/draws.cpp"
#include <hwy/foreach_target.h>
// Highway's own headers, and ours that are compiled per instruction set, come after foreach_target.h.
#include <hwy/highway.h>

#include <tutti/kernels/codecs/draws-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace tutti::HWY_NAMESPACE {

void draw_on_target(const Draw& draw, std::span<float> values) {
  Draws draws;
  for (std::size_t first = 0; first < values.size(); first += kChunk) {
    const std::size_t count = std::min(kChunk, values.size() - first);
    draws.fill(draw, first, count);
    float numbers[kChunk];
    for (std::size_t i = 0; i < count; i += kGroupLanes)
      hn::StoreU(uniforms(draws.halves() + i), CodeFloats(), numbers + i);
    std::memcpy(values.data() + first, numbers, count * sizeof(float));
  }
}

}  // namespace tutti::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tutti {

HWY_EXPORT(draw_on_target);

void draw_uniform(const Draw& draw, std::span<float> draws) {
  if (draw.first % 8 != 0)
    throw InvalidArgument(text("draw_uniform: the first element is ", draw.first, ", no multiple of 8"));
  HWY_DYNAMIC_DISPATCH(draw_on_target)(draw, draws);
}

}  // namespace tutti
#endif
