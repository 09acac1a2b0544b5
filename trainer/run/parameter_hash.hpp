// SHA-256 over the parameters of a model: the fingerprint by which two runs are compared.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include <tutti/trainer/memory/buckets.hpp>

namespace tutti::trainer {

using Sha256 = std::array<std::uint8_t, 32>;

/// Over the bytes of all parameters in model order, as they lie in memory (little-endian), without names or gaps.
Sha256 parameter_hash(const Buckets& buckets);

std::string to_hex(const Sha256& hash);

}  // namespace tutti::trainer
