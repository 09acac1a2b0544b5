// Codecs that send a few values of each tensor.
#include <array>
#include <string_view>

#include <tutti/compression/codec_rows.hpp>
#include <tutti/compression/reduction.hpp>

namespace tutti::detail {
namespace {

constexpr std::array<std::string_view, 2> kSelections = {"exact", "sampled"};
constexpr std::array<std::string_view, 3> kValueTypeNames = {"f32", "f16", "bf16"};
constexpr std::array<std::string_view, 2> kIndexCodings = {"blocks", "rice"};
constexpr std::array<std::string_view, 3> kExchanges = {"auto", "gather", "slices"};

constexpr double kMostFloat = 3.4028234663852886e38;

constinit const CodecParameter kDensityParameter = {.name = "density",
                                                    .meaning = "the fraction of a tensor that is sent",
                                                    .slot = &CodecSettings::density,
                                                    .low = 1e-6,
                                                    .high = 1.0};
constinit const CodecParameter kSelectParameter = {
    .name = "select",
    .meaning = "exact: the largest values; sampled: those above a magnitude that a sample suggests, which may be fewer",
    .slot = &CodecSettings::select,
    .choices = kSelections};
constinit const CodecParameter kThresholdParameter = {.name = "threshold",
                                                      .meaning = "the least magnitude that is sent",
                                                      .slot = &CodecSettings::threshold,
                                                      .low = 0.0,
                                                      .high = kMostFloat};
constinit const CodecParameter kValuesParameter = {
    .name = "values", .meaning = "what values travel as", .slot = &CodecSettings::values, .choices = kValueTypeNames};
constinit const CodecParameter kIndicesParameter = {
    .name = "indices",
    .meaning = "how the elements are named: 16 bits in blocks of 65536, or Rice codes, which are shorter and slower",
    .slot = &CodecSettings::indices,
    .choices = kIndexCodings};
constinit const CodecParameter kExchangeParameter = {
    .name = "exchange",
    .meaning = "gather: all ranks get all lists; slices: owners add up slices; auto: what is predicted to be faster",
    .slot = &CodecSettings::exchange,
    .choices = kExchanges};
constinit const CodecParameter kReselectParameter = {
    .name = "reselect",
    .meaning = "owners send the largest of their sums only, and keep the rest: exchange is by slices then",
    .slot = &CodecSettings::reselect};
constinit const CodecParameter kMomentumParameter = {.name = "momentum",
                                                     .meaning = "of the gradients that are summed up",
                                                     .slot = &CodecSettings::momentum,
                                                     .low = 0.0,
                                                     .high = 0.999999};
constinit const CodecParameter kNesterovParameter = {
    .name = "nesterov", .meaning = "Nesterov's momentum", .slot = &CodecSettings::nesterov};
constinit const CodecParameter kClipParameter = {
    .name = "clip",
    .meaning = "a rank's part of a tensor is scaled to at most this norm over the root of the ranks; 0: as it is",
    .slot = &CodecSettings::clip,
    .low = 0.0,
    .high = kMostFloat};
constinit const CodecParameter kWarmupParameter = {
    .name = "warmup",
    .meaning = "steps over which the density falls from near 1 to what is set, exponentially",
    .slot = &CodecSettings::warmup,
    .low = 0,
    .high = 1e9};

/// Bits of a value that is sent; the counts of blocks are 32 bits for 65,536 elements.
double element_bits(const CodecSettings& settings) { return (settings.values == "f32" ? 32.0 : 16.0) + 16.0; }

double bits_by_density(const CodecSettings& settings, std::size_t, int) {
  return settings.density * element_bits(settings);
}

/// How many values are sent the data decide; a list of more than two thirds of them is sent as all of them.
double most_bits(const CodecSettings& settings, std::size_t, int) { return settings.values == "f32" ? 32.0 : 16.0; }

constexpr std::array<const CodecParameter*, 8> kTopkParameters = {
    &kDensityParameter,  &kSelectParameter,   &kValuesParameter,   &kIndicesParameter,
    &kFeedbackParameter, &kExchangeParameter, &kReselectParameter, &kSeedParameter};
constexpr std::array<const CodecParameter*, 5> kThresholdParameters = {
    &kThresholdParameter, &kValuesParameter, &kIndicesParameter, &kFeedbackParameter, &kExchangeParameter};
constexpr std::array<const CodecParameter*, 11> kDgcParameters = {
    &kDensityParameter,  &kMomentumParameter, &kNesterovParameter, &kClipParameter,
    &kWarmupParameter,   &kSelectParameter,   &kValuesParameter,   &kIndicesParameter,
    &kExchangeParameter, &kReselectParameter, &kSeedParameter};

constexpr Codec kTopk = {.name = "topk",
                         .summary = "the values of largest magnitude of each tensor, and which they are",
                         .error = "|C(x) - x|^2 <= (1 - k/n) |x|^2 with k = max(1, ceil(density n)) of n values",
                         .source = "Aji and Heafield, arXiv:1704.05021; Stich et al., arXiv:1809.07599",
                         .feedback = Feedback::needed,
                         .whole_tensors = true,
                         .parameters = kTopkParameters,
                         .bits = bits_by_density,
                         .make = make_sparse_reduction};
constexpr Codec kThreshold = {
    .name = "threshold",
    .summary = "the values of at least a magnitude, and which they are",
    .error = "|C(x) - x|^2 <= n threshold^2, and no contraction: delta is 0 where all are less",
    .source = "Dutta et al., arXiv:1911.08250",
    .feedback = Feedback::needed,
    .parameters = kThresholdParameters,
    .bits = most_bits,
    .make = make_sparse_reduction};
constexpr Codec kDgc = {
    .name = "dgc",
    .summary = "topk of gradients summed up with momentum: the optimizer must have none of its own",
    .error = "as topk, of the residual v: u = momentum u + g, v = v + u; u and v become 0 where v is sent",
    .source = "Lin et al., arXiv:1712.01887",
    .feedback = Feedback::needed,
    .whole_tensors = true,
    .keeps_momentum = true,
    .parameters = kDgcParameters,
    .set_defaults = [](CodecSettings& settings) { settings.density = 0.001; },
    .bits = bits_by_density,
    .make = make_sparse_reduction};

}  // namespace

std::span<const Codec* const> sparse_codecs() noexcept {
  static constexpr std::array<const Codec*, 3> kRows = {&kTopk, &kThreshold, &kDgc};
  return kRows;
}

}  // namespace tutti::detail
