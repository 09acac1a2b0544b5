// The reducer of integers; see reducer.hpp.
#include <tutti/kernels/reducer.hpp>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tutti/kernels/reduce_integers.cpp"
#include <hwy/foreach_target.h>
// Highway's own headers, and ours that are compiled per instruction set, come after foreach_target.h.
#include <hwy/highway.h>

#include <tutti/kernels/reduce_loops-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace tutti::HWY_NAMESPACE {
namespace {

using Own = Loops<std::int64_t, std::int32_t, std::int16_t, std::int8_t, std::uint64_t, std::uint32_t, std::uint16_t,
                  std::uint8_t>;

void reduce_integers(ReduceOp op, const ConstBuffer& left, const ConstBuffer& right, const Buffer& out) {
  Own::reduce_local(op, left, right, out);
}

void reduce_integers_to_all(ReduceOp op, const ConstBuffer& left, const ConstBuffer& right,
                            std::span<std::byte* const> targets, std::size_t first, bool streams) {
  Own::reduce_to_all(op, left, right, targets, first, streams);
}

void finish_integers(const Buffer& data, int contributions) { Own::divide(data, contributions); }

}  // namespace
}  // namespace tutti::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tutti {
namespace {

HWY_EXPORT(reduce_integers);
HWY_EXPORT(reduce_integers_to_all);
HWY_EXPORT(finish_integers);

void run_combine(ReduceOp op, const ConstBuffer& left, const ConstBuffer& right, const Buffer& out) {
  HWY_DYNAMIC_DISPATCH(reduce_integers)(op, left, right, out);
}

void run_combine_to_all(ReduceOp op, const ConstBuffer& left, const ConstBuffer& right,
                        std::span<std::byte* const> targets, std::size_t first, bool streams) {
  HWY_DYNAMIC_DISPATCH(reduce_integers_to_all)(op, left, right, targets, first, streams);
}

void run_divide(const Buffer& data, int contributions) { HWY_DYNAMIC_DISPATCH(finish_integers)(data, contributions); }

}  // namespace

const detail::Reducer detail::kIntegerReducer = {&run_combine, &run_combine_to_all, &run_divide};

}  // namespace tutti
#endif
