// Masks of dropout: whether an element is kept is a function of (seed, draw, sample, layer, element), so masks do not
// depend on how samples are spread over ranks. Compared are integers: an element is kept if its 32 random bits are at
// least rate * 2^32.
#include <ATen/ops/empty.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/philox.hpp>
#include <tutti/trainer/models/layers.hpp>

namespace tutti::trainer {

namespace {

// Streams of masks lie apart from those of initial values and of the sampler.
constexpr std::uint64_t kMasks = std::uint64_t{0x64726f70} << 32;

template <class T>
void fill_mask(T* mask, std::size_t elements, PhiloxKey key, std::uint32_t layer, std::uint32_t bound, T scale) {
  for (std::size_t e = 0; e < elements; e += 4) {
    const std::uint64_t block = e / 4;
    const PhiloxCounter bits =
        philox4x32({static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32), layer, 0}, key);
    for (std::size_t i = 0; i < 4 && e + i < elements; ++i) mask[e + i] = bits[i] >= bound ? scale : T{0};
  }
}

}  // namespace

at::Tensor dropout_mask(const at::Tensor& like, double rate, std::uint32_t layer, const Pass& pass) {
  const auto samples = static_cast<std::size_t>(like.size(0));
  if (pass.ids.size() != samples) throw InvalidArgument("dropout needs the ids of the samples");
  const auto bound = static_cast<std::uint32_t>(std::floor(rate * 4294967296.0));
  const double scale = 1.0 / (1.0 - rate);
  const bool wide = like.scalar_type() == at::kDouble;
  at::Tensor mask = at::empty(like.sizes(), at::TensorOptions(wide ? at::kDouble : at::kFloat));
  const std::size_t elements = samples == 0 ? 0 : static_cast<std::size_t>(like.numel()) / samples;
  for (std::size_t s = 0; s < samples; ++s) {
    const PhiloxKey key = philox_key(random_u64(pass.seed, kMasks + pass.draw, pass.ids[s]));
    if (wide)
      fill_mask(mask.data_ptr<double>() + s * elements, elements, key, layer, bound, scale);
    else
      fill_mask(mask.data_ptr<float>() + s * elements, elements, key, layer, bound, static_cast<float>(scale));
  }
  return mask;
}

}  // namespace tutti::trainer
