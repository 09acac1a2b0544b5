// Names of reduction operators.
#include <tutti/kernels/reduce.hpp>

#include <tutti/kernels/error.hpp>

namespace tutti {

std::string_view name(ReduceOp op) noexcept {
  switch (op) {
    case ReduceOp::sum:
      return "sum";
    case ReduceOp::avg:
      return "avg";
    case ReduceOp::prod:
      return "prod";
    case ReduceOp::min:
      return "min";
    case ReduceOp::max:
      return "max";
    case ReduceOp::bit_and:
      return "bit_and";
    case ReduceOp::bit_or:
      return "bit_or";
    case ReduceOp::bit_xor:
      return "bit_xor";
    case ReduceOp::logical_and:
      return "logical_and";
    case ReduceOp::logical_or:
      return "logical_or";
  }
  return "unknown";
}

ReduceOp reduce_op_from_name(std::string_view text_name) {
  std::string known;
  for (const ReduceOp op : kAllReduceOps) {
    if (name(op) == text_name) return op;
    known += known.empty() ? "" : ", ";
    known += name(op);
  }
  throw InvalidArgument(text("unknown reduction operator \"", text_name, "\"; known are ", known));
}

}  // namespace tutti
