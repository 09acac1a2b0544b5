// Calls against the reference; see trial.hpp.
#include <tests/support/ranks/grid.hpp>
#include <tests/support/ranks/trial.hpp>
#include <tutti/allreduce/allreduce.hpp>
#include <tutti/collectives/collectives.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::test {

std::string describe(const Case& c) {
  return text(name(c.algorithm.collective), " ", c.algorithm.name, " ", name(c.op), " ", name(c.dtype), " x ", c.count,
              ", radix ", c.radix, ", segments of ", c.segment_bytes, " B, root ", c.root,
              c.in_place ? ", in place" : ", out of place", ", misaligned by ", c.misalignment, ", inputs mapped ",
              c.mapped_inputs, ", outputs ", c.mapped_outputs, ": ");
}

bool has_two_forms(const Algorithm& a) {
  return reduces(a.collective) || has_own_input(a.collective) || has_own_output(a.collective);
}

namespace {

/// Runs one case on every rank; the answer says what is wrong, and is empty if nothing is.
class Trial {
 public:
  Trial(const Communicator& comm, const Case& c)
      : comm_(comm),
        c_(c),
        n_(c.count),
        size_(static_cast<std::size_t>(comm.size())),
        rank_(static_cast<std::size_t>(comm.rank())),
        options_{.algorithm = c.algorithm.name, .radix = c.radix, .segment_bytes = c.segment_bytes} {}

  std::string operator()() {
    switch (c_.algorithm.collective) {
      case Collective::allreduce:
        return allreduce_case();
      case Collective::broadcast:
        return broadcast_case();
      case Collective::all_gather:
        return all_gather_case();
      case Collective::reduce_scatter:
        return reduce_scatter_case();
      case Collective::reduce:
        return reduce_case();
      case Collective::all_to_all:
        return all_to_all_case();
      case Collective::gather:
        return gather_case();
      case Collective::scatter:
        return scatter_case();
      case Collective::barrier:
        break;
    }
    barrier(comm_, options_);
    return {};
  }

 private:
  Bytes of_rank(std::size_t rank, std::size_t first, std::size_t count) const {
    return contributions(c_.dtype, c_.op, static_cast<int>(rank), first, count);
  }
  Bytes of_all(std::size_t first, std::size_t count) const {
    return reductions(c_.dtype, c_.op, comm_.size(), first, count);
  }
  Guarded memory(std::size_t count, unsigned mapped) const {
    return {c_.dtype, count, c_.misalignment, (mapped >> rank_ & 1) != 0 ? &comm_ : nullptr};
  }
  Guarded input_memory(std::size_t count) const { return memory(count, c_.mapped_inputs); }
  Guarded output_memory(std::size_t count) const { return memory(count, c_.mapped_outputs); }

  std::string allreduce_case() {
    Guarded input = input_memory(n_);
    Guarded output = output_memory(n_);
    const Bytes own = of_rank(rank_, 0, n_);
    input.set(0, own);
    if (c_.in_place) {
      allreduce(comm_, input.buffer(), c_.op, options_);
      return input.compare("data", 0, of_all(0, n_)) + input.compare_guards("data");
    }
    allreduce(comm_, input.buffer(), output.buffer(), c_.op, options_);
    return output.compare("output", 0, of_all(0, n_)) + output.compare_guards("output") +
           input.compare("input", 0, own) + input.compare_guards("input");
  }

  std::string broadcast_case() {
    Guarded data = output_memory(n_);
    const auto root = static_cast<std::size_t>(c_.root);
    const Bytes expected = of_rank(root, 0, n_);
    if (rank_ == root) data.set(0, expected);
    broadcast(comm_, data.buffer(), c_.root, options_);
    return data.compare("data", 0, expected) + data.compare_guards("data");
  }

  std::string all_gather_case() {
    Guarded input = input_memory(n_);
    Guarded output = output_memory(size_ * n_);
    const Bytes own = of_rank(rank_, 0, n_);
    input.set(0, own);
    if (c_.in_place) output.set(rank_ * n_, own);
    const ConstBuffer from = c_.in_place ? output.buffer().slice(rank_ * n_, n_) : input.buffer();
    all_gather(comm_, from, output.buffer(), options_);
    std::string problem = input.compare("input", 0, own) + output.compare_guards("output");
    for (std::size_t r = 0; r < size_; ++r) problem += output.compare("output", r * n_, of_rank(r, 0, n_));
    return problem;
  }

  std::string gather_case() {
    Guarded input = input_memory(n_);
    Guarded output = output_memory(size_ * n_);
    const Bytes own = of_rank(rank_, 0, n_);
    input.set(0, own);
    const bool is_root = comm_.rank() == c_.root;
    if (c_.in_place && is_root) output.set(rank_ * n_, own);
    const ConstBuffer from = c_.in_place && is_root ? output.buffer().slice(rank_ * n_, n_) : input.buffer();
    const Buffer to = is_root || c_.root % 2 == 0 ? output.buffer() : Buffer();  // elsewhere it may be empty
    gather(comm_, from, to, c_.root, options_);
    std::string problem = input.compare("input", 0, own) + output.compare_guards("output");
    if (!is_root) return problem + output.compare_poison("output");
    for (std::size_t r = 0; r < size_; ++r) problem += output.compare("output", r * n_, of_rank(r, 0, n_));
    return problem;
  }

  std::string scatter_case() {
    Guarded input = input_memory(size_ * n_);
    Guarded output = output_memory(n_);
    const auto root = static_cast<std::size_t>(c_.root);
    const Bytes all = of_rank(root, 0, size_ * n_);
    const Bytes expected = of_rank(root, rank_ * n_, n_);
    const bool is_root = comm_.rank() == c_.root;
    if (is_root) input.set(0, all);
    const Buffer to = c_.in_place && is_root ? input.buffer().slice(rank_ * n_, n_) : output.buffer();
    scatter(comm_, is_root || c_.root % 2 == 0 ? input.buffer() : Buffer(), to, c_.root, options_);
    std::string problem = input.compare_guards("input") + output.compare_guards("output");
    problem += is_root ? input.compare("input", 0, all) : input.compare_poison("input");
    return problem + (c_.in_place && is_root ? output.compare_poison("output") : output.compare("output", 0, expected));
  }

  std::string reduce_scatter_case() {
    Guarded input = input_memory(size_ * n_);
    Guarded output = output_memory(n_);
    const Bytes own = of_rank(rank_, 0, size_ * n_);
    input.set(0, own);
    const Bytes expected = of_all(rank_ * n_, n_);
    if (!c_.in_place) {
      reduce_scatter(comm_, input.buffer(), output.buffer(), c_.op, options_);
      return output.compare("output", 0, expected) + output.compare_guards("output") + input.compare("input", 0, own);
    }
    reduce_scatter(comm_, input.buffer(), input.buffer().slice(rank_ * n_, n_), c_.op, options_);
    std::string problem = input.compare("slice", rank_ * n_, expected) + input.compare_guards("input");
    input.set(rank_ * n_, of_rank(rank_, rank_ * n_, n_));  // the other slices are only read
    return problem + input.compare("input", 0, own);
  }

  std::string reduce_case() {
    Guarded input = input_memory(n_);
    Guarded output = output_memory(n_);
    const Bytes own = of_rank(rank_, 0, n_);
    const Bytes expected = of_all(0, n_);
    input.set(0, own);
    const bool is_root = comm_.rank() == c_.root;
    Buffer to = c_.in_place ? input.buffer() : output.buffer();
    if (!is_root && c_.root % 2 == 1) to = Buffer();  // elsewhere it may be empty
    reduce(comm_, input.buffer(), to, c_.op, c_.root, options_);
    std::string problem = input.compare_guards("input") + output.compare_guards("output");
    if (is_root && c_.in_place) return problem + input.compare("data", 0, expected);
    problem += input.compare("input", 0, own);
    return problem + (is_root ? output.compare("output", 0, expected) : output.compare_poison("output"));
  }

  std::string all_to_all_case() {
    Guarded input = input_memory(size_ * n_);
    Guarded output = output_memory(size_ * n_);
    const Bytes own = of_rank(rank_, 0, size_ * n_);
    input.set(0, own);
    all_to_all(comm_, input.buffer(), output.buffer(), options_);
    std::string problem = input.compare("input", 0, own) + output.compare_guards("output");
    for (std::size_t r = 0; r < size_; ++r) problem += output.compare("output", r * n_, of_rank(r, rank_ * n_, n_));
    return problem;
  }

  const Communicator& comm_;
  const Case& c_;
  std::size_t n_;
  std::size_t size_;
  std::size_t rank_;
  CollectiveOptions options_;
};

}  // namespace

std::string try_case(const Communicator& comm, const Case& c) { return Trial(comm, c)(); }

}  // namespace tutti::test
