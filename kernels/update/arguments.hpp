// What the kernels that update parameters demand of their arguments, and numbers that they share.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include <tutti/kernels/buffer.hpp>

namespace tutti {

/// The parameters are f32 or f64, in `space`. \throws InvalidArgument, which begins with the name of the kernel
void require_floats(std::string_view kernel, const ConstBuffer& parameters, MemorySpace space = MemorySpace::host);

/// `buffer` has the count, dtype and memory space of the parameters. \throws InvalidArgument naming `what`
void require_like(std::string_view kernel, std::string_view what, const ConstBuffer& buffer,
                  const ConstBuffer& parameters);

/// `sums` has an element for each block of kNormBlock parameters (gradients.hpp). \throws InvalidArgument
void require_blocks(std::string_view kernel, const ConstBuffer& parameters, std::span<const double> sums);

/// `value` is in [low, high). \throws InvalidArgument naming `what`
void require_in(std::string_view kernel, std::string_view what, double value, double low, double high);

/// 1 - beta^number: what an average that started at zero is divided by after `number` values. By multiplications alone,
/// so that it has the same bits whatever the C library.
double bias_correction(double beta, std::uint64_t number) noexcept;

}  // namespace tutti
