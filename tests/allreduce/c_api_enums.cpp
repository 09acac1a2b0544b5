// The numbers of the C interface are those of the C++ one; checked by the compiler.
#include <iterator>

#include <tutti/tutti.h>
#include <tutti/collectives/communicator.hpp>
#include <tutti/kernels/dtype.hpp>
#include <tutti/kernels/reduce.hpp>

namespace {

using tutti::DType;
using tutti::ReduceOp;
using tutti::Reproducibility;

template <class C, class Cpp>
constexpr bool equal(C c, Cpp cpp) {
  return static_cast<int>(c) == static_cast<int>(cpp);
}

static_assert(equal(TUTTI_F64, DType::f64) && equal(TUTTI_F32, DType::f32) && equal(TUTTI_BF16, DType::bf16) &&
              equal(TUTTI_F16, DType::f16) && equal(TUTTI_I64, DType::i64) && equal(TUTTI_I32, DType::i32) &&
              equal(TUTTI_I16, DType::i16) && equal(TUTTI_I8, DType::i8) && equal(TUTTI_U64, DType::u64) &&
              equal(TUTTI_U32, DType::u32) && equal(TUTTI_U16, DType::u16) && equal(TUTTI_U8, DType::u8));
static_assert(std::size(tutti::kAllDTypes) == TUTTI_U8 + 1, "a new dtype needs its number in tutti.h");

static_assert(equal(TUTTI_SUM, ReduceOp::sum) && equal(TUTTI_AVG, ReduceOp::avg) && equal(TUTTI_PROD, ReduceOp::prod) &&
              equal(TUTTI_MIN, ReduceOp::min) && equal(TUTTI_MAX, ReduceOp::max) &&
              equal(TUTTI_BIT_AND, ReduceOp::bit_and) && equal(TUTTI_BIT_OR, ReduceOp::bit_or) &&
              equal(TUTTI_BIT_XOR, ReduceOp::bit_xor) && equal(TUTTI_LOGICAL_AND, ReduceOp::logical_and) &&
              equal(TUTTI_LOGICAL_OR, ReduceOp::logical_or));
static_assert(std::size(tutti::kAllReduceOps) == TUTTI_LOGICAL_OR + 1, "a new operator needs its number in tutti.h");

static_assert(equal(TUTTI_REPRODUCIBILITY_RUN, Reproducibility::run) &&
              equal(TUTTI_REPRODUCIBILITY_LAYOUT, Reproducibility::layout));

}  // namespace
