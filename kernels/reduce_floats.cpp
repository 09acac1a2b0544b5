// The reducer of f64 and f32; see reducer.hpp.
#include <tutti/kernels/reducer.hpp>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tutti/kernels/reduce_floats.cpp"
#include <hwy/foreach_target.h>
// Highway's own headers, and ours that are compiled per instruction set, come after foreach_target.h.
#include <hwy/highway.h>

#include <tutti/kernels/reduce_loops-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace tutti::HWY_NAMESPACE {
namespace {

using Own = Loops<double, float>;

void reduce_floats(ReduceOp op, const ConstBuffer& left, const ConstBuffer& right, const Buffer& out) {
  Own::reduce_local(op, left, right, out);
}

void reduce_floats_to_all(ReduceOp op, const ConstBuffer& left, const ConstBuffer& right,
                          std::span<std::byte* const> targets, std::size_t first, bool streams) {
  Own::reduce_to_all(op, left, right, targets, first, streams);
}

void finish_floats(const Buffer& data, int contributions) { Own::divide(data, contributions); }

}  // namespace
}  // namespace tutti::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tutti {
namespace {

HWY_EXPORT(reduce_floats);
HWY_EXPORT(reduce_floats_to_all);
HWY_EXPORT(finish_floats);

void run_combine(ReduceOp op, const ConstBuffer& left, const ConstBuffer& right, const Buffer& out) {
  HWY_DYNAMIC_DISPATCH(reduce_floats)(op, left, right, out);
}

void run_combine_to_all(ReduceOp op, const ConstBuffer& left, const ConstBuffer& right,
                        std::span<std::byte* const> targets, std::size_t first, bool streams) {
  HWY_DYNAMIC_DISPATCH(reduce_floats_to_all)(op, left, right, targets, first, streams);
}

void run_divide(const Buffer& data, int contributions) { HWY_DYNAMIC_DISPATCH(finish_floats)(data, contributions); }

}  // namespace

const detail::Reducer detail::kFloatReducer = {&run_combine, &run_combine_to_all, &run_divide};

}  // namespace tutti
#endif
