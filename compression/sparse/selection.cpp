#include <tutti/compression/sparse/selection.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include <tutti/compression/block/block_codec.hpp>
#include <tutti/kernels/cast.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/gradients.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::detail {
namespace {

/// A sample holds about so many elements above the magnitude that it is for: its count errs by one in the root of them.
constexpr double kSampledAbove = 512.0;

/// As much more than what is sent is aimed at, so that seldom less is found; the limit cuts it.
constexpr double kSampleAim = 1.25;

/// Runs of a sample for `aim` of `count` elements; none where it would be so much of them that a histogram is better.
std::size_t sample_runs(std::size_t aim, std::size_t count) noexcept {
  const double runs =
      kSampledAbove / static_cast<double>(kSampleRun) * static_cast<double>(count) / static_cast<double>(aim);
  return 2.0 * runs * static_cast<double>(kSampleRun) > static_cast<double>(count)
             ? 0
             : static_cast<std::size_t>(std::ceil(runs));
}

std::size_t sample_aim(std::size_t most, std::size_t count) noexcept {
  return std::min(count, static_cast<std::size_t>(kSampleAim * static_cast<double>(most)) + 1);
}

float largest_of(DType type) noexcept {
  if (type == DType::f16) return 65504.0F;
  return type == DType::bf16 ? 0x1.FEp127F : std::numeric_limits<float>::max();
}

float rounded(float value, DType type) noexcept {
  if (type == DType::f16) return to_f32(to_f16(value));
  return type == DType::bf16 ? to_f32(to_bf16(value)) : value;
}

}  // namespace

std::size_t elements_of(double density, std::size_t count) noexcept {
  constexpr double kSlack = 1.0 - 0x1p-50;
  const double elements = std::ceil(density * static_cast<double>(count) * kSlack);
  return std::min(count, std::max<std::size_t>(1, static_cast<std::size_t>(elements)));
}

double density_in(const CodecSettings& settings, std::uint64_t step) noexcept {
  const auto warmup = static_cast<std::uint64_t>(settings.codec == "dgc" ? settings.warmup : 0);
  if (step >= warmup) return settings.density;
  return std::pow(settings.density, static_cast<double>(step + 1) / static_cast<double>(warmup + 1));
}

Rounded round_values(const Elements& elements, DType type, std::span<float> residual) noexcept {
  Rounded result;
  const float largest = largest_of(type);
  for (std::size_t i = 0; type != DType::f32 && i < elements.values.size(); ++i) {
    const float value = elements.values[i];
    if (!std::isfinite(value)) continue;
    if (std::abs(value) > largest) ++result.saturated;
    const float sent = rounded(std::clamp(value, -largest, largest), type);
    const float lost = value - sent;
    elements.values[i] = sent;
    if (!residual.empty()) residual[elements.indices[i]] = lost;
    result.lost += static_cast<double>(lost) * static_cast<double>(lost);
  }
  return result;
}

PartSelection::PartSelection(std::span<const TensorPart> parts, const CodecSettings& settings, std::size_t ranks,
                             std::size_t rank)
    : parts_(parts),
      settings_(settings),
      ranks_(ranks),
      rank_(rank),
      has_momentum_(settings.codec == "dgc"),
      type_(dtype_from_name(settings.values)) {
  for (const TensorPart& part : parts_) {
    count_ += part.count;
    most_ += most_of(part);
  }
  if (count_ > std::numeric_limits<std::uint32_t>::max())
    throw InvalidArgument(text("codec '", settings.codec, "': ", count_, " elements in one call are more than ",
                               std::numeric_limits<std::uint32_t>::max()));
  if (has_momentum_ && !settings.feedback)
    throw InvalidArgument("codec 'dgc': it needs feedback, which it sums up gradients with");
}

bool PartSelection::sends_equally_many() const noexcept {
  return settings_.codec != "threshold" && settings_.select == "exact" && density_in(settings_, 0) == settings_.density;
}

std::size_t PartSelection::most_of(const TensorPart& part) const noexcept {
  if (settings_.codec == "threshold") return part.count;
  return elements_of(density_in(settings_, 0), part.count);
}

/// The sample is largest where fewest are aimed at. Where the density that is set needs none, that of a step of the
/// warm-up may, of up to about half of the elements.
std::size_t PartSelection::most_sampled(std::size_t count) const noexcept {
  if (count == 0) return 0;
  const std::size_t runs = sample_runs(sample_aim(elements_of(settings_.density, count), count), count);
  if (runs == 0 && density_in(settings_, 0) != settings_.density) return count / 2 + kSampleRun;
  return runs * kSampleRun;
}

void PartSelection::plan(MemoryPlan& memory) {
  std::size_t before = 0;
  std::size_t room = 0;
  std::size_t scratch = 0;
  for (const TensorPart& part : parts_) {
    const std::size_t most = most_of(part);
    room = std::max(room, element_room(before, most, part.count));
    scratch = std::max(scratch, element_room(0, most, part.count));
    scratch = std::max(scratch, most_sampled(part.count));
    before += most;
  }
  memory.place(residual_, settings_.feedback ? count_ : 0);
  memory.place(momentum_, has_momentum_ ? count_ : 0);
  memory.place(memory_.indices, room);
  memory.place(memory_.values, room);
  memory.place(memory_.scratch, scratch);
}

Elements PartSelection::select(std::span<float> data, std::uint64_t step, std::span<CompressionFacts> facts) {
  std::size_t found = 0;
  std::size_t place = 0;
  for (std::size_t p = 0; p < parts_.size(); ++p) {
    const TensorPart& part = parts_[p];
    if (part.count == 0) continue;
    const Contribution from = contribution_of(data.subspan(part.offset, part.count), place);
    const Selected selected =
        select_elements(from, limits_of(part, from, step), static_cast<std::uint32_t>(place), found, memory_);
    const Elements sent = {memory_.indices.subspan(found, selected.count),
                           memory_.values.subspan(found, selected.count)};
    found += selected.count;
    place += part.count;
    forget_momentum(sent);
    const double squares = settings_.feedback ? sum_of_finite_squares(sent.values) : 0.0;
    const Rounded rounding = round_values(sent, type_, residual_);
    if (settings_.feedback)
      facts[p] = {.values = selected.squares + squares,
                  .error = selected.squares + rounding.lost,
                  .saturated = rounding.saturated};
  }
  return {memory_.indices.first(found), memory_.values.first(found)};
}

Contribution PartSelection::contribution_of(std::span<const float> values, std::size_t place) const {
  Contribution from = {.values = values.data(), .count = values.size()};
  if (settings_.feedback) from.residual = residual_.data() + place;
  if (has_momentum_) {
    from.momentum = momentum_.data() + place;
    from.decay = static_cast<float>(settings_.momentum);
    from.scale = scale_of(values);
    from.nesterov = settings_.nesterov;
  }
  return from;
}

/// By sample, where the tensor is so large that this is faster; exactly as many are found if at least as many have the
/// magnitude, which is counted or, sampled, hoped for.
SelectionLimits PartSelection::limits_of(const TensorPart& part, const Contribution& from, std::uint64_t step) {
  if (settings_.codec == "threshold") {
    const auto threshold = static_cast<float>(settings_.threshold);
    return {.magnitude = std::bit_cast<std::uint32_t>(threshold), .most = part.count};
  }
  const std::size_t most = elements_of(density_in(settings_, step), part.count);
  if (most == part.count) return {.magnitude = 0, .most = most};
  const std::size_t aim = sample_aim(most, part.count);
  if (const std::size_t runs = sample_runs(aim, part.count); runs > 0) {
    const std::uint64_t stream = draw_stream(step, part.tensor, rank_) + part.first;
    const std::uint32_t magnitude = magnitude_from_sample(from, aim, runs, settings_.seed, stream, memory_.scratch);
    if (settings_.select == "sampled" || count_by_magnitude(from, magnitude) >= most)
      return {.magnitude = magnitude, .most = most};
  }
  return {.magnitude = magnitude_from_histogram(from, most), .most = most};
}

SelectionLimits PartSelection::limits_of_sums(const Contribution& from, std::uint64_t step) const {
  const std::size_t most = elements_of(density_in(settings_, step), from.count);
  return {.magnitude = most == from.count ? 0 : magnitude_from_histogram(from, most), .most = most};
}

/// What the gradient is scaled by; not at all if it is not finite, which would then no longer be seen in its place.
float PartSelection::scale_of(std::span<const float> values) const {
  if (settings_.clip == 0.0) return 1.0F;
  const double norm = std::sqrt(sum_of_squares(ConstBuffer(values)));
  const double most = settings_.clip / std::sqrt(static_cast<double>(ranks_));
  return std::isfinite(norm) && norm > most ? static_cast<float>(most / norm) : 1.0F;
}

/// Momentum factor masking: what has been sent is not carried on.
void PartSelection::forget_momentum(const Elements& sent) const noexcept {
  for (std::size_t i = 0; has_momentum_ && i < sent.indices.size(); ++i)
    if (std::isfinite(sent.values[i])) momentum_[sent.indices[i]] = 0.0F;
}

void PartSelection::add_state(std::vector<CompressionState>& all) const {
  std::size_t place = 0;
  for (std::size_t p = 0; p < parts_.size(); ++p) {
    const std::size_t count = parts_[p].count;
    if (settings_.feedback) all.push_back({.name = "residual", .part = p, .values = residual_.subspan(place, count)});
    if (has_momentum_)
      all.push_back({.name = "momentum",
                     .kind = CompressionState::Kind::added,
                     .part = p,
                     .values = momentum_.subspan(place, count)});
    place += count;
  }
}

}  // namespace tutti::detail
