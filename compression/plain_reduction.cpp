// Codec "none": parts are brought together and travel as they are.
#include <cstring>

#include <tutti/compression/reduction.hpp>

namespace tutti::detail {
namespace {

class PlainReduction final : public Reduction {
 public:
  using Reduction::Reduction;

  int stages() const noexcept override { return 1; }

  void allocate() override {
    if (memory_ == nullptr) memory_ = comm().allocate_bytes(payload_bytes());
  }

  std::size_t payload_bytes() const noexcept override {
    std::size_t count = 0;
    for (const TensorPart& part : parts()) count += part.count;
    return count * sizeof(float);
  }

  std::vector<CompressionState> state() override { return {}; }

 private:
  std::unique_ptr<WaitingTask> begin_stage(const Stage& stage) override {
    auto* to = static_cast<float*>(memory_.get());
    for (const TensorPart& part : parts()) {
      if (part.count > 0) std::memcpy(to, data_of(part).data(), part.count * sizeof(float));
      to += part.count;
    }
    return start_allreduce(stage, sums(), ReduceOp::sum);
  }

  void end_stage(const Stage& /*stage*/) override {
    finish_reduction(op(), sums(), comm().size());
    const auto* from = static_cast<const float*>(memory_.get());
    for (const TensorPart& part : parts()) {
      if (part.count > 0) std::memcpy(data_of(part).data(), from, part.count * sizeof(float));
      from += part.count;
    }
  }

  Buffer sums() const noexcept { return {memory_.get(), payload_bytes() / sizeof(float), DType::f32}; }

  std::shared_ptr<void> memory_;
};

}  // namespace

std::shared_ptr<Reduction> make_plain_reduction(ReductionParts&& parts) {
  return std::make_shared<PlainReduction>(std::move(parts));
}

}  // namespace tutti::detail
