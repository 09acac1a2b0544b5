// The reducer of bf16 and f16; see reducer.hpp.
#include <tutti/kernels/reducer.hpp>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tutti/kernels/reduce_halves.cpp"
#include <hwy/foreach_target.h>
// Highway's own headers, and ours that are compiled per instruction set, come after foreach_target.h.
#include <hwy/highway.h>

#include <tutti/kernels/reduce_loops-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace tutti::HWY_NAMESPACE {
namespace {

using Own = Loops<bfloat16, float16>;

void reduce_halves(ReduceOp op, const ConstBuffer& left, const ConstBuffer& right, const Buffer& out) {
  Own::reduce_local(op, left, right, out);
}

void reduce_halves_to_all(ReduceOp op, const ConstBuffer& left, const ConstBuffer& right,
                          std::span<std::byte* const> targets, std::size_t first, bool streams) {
  Own::reduce_to_all(op, left, right, targets, first, streams);
}

void finish_halves(const Buffer& data, int contributions) { Own::divide(data, contributions); }

}  // namespace
}  // namespace tutti::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tutti {
namespace {

HWY_EXPORT(reduce_halves);
HWY_EXPORT(reduce_halves_to_all);
HWY_EXPORT(finish_halves);

void run_combine(ReduceOp op, const ConstBuffer& left, const ConstBuffer& right, const Buffer& out) {
  HWY_DYNAMIC_DISPATCH(reduce_halves)(op, left, right, out);
}

void run_combine_to_all(ReduceOp op, const ConstBuffer& left, const ConstBuffer& right,
                        std::span<std::byte* const> targets, std::size_t first, bool streams) {
  HWY_DYNAMIC_DISPATCH(reduce_halves_to_all)(op, left, right, targets, first, streams);
}

void run_divide(const Buffer& data, int contributions) { HWY_DYNAMIC_DISPATCH(finish_halves)(data, contributions); }

}  // namespace

const detail::Reducer detail::kHalfReducer = {&run_combine, &run_combine_to_all, &run_divide};

}  // namespace tutti
#endif
