// The codecs that store f32 in 16 bits.
#include <array>
#include <functional>

#include <tutti/compression/compression.hpp>
#include <tutti/kernels/cast.hpp>
#include <tutti/kernels/dtype.hpp>
#include <tutti/kernels/names.hpp>

namespace tutti {
namespace {

/// Values rounded to a 16-bit floating-point type.
class CastCodec final : public Codec {
 public:
  explicit CastCodec(DType wire) : wire_(wire) {}

  std::string_view name() const noexcept override { return tutti::name(wire_); }
  std::size_t encoded_bytes(std::size_t count) const noexcept override { return count * size_of(wire_); }
  void encode(std::span<const float> values, std::span<std::byte> encoded) const override {
    cast(ConstBuffer(values), Buffer(encoded.data(), values.size(), wire_));
  }
  void decode(std::span<const std::byte> encoded, std::span<float> values) const override {
    cast(ConstBuffer(encoded.data(), values.size(), wire_), Buffer(values));
  }

 private:
  DType wire_;
};

constexpr std::array<std::string_view, 2> kNames = {"bf16", "f16"};

}  // namespace

std::span<const std::string_view> codec_names() noexcept { return kNames; }

std::shared_ptr<const Codec> make_codec(std::string_view name) {
  return std::make_shared<CastCodec>(dtype_from_name(find_named(kNames, "codec", name, std::identity{})));
}

}  // namespace tutti
