// Allreduce of f32 whose contributions travel encoded.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include <tutti/allreduce/allreduce.hpp>
#include <tutti/compression/codecs.hpp>

#pragma GCC visibility push(default)
namespace tutti {

namespace detail {
class Reduction;
}

/// Elements of one tensor, one after another in the data of a call. Tensors are encoded on their own, so what a call
/// gives does not depend on what else is in the data.
struct TensorPart {
  std::size_t offset = 0;  ///< of its first element in the data
  std::size_t count = 0;
  std::uint64_t tensor = 0;  ///< its number: draws depend on it
  std::size_t first = 0;     ///< of the elements within the tensor, a multiple of kPartAlignment
  std::size_t rows = 0;      ///< of a whole tensor that is a matrix, row after row; 0: it is none, or not whole
};

/// Parts of a tensor begin at multiples of this.
inline constexpr std::size_t kPartAlignment = 1024;

/// Numbers that the next call depends on: elements [first, first + values.size()) of a part.
struct CompressionState {
  enum class Kind : std::uint8_t {
    held_back,  ///< not sent yet: its sum over ranks and arrays is what results lack
    added,      ///< of this rank; may be added to that of another rank that leaves
    common      ///< the same on all ranks
  };
  std::string_view name;  ///< "residual"
  Kind kind = Kind::held_back;
  std::size_t part = 0;  ///< number of the part
  std::size_t first = 0;
  std::span<float> values = {};
  double weight = 1.0;  ///< of a value, in units of contributions: the ranks, where averages are held back
};

/// What this rank's last complete call did to its contribution of a part.
struct CompressionFacts {
  double values = 0.0;          ///< sum of squares of what was to be sent: data and residual
  double error = 0.0;           ///< sum of squares of what was not: the new residual, where there is feedback
  std::uint64_t saturated = 0;  ///< finite values beyond the range of the codec
};

/// An allreduce (sum or avg) of f32 by a codec, set up once and started many times, one call at a time.
///
/// A call adds to each contribution what earlier calls have held back (with feedback), sends it encoded, and replaces
/// the data by what all ranks decode: the same bits on all. With feedback nothing is lost: what all calls have given
/// and what all ranks hold back add up to what all ranks have contributed, but for the rounding of f32. A call on one
/// rank encodes and decodes, too.
///
/// A value that is not finite makes NaN or infinities of what it is encoded together with, on all ranks alike, and of
/// nothing else. What the rank that brought it holds back there stays as it was; what other ranks have sent there is
/// lost with the sum, but for codecs whose codes are summed (Codec::sums_codes).
class CompressedAllreduce {
 public:
  /// Local. `comm` outlives it. Parts do not overlap; elements of the data that are in none are not touched.
  /// \throws InvalidArgument: settings, operator or parts that cannot be
  CompressedAllreduce(const Communicator& comm, std::vector<TensorPart> parts, const CodecSettings& settings,
                      ReduceOp op);
  CompressedAllreduce(CompressedAllreduce&& other) noexcept;
  CompressedAllreduce& operator=(CompressedAllreduce&& other) noexcept;
  ~CompressedAllreduce();

  /// Starts a call. Collective: all ranks start it with the same parts, settings and `step`, on which draws depend.
  /// `data` belongs to it until it is complete. \throws InvalidArgument: a part lies outside `data`, or the last call
  /// is not complete; CommunicationError, also if this or another rank has no memory for it.
  [[nodiscard]] Request start(std::span<float> data, std::uint64_t step);

  const CodecSettings& settings() const noexcept;
  std::span<const TensorPart> parts() const noexcept;

  /// Bytes of this rank's contribution to a call, encoded: with codec none those of the data.
  std::size_t payload_bytes() const noexcept;

  /// What the next call depends on; zeros at first. To be read, and written before the next call: to write it later,
  /// ask again. The memory is there from now on. \throws OutOfMemory
  std::vector<CompressionState> state();

  /// By part. All zeros where there is no feedback.
  std::span<const CompressionFacts> facts() const noexcept;

 private:
  std::shared_ptr<detail::Reduction> reduction_;
};

/// One call on data of one tensor, without feedback. Collective, as allreduce(). \throws InvalidArgument: settings that
/// cannot be, or with feedback, which has to be kept somewhere; CommunicationError
void compressed_allreduce(const Communicator& comm, std::span<float> data, ReduceOp op, const CodecSettings& settings,
                          std::uint64_t step = 0);

/// The same, started.
[[nodiscard]] Request icompressed_allreduce(const Communicator& comm, std::span<float> data, ReduceOp op,
                                            const CodecSettings& settings, std::uint64_t step = 0);

}  // namespace tutti
#pragma GCC visibility pop
