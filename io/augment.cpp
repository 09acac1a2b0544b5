#include <tutti/io/augment.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <functional>
#include <utility>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/names.hpp>
#include <tutti/kernels/philox.hpp>

namespace tutti::io {

namespace {

constexpr std::array<std::string_view, 2> kPaddingNames = {"fill", "reflect"};
constexpr std::array<Padding, 2> kPaddings = {Padding::fill, Padding::reflect};

// Streams of the seed that nothing else draws from.
constexpr std::uint64_t kShiftStream = 0x6175676D656E7401U;
constexpr std::uint64_t kCoverStream = 0x6175676D656E7402U;

PhiloxCounter drawn(std::uint64_t seed, std::uint64_t stream, std::uint64_t epoch, std::uint64_t id) noexcept {
  return philox4x32({static_cast<std::uint32_t>(id), static_cast<std::uint32_t>(id >> 32),
                     static_cast<std::uint32_t>(epoch), static_cast<std::uint32_t>(epoch >> 32)},
                    philox_key(random_u64(seed, stream, 0)));
}

// 0 .. n-1, each as often as the others but for n / 2^32.
std::size_t below(std::size_t n, std::uint32_t random) noexcept {
  return static_cast<std::size_t>((std::uint64_t{n} * random) >> 32);
}

// Where a position outside 0 .. n-1 is mirrored to.
std::size_t mirrored(std::ptrdiff_t at, std::size_t n) noexcept {
  const auto last = static_cast<std::ptrdiff_t>(n) - 1;
  return static_cast<std::size_t>(at < 0 ? -at : at > last ? 2 * last - at : at);
}

bool is_inside(std::ptrdiff_t at, std::size_t n) noexcept { return at >= 0 && at < static_cast<std::ptrdiff_t>(n); }

template <class T>
struct Picture {
  T* pixels;
  std::size_t rows;
  std::size_t columns;

  std::span<T> row(std::size_t r) const noexcept { return {pixels + r * columns, columns}; }
};

// One row, shifted: to[x] = from[x + right].
template <class T>
void shift_row(std::span<const T> from, std::ptrdiff_t right, Padding padding, T fill, std::span<T> to) noexcept {
  const std::size_t n = from.size();
  const std::size_t before = right < 0 ? static_cast<std::size_t>(-right) : 0;
  const std::size_t behind = right > 0 ? static_cast<std::size_t>(right) : 0;
  std::memcpy(to.data() + before, from.data() + behind, (n - before - behind) * sizeof(T));
  const auto border = [&](std::size_t x) {
    return padding == Padding::fill ? fill : from[mirrored(static_cast<std::ptrdiff_t>(x) + right, n)];
  };
  for (std::size_t x = 0; x < before; ++x) to[x] = border(x);
  for (std::size_t x = n - behind; x < n; ++x) to[x] = border(x);
}

template <class T>
void augment_channel(const Picture<const T>& from, const Augmentation& options, const Draw& draw, T fill,
                     const Picture<T>& to) noexcept {
  for (std::size_t r = 0; r < to.rows; ++r) {
    const std::ptrdiff_t source = static_cast<std::ptrdiff_t>(r) + draw.down;
    const std::span<T> row = to.row(r);
    if (options.padding == Padding::fill && !is_inside(source, from.rows)) {
      std::fill(row.begin(), row.end(), fill);
      continue;
    }
    shift_row(from.row(mirrored(source, from.rows)), draw.right, options.padding, fill, row);
    if (draw.flipped) std::reverse(row.begin(), row.end());
  }
  if (options.cutout == 0) return;
  const auto covered = [&](std::size_t centre, std::size_t extent) {
    const std::size_t end = std::min(centre + (options.cutout + 1) / 2, extent);
    return std::pair(centre - std::min(centre, options.cutout / 2), end);
  };
  const auto [top, bottom] = covered(draw.centre_row, to.rows);
  const auto [left, right] = covered(draw.centre_column, to.columns);
  for (std::size_t r = top; r < bottom; ++r) std::fill_n(to.row(r).begin() + left, right - left, fill);
}

template <class T>
bool holds(double value) noexcept {
  return std::isfinite(static_cast<T>(value));
}
template <>
bool holds<std::uint8_t>(double value) noexcept {
  return value >= 0.0 && value <= 255.0 && value == std::floor(value);
}

}  // namespace

std::span<const std::string_view> padding_names() noexcept { return kPaddingNames; }

Padding padding_from_name(std::string_view name) {
  const auto& found = find_named(kPaddingNames, "padding", name, std::identity());
  return kPaddings[static_cast<std::size_t>(&found - kPaddingNames.data())];
}

Augmenter::Augmenter(const Dataset& dataset, const Augmentation& options, std::uint64_t seed)
    : options_(options), seed_(seed), field_(dataset.field(options.field)) {
  const Field& field = dataset.fields()[field_];
  const auto refuse = [&](const std::string& why) {
    throw InvalidArgument(
        fmt::format("{}: field '{}' cannot be augmented: {}", dataset.folder().string(), field.name, why));
  };
  dtype_ = field.dtype;
  if ((dtype_ != DType::u8 && dtype_ != DType::f32) || field.shape.size() != 3 || field.sparse)
    refuse(fmt::format("pictures are u8 or f32 of a shape {{channels, rows, columns}}, this is {} with {} extents{}",
                       name(dtype_), field.shape.size(), field.sparse ? ", sparse" : ""));
  channels_ = field.shape[0];
  rows_ = field.shape[1];
  columns_ = field.shape[2];
  if (options_.pad >= std::min(rows_, columns_))
    refuse(fmt::format("a border of {} pixels is not smaller than pictures of {} x {}", options_.pad, rows_, columns_));
  if (options_.fill.size() != 1 && options_.fill.size() != channels_)
    refuse(fmt::format("there are {} fill values, pictures have {} channels", options_.fill.size(), channels_));
  for (const double value : options_.fill)
    if (!(dtype_ == DType::u8 ? holds<std::uint8_t>(value) : holds<float>(value)))
      refuse(fmt::format("a fill value of {} is none of {}", value, name(dtype_)));
  options_.fill.resize(channels_, options_.fill.front());
}

Draw Augmenter::draw(std::uint64_t epoch, std::uint64_t id) const noexcept {
  Draw draw;
  const PhiloxCounter shift = drawn(seed_, kShiftStream, epoch, id);
  const auto pad = static_cast<std::ptrdiff_t>(options_.pad);
  draw.down = static_cast<std::ptrdiff_t>(below(2 * options_.pad + 1, shift[0])) - pad;
  draw.right = static_cast<std::ptrdiff_t>(below(2 * options_.pad + 1, shift[1])) - pad;
  draw.flipped = options_.flip && (shift[2] >> 31) != 0;
  if (options_.cutout == 0) return draw;
  const PhiloxCounter cover = drawn(seed_, kCoverStream, epoch, id);
  draw.centre_row = below(rows_, cover[0]);
  draw.centre_column = below(columns_, cover[1]);
  return draw;
}

void Augmenter::augment(std::uint64_t epoch, std::uint64_t id, const std::byte* from, std::byte* to) const noexcept {
  const Draw drawn = draw(epoch, id);
  const auto all_channels = [&](auto zero) {
    using T = decltype(zero);
    const std::size_t pixels = rows_ * columns_;
    for (std::size_t c = 0; c < channels_; ++c)
      augment_channel(Picture<const T>{reinterpret_cast<const T*>(from) + c * pixels, rows_, columns_}, options_, drawn,
                      static_cast<T>(options_.fill[c]),
                      Picture<T>{reinterpret_cast<T*>(to) + c * pixels, rows_, columns_});
  };
  if (dtype_ == DType::u8)
    all_channels(std::uint8_t{0});
  else
    all_channels(0.0F);
}

}  // namespace tutti::io
