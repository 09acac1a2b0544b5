// Codecs: what gradients can travel as, and the settings of one. One table feeds configurations, tools, tests and
// documentation.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#pragma GCC visibility push(default)
namespace tutti {

namespace detail {
class Reduction;
struct ReductionParts;
}  // namespace detail

/// One codec with its parameters. Which ones a codec has, and what they are by default, its row says; others are
/// ignored.
struct CodecSettings {
  std::string codec = "none";        ///< of the table
  bool feedback = false;             ///< what a rank has not sent is kept and added to its next contribution
  std::string rounding = "nearest";  ///< "nearest" (ties to even) or "stochastic" (unbiased)
  std::uint64_t seed = 0;            ///< of all draws
  std::int64_t block = 1024;         ///< values that have a scale in common: a power of two
  std::int64_t levels = 127;         ///< of "qsgd"
  std::string format = "e4m3";       ///< of "fp8": or "e5m2"
  std::string sums = "auto";         ///< of integers: as "narrow" as they are, "wide", or whichever serves
  std::string scale = "largest";     ///< of integers: the largest value is the largest integer, or "power_of_two"
  double density = 0.01;             ///< the fraction of a tensor that is sent, in (0, 1]
  std::int64_t rank = 4;             ///< of the product that stands for a matrix
  double min_rate = 2.0;             ///< matrices that shrink less travel as they are
  double threshold = 1e-3;           ///< least magnitude that is sent
  std::string select = "exact";      ///< the largest values: "exact", or about, "sampled"
  std::string values = "f32";        ///< what selected values travel as: "f32", "f16", "bf16"
  std::string indices = "blocks";    ///< how selected elements are named: "blocks", "rice"
  std::string exchange = "auto";     ///< of lists: "gather", "slices", or by prediction
  bool reselect = false;             ///< owners of slices send the largest sums only, and keep the rest
  double momentum = 0.9;             ///< of gradients, before they are selected
  bool nesterov = false;             ///< that momentum is Nesterov's
  double clip = 0.0;        ///< of "terngrad": standard deviations; of "dgc": norm of all ranks' gradients; 0: none
  std::int64_t warmup = 0;  ///< steps until the density is what is set
  friend bool operator==(const CodecSettings&, const CodecSettings&) = default;
};

/// A parameter of a codec, beside `codec` itself.
struct CodecParameter {
  using Slot = std::variant<bool CodecSettings::*, std::int64_t CodecSettings::*, std::uint64_t CodecSettings::*,
                            double CodecSettings::*, std::string CodecSettings::*>;
  std::string_view name;
  std::string_view meaning;
  Slot slot;
  double low = 0.0;  ///< of numbers
  double high = 0.0;
  bool is_power_of_two = false;
  std::span<const std::string_view> choices = {};  ///< of words
};

/// Whether what was not sent may be added later (Karimireddy et al., arXiv:1901.09847): only a codec that is a
/// contraction, |C(x) - x|^2 <= (1 - delta) |x|^2 with delta > 0, settles then.
enum class Feedback : std::uint8_t {
  refused,  ///< no contraction: what is kept would grow without end
  offered,
  advised,  ///< on by default
  needed    ///< without it training does not converge in general: on by default
};

/// A row of the table.
struct Codec {
  std::string_view name;
  std::string_view summary;  ///< what travels
  std::string_view error;    ///< the contraction or variance, in formulas
  std::string_view source;   ///< paper or standard
  bool is_unbiased = false;  ///< the mean over draws is the value
  Feedback feedback = Feedback::offered;
  bool is_elementwise =
      false;  ///< the error is relative to each value, not to a tensor or block: harmless to small ones
  bool whole_tensors = false;   ///< cannot encode a part of a tensor as it encodes the whole
  bool keeps_momentum = false;  ///< sends gradients summed up with momentum: an optimizer must have none of its own
  bool sums_codes = false;      ///< encoded contributions are added as they are
  std::span<const CodecParameter* const> parameters = {};
  void (*set_defaults)(CodecSettings& settings) = nullptr;  ///< of its parameters; may be null
  double (*bits)(const CodecSettings& settings, std::size_t count, int ranks) = nullptr;  ///< a value of a contribution
  std::shared_ptr<detail::Reduction> (*make)(detail::ReductionParts&& parts) =
      nullptr;  ///< how contributions are added
};

/// All codecs, "none" first.
std::span<const Codec* const> codecs() noexcept;

/// \throws InvalidArgument naming the known ones.
const Codec& codec_named(std::string_view name);

/// Settings from text: NAME or NAME:PARAMETER=VALUE,PARAMETER=VALUE. \throws InvalidArgument naming the text, what is
/// wrong with it and what is known: a codec, a parameter that it does not have, a value out of range, one given twice.
CodecSettings codec_settings(std::string_view whole);

/// \throws InvalidArgument: an unknown codec, a parameter of it that is out of range, or feedback that it cannot have.
void require_valid(const CodecSettings& settings);

/// The shortest text that gives these settings.
std::string to_text(const CodecSettings& settings);

/// The value of one parameter as such a text has it.
std::string to_text(const CodecSettings& settings, const CodecParameter& parameter);

}  // namespace tutti
#pragma GCC visibility pop
