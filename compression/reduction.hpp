// What the kinds of compressed allreduce have in common: each is the stages of an operation that is started many times.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <tutti/collectives/call/call.hpp>
#include <tutti/collectives/engine/staged_task.hpp>
#include <tutti/collectives/selection/selection.hpp>
#include <tutti/compression/compressed_allreduce.hpp>

namespace tutti::detail {

class RehearsedRanks;

/// What a kind is made from. `comm` and `rehearsed` outlive it.
struct ReductionParts {
  const Communicator& comm;
  std::vector<TensorPart> parts;
  CodecSettings settings;
  ReduceOp op;
  RehearsedRanks* rehearsed = nullptr;  ///< in place of the ranks of `comm` (rehearsal.hpp)
};

class Reduction : public Stages {
 public:
  explicit Reduction(ReductionParts&& parts) : made_from_(std::move(parts)), facts_(made_from_.parts.size()) {}

  virtual int stages() const noexcept = 0;

  /// Takes all memory that calls need, once. \throws OutOfMemory
  virtual void allocate() = 0;

  virtual std::size_t payload_bytes() const noexcept = 0;
  virtual std::vector<CompressionState> state() = 0;

  std::unique_ptr<WaitingTask> begin(const Stage& stage) final;
  void end(const Stage& stage) final;

  /// Before a call: the data of all parts. Afterwards it is under way until its last stage has ended.
  void prepare(std::span<float> data, std::uint64_t step) noexcept;
  bool is_under_way() const noexcept { return under_way_; }

  const Communicator& comm() const noexcept { return made_from_.comm; }
  std::span<const TensorPart> parts() const noexcept { return made_from_.parts; }
  const CodecSettings& settings() const noexcept { return made_from_.settings; }
  ReduceOp op() const noexcept { return made_from_.op; }
  std::span<const CompressionFacts> facts() const noexcept { return facts_; }

 protected:
  virtual std::unique_ptr<WaitingTask> begin_stage(const Stage& stage) = 0;
  virtual void end_stage(const Stage& stage) = 0;

  std::uint64_t step() const noexcept { return step_; }
  std::span<float> data() const noexcept { return data_; }
  std::span<float> data_of(const TensorPart& part) const noexcept { return data_.subspan(part.offset, part.count); }
  void add_facts(std::size_t part, const CompressionFacts& more) noexcept;
  std::span<CompressionFacts> own_facts() noexcept { return facts_; }

  /// Ranks that share the work of a call, and which of them this one is.
  std::size_t ranks() const noexcept;
  std::size_t rank() const noexcept;
  bool is_rehearsed() const noexcept { return made_from_.rehearsed != nullptr; }

  /// What collectives among them are predicted to take.
  Selector& selector() const;

  /// Starts a collective among them, of bytes or of elements. What it reads and writes stays.
  std::unique_ptr<WaitingTask> start_all_to_all(const Stage& stage, std::span<const std::byte> in,
                                                std::span<std::byte> out) const;
  std::unique_ptr<WaitingTask> start_all_gather(const Stage& stage, std::span<const std::byte> in,
                                                std::span<std::byte> out) const;
  /// The same of bytes that differ: so many from each rank, known to all, or to and from each.
  std::unique_ptr<WaitingTask> start_all_gather(const Stage& stage, std::span<const std::byte> in,
                                                std::span<std::byte> out, std::span<const std::size_t> bytes) const;
  std::unique_ptr<WaitingTask> start_all_to_all(const Stage& stage, std::span<const std::byte> in,
                                                std::span<const std::size_t> in_bytes, std::span<std::byte> out,
                                                std::span<const std::size_t> out_bytes) const;
  std::unique_ptr<WaitingTask> start_allreduce(const Stage& stage, Buffer data, ReduceOp op) const;

  /// Any collective among them: all are started here.
  std::unique_ptr<WaitingTask> start_collective(const Stage& stage, Call&& call) const;

 private:
  ReductionParts made_from_;
  std::span<float> data_;
  std::uint64_t step_ = 0;
  bool under_way_ = false;
  std::vector<CompressionFacts> facts_;  // by part
};

/// That of the settings' codec. \throws InvalidArgument: settings, operator or parts that cannot be
std::shared_ptr<Reduction> make_reduction(ReductionParts&& parts);

/// A call on `comm` cannot be: tells the other ranks, and throws InvalidArgument.
[[noreturn]] void refuse_reduction(const Communicator& comm, std::string_view problem);

/// Starts a call of it; what it throws reaches all ranks. \throws InvalidArgument, CommunicationError
Request start_reduction(const std::shared_ptr<Reduction>& reduction, std::span<float> data, std::uint64_t step);

// Each in the folder of its kind.
std::shared_ptr<Reduction> make_plain_reduction(ReductionParts&& parts);
std::shared_ptr<Reduction> make_block_reduction(ReductionParts&& parts);
std::shared_ptr<Reduction> make_sparse_reduction(ReductionParts&& parts);

}  // namespace tutti::detail
