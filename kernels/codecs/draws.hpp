// Random numbers of elements, as stochastic rounding takes them.
#pragma once

#include <span>

#include <tutti/kernels/codecs/encoding.hpp>

namespace tutti {

/// The draws of elements draw.first, draw.first + 1, ... (encoding.hpp) as numbers: middles of 2^16 intervals of [0,
/// 1]. The same on every instruction set.
void draw_uniform(const Draw& draw, std::span<float> draws);

}  // namespace tutti
