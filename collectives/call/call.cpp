// Checking and describing calls; see call.hpp.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <utility>

#include <tutti/collectives/call/call.hpp>
#include <tutti/kernels/copy.hpp>
#include <tutti/kernels/crc32c.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::detail {
namespace {

bool overlap(ConstBuffer a, ConstBuffer b) noexcept {
  const std::less<const std::byte*> before;
  const auto* a_first = static_cast<const std::byte*>(a.data);
  const auto* b_first = static_cast<const std::byte*>(b.data);
  return a.size_bytes() > 0 && b.size_bytes() > 0 && before(a_first, b_first + b.size_bytes()) &&
         before(b_first, a_first + a.size_bytes());
}

/// Whether no memory has so many elements.
bool exceeds_memory(std::size_t count, DType dtype) noexcept {
  std::size_t bytes = 0;
  return __builtin_mul_overflow(count, size_of(dtype), &bytes) || bytes > PTRDIFF_MAX;
}

/// Where `input` has to lie to be in place, or nullptr if the collective has no such form.
const void* in_place_input(const Call& call, int rank) noexcept {
  if (call.output.data == nullptr) return nullptr;
  const auto* output = static_cast<const std::byte*>(call.output.data);
  const auto index = static_cast<std::size_t>(rank);
  switch (call.collective) {
    case Collective::allreduce:
    case Collective::reduce:
      return output;
    case Collective::all_gather:
    case Collective::gather:
      return output + (call.is_uneven() ? call.offsets[index] * size_of(call.dtype) : index * call.input.size_bytes());
    case Collective::reduce_scatter:
    case Collective::scatter:
      return output - (call.is_uneven() ? call.offsets[index] * size_of(call.dtype) : index * call.output.size_bytes());
    case Collective::broadcast:
    case Collective::all_to_all:
    case Collective::barrier:
      break;
  }
  return nullptr;
}

/// The rule of in_place_input(), in words.
std::string in_place_rule(const Call& call) {
  const bool gathers = call.collective == Collective::all_gather || call.collective == Collective::gather;
  const bool spreads = call.collective == Collective::reduce_scatter || call.collective == Collective::scatter;
  const std::string_view first = call.is_uneven() ? "the counts of lower ranks" : "rank * count";
  if (gathers) return text("for in-place use pass input = output + ", first);
  if (spreads) return text("for in-place use pass output = input + ", first);
  if (in_place_input(call, 0) != nullptr) return "for in-place use pass input = output";
  return text(name(call.collective), " has no in-place form");
}

/// What does not fit the sizes of the blocks.
std::string find_count_problem(const Call& call, int rank, int size) {
  const auto ends = static_cast<std::size_t>(size) + 1;
  const bool by_pair = call.is_counted_by_pair();
  if (call.offsets.size() != ends || (by_pair && call.input_offsets.size() != ends)) {
    const std::size_t given = call.offsets.size() != ends ? call.offsets.size() : call.input_offsets.size();
    return text("there are ", given - 1, " counts for ", size, " ranks");
  }
  // On every rank, though only some hold all data: ranks that pass data on have memory for it.
  const std::size_t most = by_pair ? std::max(call.offsets.back(), call.input_offsets.back()) : call.offsets.back();
  if (most > PTRDIFF_MAX / size_of(call.dtype)) return "the counts add up to more than memory holds";
  const auto expect = [&](const char* name, std::size_t has, std::size_t wanted, const char* whose) -> std::string {
    if (has == wanted) return {};
    return text(name, " has ", has, " elements, and the counts ", whose, " ", wanted);
  };
  const bool splits = has_own_output(call.collective);
  const ConstBuffer whole = splits ? call.input : ConstBuffer(call.output);
  const ConstBuffer own = splits ? ConstBuffer(call.output) : call.input;
  const char* const whole_name = splits ? "input" : "output";
  if (!is_rooted(call.collective) || rank == call.root) {
    auto problem = expect(whole_name, whole.count, call.offsets.back(), "add up to");
    if (!problem.empty()) return problem;
  }
  if (!by_pair) return expect(splits ? "output" : "input", own.count, call.count_of(rank), "give this rank");
  if (auto problem = expect("input", own.count, call.input_offsets.back(), "add up to"); !problem.empty())
    return problem;
  if (call.input_count_of(rank) != call.count_of(rank)) {
    return text("the counts send ", call.input_count_of(rank), " elements from rank ", rank, " to itself and take ",
                call.count_of(rank));
  }
  return {};
}

std::string find_size_problem(const Call& call, int rank, int size) {
  if (call.is_uneven()) return find_count_problem(call, rank, size);
  const auto ranks = static_cast<std::size_t>(size);
  const std::size_t in = call.input.count;
  const std::size_t out = call.output.count;
  // A block for every rank, on all ranks: those that pass data on have memory for it.
  const bool gathers = call.collective == Collective::gather || call.collective == Collective::all_gather;
  const bool spreads = call.collective == Collective::scatter || call.collective == Collective::reduce_scatter;
  const std::size_t block = gathers ? in : spreads ? out : 0;
  if (std::size_t all = 0; __builtin_mul_overflow(block, ranks, &all) || exceeds_memory(all, call.dtype))
    return text(size, " times ", block, " elements of ", name(call.dtype), " are more than memory holds");
  switch (call.collective) {
    case Collective::gather:
    case Collective::all_gather:
      if (call.collective == Collective::gather && rank != call.root) break;
      if (out != ranks * in) return text("output has ", out, " elements, not ", size, " times the ", in, " of input");
      break;
    case Collective::scatter:
    case Collective::reduce_scatter:
      if (call.collective == Collective::scatter && rank != call.root) break;
      if (in != ranks * out) return text("input has ", in, " elements, not ", size, " times the ", out, " of output");
      break;
    case Collective::all_to_all:
      if (in != out) return text("input has ", in, " elements, output ", out);
      if (in % ranks != 0) return text("input has ", in, " elements, which ", size, " ranks do not divide");
      break;
    case Collective::reduce:
      if (rank != call.root) break;
      [[fallthrough]];
    case Collective::allreduce:
      if (in != out) return text("input has ", in, " elements, output ", out);
      break;
    default:
      break;
  }
  return {};
}

std::string find_typed_problem(const char* name, ConstBuffer buffer, const Call& call) {
  if (size_of(buffer.dtype) != 0 && buffer.dtype != call.dtype) {
    return text(name, " is ", tutti::name(buffer.dtype), ", not ", tutti::name(call.dtype));
  }
  return find_buffer_problem(name, buffer);
}

std::string find_function_problem(const Call& call) {
  if (!call.function || !call.function->function) return "the user-defined operator is null";
  const std::size_t element = call.function->element_bytes;
  if (element == 0) return text("elements of the reduction function '", call.function->name, "' have 0 bytes");
  // The output of a reduce is as long as its input, or not looked at.
  const bool only_input = call.collective == Collective::reduce;
  for (const ConstBuffer buffer : {call.input, only_input ? call.input : ConstBuffer(call.output)}) {
    if (buffer.size_bytes() % element == 0) continue;
    return text(buffer.size_bytes(), " bytes are no multiple of the ", element,
                " that an element of the reduction function '", call.function->name, "' has");
  }
  return {};
}

/// What does not fit into a count stays at the largest, which no memory holds.
std::vector<std::size_t> offsets_of(std::span<const std::size_t> counts) {
  std::vector<std::size_t> offsets(counts.size() + 1);
  for (std::size_t i = 0; i < counts.size(); ++i) {
    offsets[i + 1] = counts[i] < SIZE_MAX - offsets[i] ? offsets[i] + counts[i] : SIZE_MAX;
  }
  return offsets;
}

}  // namespace

void set_function(Call& call, std::shared_ptr<const UserOperator> function) {
  call.op = kUserOperator;
  call.function = std::move(function);
  if (!call.function) return;  // which find_problem() says
  const UserOperator& f = *call.function;
  call.data_count /= std::max<std::size_t>(1, f.element_bytes);
  const std::string words = text(f.name, ", ", f.element_bytes, f.commutative ? ", commutative" : "");
  call.variant = crc32c(std::as_bytes(std::span(words)));
}

void reduce_all(const UserOperator& function, std::span<const ConstBuffer> inputs, Buffer out) {
  const auto data = [&](std::size_t i) { return static_cast<const std::byte*>(inputs[i].data); };
  auto* const to = static_cast<std::byte*>(out.data);
  const std::size_t element = function.element_bytes;
  const std::size_t count = out.size_bytes() / element;
  if (inputs.size() == 1 && data(0) != to) copy_bytes(to, data(0), out.size_bytes());
  if (inputs.size() == 2) function.function(data(0), data(1), to, count);
  if (inputs.size() < 3) return;
  // Partial results go through a tile, so that `out`, which may be any of the inputs, is written last.
  alignas(64) std::array<std::byte, std::size_t{16} << 10> small;
  std::vector<std::byte> large(element > small.size() ? element : 0);
  std::byte* const tile = large.empty() ? small.data() : large.data();
  const std::size_t most = std::max<std::size_t>(1, small.size() / element);
  for (std::size_t first = 0; first < count; first += most) {
    const std::size_t n = std::min(most, count - first);
    const std::size_t at = first * element;
    function.function(data(0) + at, data(1) + at, tile, n);
    for (std::size_t i = 2; i + 1 < inputs.size(); ++i) function.function(tile, data(i) + at, tile, n);
    function.function(tile, data(inputs.size() - 1) + at, to + at, n);
  }
}

void set_counts(Call& call, std::span<const std::size_t> counts) {
  call.offsets = offsets_of(counts);
  call.data_count = call.offsets.back();
  call.variant = crc32c(std::as_bytes(counts));
}

void set_counts(Call& call, std::span<const std::size_t> input_counts, std::span<const std::size_t> output_counts) {
  call.offsets = offsets_of(output_counts);
  call.input_offsets = offsets_of(input_counts);
  call.data_count = 0;
  call.variant = kCountedByPair;
}

std::string find_buffer_problem(const char* name, ConstBuffer buffer) {
  if (size_of(buffer.dtype) == 0) return text("there is no dtype ", static_cast<int>(buffer.dtype));
  if (exceeds_memory(buffer.count, buffer.dtype))
    return text(name, " has ", buffer.count, " elements of ", tutti::name(buffer.dtype), ", more than memory holds");
  if (buffer.data == nullptr && buffer.count > 0)
    return text(name, " is null and should hold ", buffer.count, " elements");
  if (buffer.space != MemorySpace::host) return text(name, " is device memory, for which no transport is built");
  return {};
}

std::string describe(const Signature& s) {
  const std::string_view op = name(s.op);
  std::string what;
  if (reduces(s.collective)) what = text(s.op == kUserOperator ? "a function of the program on" : op, " ");
  what += s.op == kUserOperator ? "elements" : name(s.dtype);
  what += s.variant == kCountedByPair && s.count == 0 ? std::string(", counts by pair") : text(" x ", s.count);
  if (is_rooted(s.collective)) what += text(" root ", s.root);
  return what;
}

std::uint64_t kind_digest_of(const Signature& call) noexcept {
  // Read as they are stored: wider loads would wait for the stores.
  const std::uint64_t how = std::uint64_t{call.plan} << 32 | call.variant;
  const std::uint64_t what = static_cast<std::uint64_t>(static_cast<std::uint32_t>(call.root)) << 32 |
                             static_cast<std::uint64_t>(call.collective) << 24 |
                             static_cast<std::uint64_t>(call.dtype) << 16 | static_cast<std::uint64_t>(call.op) << 8 |
                             call.algorithm;
  return mixed(mixed(mixed(0, call.count), how), what);
}

std::string find_difference(int rank, const Header& own, int peer, const Header& theirs) {
  if (own.call == theirs.call) return {};
  const auto both = [&](const Signature& a, const char* verb, const Signature& b) {
    const bool alike = a.collective == b.collective && describe(a) == describe(b);
    const auto number = [&](const Signature& s) { return a.sequence == b.sequence ? "" : text(" #", s.sequence); };
    return text("calls differ: rank ", rank, verb, name(a.collective), number(a), " ", describe(a), ", rank ", peer,
                verb, name(b.collective), number(b), " ", describe(b),
                alike ? " (counts of ranks, algorithm, segments or other options differ)" : "");
  };
  if (own.call.variant == kCountedByPair && theirs.call.variant == kCountedByPair) {
    Signature same = theirs.call;
    same.count = own.call.count;
    if (same == own.call) {
      return text("calls differ: rank ", rank, " awaits ", own.call.count, " elements of ", name(own.call.dtype),
                  " from rank ", peer, ", which sends ", theirs.call.count);
    }
  }
  Signature call = own.call;
  call.history = theirs.call.history;
  if (call != theirs.call) return both(own.call, " calls ", theirs.call);
  if (own.before != theirs.before) return both(own.before, " before called ", theirs.before);
  return text("calls differ: an earlier one was not the same on rank ", rank, " and rank ", peer);
}

bool overlaps(const Call& call, int rank, bool may_be_in_place) noexcept {
  return overlap(call.input, call.output) && !(may_be_in_place && call.input.data == in_place_input(call, rank));
}

std::string find_radix_problem(const Call& call, int size) {
  const int radix = call.options.radix;
  if (radix == 0 || (radix >= 2 && radix <= std::max(2, size))) return {};
  return text("radix ", radix, " is out of range: with ", size, size == 1 ? " rank" : " ranks", " it must be ",
              size <= 2 ? text("2") : text("2 to ", size));
}

std::string find_problem(const Call& call, int rank, int size) {
  if (std::string problem = find_radix_problem(call, size); !problem.empty()) return problem;
  if (call.collective == Collective::barrier) return {};
  if (call.op == kUserOperator) {
    if (auto problem = find_function_problem(call); !problem.empty()) return problem;
  } else if (call.reduces() && call.op > ReduceOp::logical_or) {
    return text("there is no operator ", static_cast<int>(call.op));
  }
  if (call.root < 0 || call.root >= size)
    return text("root ", call.root,
                " is out of range: ", size == 1 ? "the only rank is 0" : text("ranks are 0 to ", size - 1));
  const bool only_root_has_input = call.collective == Collective::scatter;
  const bool only_root_has_output = call.collective == Collective::reduce || call.collective == Collective::gather;
  const bool uses_input = call.collective != Collective::broadcast && (!only_root_has_input || rank == call.root);
  const bool uses_output = !only_root_has_output || rank == call.root;
  if (uses_input) {
    if (auto problem = find_typed_problem("input", call.input, call); !problem.empty()) return problem;
  }
  if (uses_output) {
    if (auto problem =
            find_typed_problem(call.collective == Collective::broadcast ? "data" : "output", call.output, call);
        !problem.empty())
      return problem;
  }
  if (auto problem = find_size_problem(call, rank, size); !problem.empty()) return problem;
  if (call.reduces() && !call.function && !is_supported(call.op, call.dtype)) {
    return text("operator ", name(call.op), " is not defined for ", name(call.dtype));
  }
  if (uses_input && uses_output && overlaps(call, rank)) {
    return text("input and output overlap; ", in_place_rule(call));
  }
  return {};
}

}  // namespace tutti::detail
