// One call of a collective: what every rank has to agree on, and what only this rank knows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <tutti/collectives/options.hpp>
#include <tutti/collectives/schedule/schedule.hpp>
#include <tutti/collectives/selection/rules.hpp>
#include <tutti/collectives/user_operator.hpp>
#include <tutti/kernels/reduce.hpp>

namespace tutti::detail {

/// The arguments of a call. `data_count` is the number of elements of all blocks together.
struct Call {
  Collective collective;
  ConstBuffer input = {};  ///< without data for broadcast
  Buffer output = {};      ///< without data for reduce on ranks other than the root
  std::size_t data_count = 0;
  DType dtype = DType::u8;
  ReduceOp op = ReduceOp::sum;
  int root = 0;
  std::optional<ReduceOp> stated_op = std::nullopt;        ///< what signatures say, where a stage reduces by another
  std::shared_ptr<const UserOperator> function = nullptr;  ///< reduces instead of `op`
  CollectiveOptions options = {};
  std::uint32_t variant = 0;  ///< anything else that has to agree, as a digest

  // Blocks of any size: their first elements and the end of the last; empty where all have the same size. Of an
  // all_to_all both, for what a rank sends and what it receives; then no count is the same on all ranks.
  std::vector<std::size_t> offsets = {};
  std::vector<std::size_t> input_offsets = {};

  /// The rule that the options are from, where the program names no algorithm (rules.hpp); the communicator's.
  const AlgorithmRule* rule = nullptr;

  bool reduces() const noexcept { return tutti::reduces(collective); }
  std::size_t element_bytes() const noexcept { return function ? function->element_bytes : size_of(dtype); }
  std::size_t data_bytes() const noexcept { return data_count * element_bytes(); }

  bool is_uneven() const noexcept { return !offsets.empty(); }
  bool is_counted_by_pair() const noexcept { return is_uneven() && collective == Collective::all_to_all; }

  /// Elements of block `rank`, as sent or as received.
  std::size_t count_of(int rank) const noexcept { return length(offsets, rank); }
  std::size_t input_count_of(int rank) const noexcept {
    return length(input_offsets.empty() ? offsets : input_offsets, rank);
  }

 private:
  static std::size_t length(std::span<const std::size_t> offsets, int rank) noexcept {
    const auto at = static_cast<std::size_t>(rank);
    return offsets[at + 1] - offsets[at];
  }
};

/// A function's place in `op`.
inline constexpr ReduceOp kUserOperator = static_cast<ReduceOp>(254);

/// Sets the function of a call whose buffers are given in bytes.
void set_function(Call& call, std::shared_ptr<const UserOperator> function);

/// As reduce_all() of kernels/reduce.hpp, of elements of the function's.
void reduce_all(const UserOperator& function, std::span<const ConstBuffer> inputs, Buffer out);

/// `variant` of an all_to_all with counts, in whose first messages `count` is what the pair exchanges.
inline constexpr std::uint32_t kCountedByPair = 0x76A11E55;

/// Sets the sizes of the blocks of a call: `counts[r]` elements of rank r, the same on all ranks.
void set_counts(Call& call, std::span<const std::size_t> counts);

/// Sets those of an all_to_all: `input_counts[r]` elements go to rank r, `output_counts[r]` come from it.
void set_counts(Call& call, std::span<const std::size_t> input_counts, std::span<const std::size_t> output_counts);

/// What ranks compare; messages carry a part of it, and a digest of the whole (signature_exchange.hpp).
struct Signature {
  std::uint64_t sequence;
  std::uint64_t count;
  std::uint64_t history;  ///< digest of the calls before: those that never met show in the next that does
  std::uint32_t plan;     ///< digest of how it runs: the algorithm and its properties, radix, segments
  std::uint32_t variant;
  std::int32_t root;
  Collective collective;
  DType dtype;
  ReduceOp op;
  std::uint8_t algorithm;  ///< row of the table, which alone does not tell algorithms of different tables apart
  friend bool operator==(const Signature&, const Signature&) = default;
};
static_assert(sizeof(Signature) == 40);  // no padding, which would be compared

/// The digest with one word more: a step of multiplying and folding, good enough to tell calls apart.
constexpr std::uint64_t mixed(std::uint64_t digest, std::uint64_t word) noexcept {
  digest = (digest ^ word) * 0x9E3779B97F4A7C15U;
  return digest ^ digest >> 32;
}

/// Digest of what a call is, whatever its number and the calls before it.
std::uint64_t kind_digest_of(const Signature& call) noexcept;

/// Digest of all of it, which is the history of the call after it.
inline std::uint64_t digest_of(const Signature& call) noexcept {
  return mixed(call.history, kind_digest_of(call) + call.sequence);
}

/// What ranks tell each other about a call.
struct Header {
  Signature call;
  Signature before;  ///< the call before this one, without its number and history; for messages to people
};

/// A header that is kept in one place after another: what it has in common with what lies there is not written again.
struct KeptHeader {
  Header header = {};
  std::uint64_t kind = 0;         ///< the owner's number for calls that differ in sequence and history alone; 0: none
  std::uint64_t kind_before = 0;  ///< the same of the call before

  bool is_like(std::uint64_t other, std::uint64_t other_before) const noexcept {
    return other != 0 && other == kind && other_before != 0 && other_before == kind_before;
  }

  void become(const KeptHeader& other) noexcept {
    if (!is_like(other.kind, other.kind_before)) {
      *this = other;
      return;
    }
    header.call.sequence = other.header.call.sequence;
    header.call.history = other.header.call.history;
  }
};

/// "calls differ: ...", naming both ranks and calls, if the two headers of the same sequence number are of different
/// calls; otherwise empty.
std::string find_difference(int rank, const Header& own, int peer, const Header& theirs);

/// "sum f32 x 1048576", with the root where there is one.
std::string describe(const Signature& signature);

/// What is wrong with a buffer, whatever it is for; empty if nothing is.
std::string find_buffer_problem(const char* name, ConstBuffer buffer);

/// Whether input and output overlap, and not as in-place use prescribes, where that is allowed.
bool overlaps(const Call& call, int rank, bool may_be_in_place = true) noexcept;

/// What is wrong with the radix that is asked for; empty if nothing is.
std::string find_radix_problem(const Call& call, int size);

/// What is wrong with the call on a communicator of `size` ranks; empty if nothing is.
std::string find_problem(const Call& call, int rank, int size);

}  // namespace tutti::detail
