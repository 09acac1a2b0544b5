// Every algorithm of every table against a naive reference: counts, segments, types, operators, roots, in place and out
// of place, demanding equal bits and that nothing else is written.
#include <gtest/gtest.h>

#include <atomic>

#include <tests/collectives/grid.hpp>
#include <tutti/allreduce/allreduce.hpp>
#include <tutti/allreduce/table.hpp>
#include <tutti/collectives/collectives.hpp>
#include <tutti/collectives/table.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti {
namespace {

using test::Bytes;
using test::Guarded;

/// One call. `count` is the number of elements per rank where blocks are bound to ranks, otherwise of the data.
struct Case {
  const Algorithm& algorithm;
  DType dtype = DType::f32;
  ReduceOp op = ReduceOp::sum;
  std::size_t count = 0;
  std::size_t segment_bytes = 0;
  int root = 0;
  bool in_place = false;
  std::size_t misalignment = 0;
  int radix = 0;
};

std::string describe(const Case& c) {
  return text(name(c.algorithm.collective), " ", c.algorithm.name, " ", name(c.op), " ", name(c.dtype), " x ", c.count,
              ", radix ", c.radix, ", segments of ", c.segment_bytes, " B, root ", c.root,
              c.in_place ? ", in place" : ", out of place", ", misaligned by ", c.misalignment, ": ");
}

bool has_two_forms(const Algorithm& a) {
  return reduces(a.collective) || has_own_input(a.collective) || has_own_output(a.collective);
}

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
    return test::contributions(c_.dtype, c_.op, static_cast<int>(rank), first, count);
  }
  Bytes of_all(std::size_t first, std::size_t count) const {
    return test::reductions(c_.dtype, c_.op, comm_.size(), first, count);
  }
  Guarded memory(std::size_t count) const { return {c_.dtype, count, c_.misalignment}; }

  std::string allreduce_case() {
    Guarded input = memory(n_);
    Guarded output = memory(n_);
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
    Guarded data = memory(n_);
    const auto root = static_cast<std::size_t>(c_.root);
    const Bytes expected = of_rank(root, 0, n_);
    if (rank_ == root) data.set(0, expected);
    broadcast(comm_, data.buffer(), c_.root, options_);
    return data.compare("data", 0, expected) + data.compare_guards("data");
  }

  std::string all_gather_case() {
    Guarded input = memory(n_);
    Guarded output = memory(size_ * n_);
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
    Guarded input = memory(n_);
    Guarded output = memory(size_ * n_);
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
    Guarded input = memory(size_ * n_);
    Guarded output = memory(n_);
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
    Guarded input = memory(size_ * n_);
    Guarded output = memory(n_);
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
    Guarded input = memory(n_);
    Guarded output = memory(n_);
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
    Guarded input = memory(size_ * n_);
    Guarded output = memory(size_ * n_);
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

class Grid : public testing::TestWithParam<const Algorithm*> {
 protected:
  /// Runs `c` in every form, and on every root if that matters.
  void check(Case c, bool all_roots) {
    const int roots = is_rooted(c.algorithm.collective) && all_roots ? comm_.size() : 1;
    for (int root = 0; root < roots; ++root) {
      for (const bool in_place : {false, true}) {
        if (in_place && !has_two_forms(c.algorithm)) continue;
        c.root = all_roots ? root : comm_.size() - 1;
        c.in_place = in_place;
        const std::string problem = Trial(comm_, c)();
        // The ranks have to stay in step, so failures are counted and not fatal.
        if (!problem.empty() && ++failures_ <= 3) ADD_FAILURE() << describe(c) << problem;
      }
    }
  }

  Communicator comm_ = test::world();
  int failures_ = 0;
};

TEST_P(Grid, CountsAndSegments) {
  const Algorithm& algorithm = *GetParam();
  const auto size = static_cast<std::size_t>(comm_.size());
  for (const DType dtype : {DType::f32, DType::i32}) {
    for (const std::size_t count : {std::size_t{0}, std::size_t{1}, size - 1, size, size + 1, std::size_t{1037}}) {
      for (const std::size_t segment : {0, 4, 64, 1021}) {
        check({.algorithm = algorithm, .dtype = dtype, .count = count, .segment_bytes = segment}, true);
      }
    }
    for (const std::size_t count : {std::size_t{1023}, std::size_t{1024},
                                    std::size_t{1025}}) {  // around the largest payload that travels with a signature
      check({.algorithm = algorithm, .dtype = dtype, .count = count}, false);
      check({.algorithm = algorithm, .dtype = dtype, .count = count * size}, false);
    }
    for (const std::size_t segment : {std::size_t{0}, std::size_t{9973}, std::size_t{1} << 16, SIZE_MAX}) {
      check({.algorithm = algorithm, .dtype = dtype, .count = 70001, .segment_bytes = segment}, segment == 9973);
    }
  }
}

TEST_P(Grid, Radices) {
  const Algorithm& algorithm = *GetParam();
  if (algorithm.radix == Radix::none) GTEST_SKIP() << "has no radix";
  const auto size = static_cast<std::size_t>(comm_.size());
  for (int radix = 2; radix <= comm_.size(); ++radix) {
    for (const std::size_t count :
         {std::size_t{0}, std::size_t{1}, size - 1, size + 1, std::size_t{1037}, std::size_t{20011}}) {
      check({.algorithm = algorithm, .count = count, .radix = radix}, true);
      check({.algorithm = algorithm, .dtype = DType::bf16, .count = count, .segment_bytes = 999, .radix = radix},
            false);
    }
  }
}

TEST_P(Grid, TypesAndOperators) {
  const Algorithm& algorithm = *GetParam();
  for (const DType dtype : kAllDTypes) {
    for (const ReduceOp op : kAllReduceOps) {
      if (!is_supported(op, dtype) || (op != ReduceOp::sum && !reduces(algorithm.collective))) continue;
      check({.algorithm = algorithm, .dtype = dtype, .op = op, .count = 97}, false);
      check({.algorithm = algorithm, .dtype = dtype, .op = op, .count = 1031, .segment_bytes = 333}, false);
    }
  }
}

TEST_P(Grid, Misaligned) {
  for (const DType dtype : {DType::f64, DType::f32, DType::bf16, DType::i16}) {
    for (const std::size_t misalignment : {1, 2, 3, 4}) {
      check(
          {.algorithm = *GetParam(), .dtype = dtype, .count = 1037, .segment_bytes = 513, .misalignment = misalignment},
          false);
      check({.algorithm = *GetParam(), .dtype = dtype, .count = 3, .misalignment = misalignment}, false);
    }
  }
}

std::vector<const Algorithm*> all_algorithms() {
  std::vector<const Algorithm*> all;
  for (const Algorithm* a : collective_algorithms()) all.push_back(a);
  for (const Algorithm* a : allreduce_algorithms()) all.push_back(a);
  return all;
}

INSTANTIATE_TEST_SUITE_P(Table, Grid, testing::ValuesIn(all_algorithms()), [](const auto& row) {
  return std::string(name(row.param->collective)) + "_" + std::string(row.param->name);
});

/// What is chosen when no algorithm is named, on both sides of every limit of the choices.
TEST(Choice, RunsWhateverIsChosen) {
  const Communicator comm = test::world();
  constexpr Collective kCollectives[] = {Collective::allreduce,      Collective::broadcast, Collective::all_gather,
                                         Collective::reduce_scatter, Collective::reduce,    Collective::all_to_all,
                                         Collective::gather,         Collective::scatter};
  for (const Collective collective : kCollectives) {
    Algorithm unnamed{};
    unnamed.collective = collective;
    for (const std::size_t bytes : {std::size_t{16} << 10, std::size_t{256} << 10, std::size_t{1} << 20}) {
      for (const std::size_t off : {0, 1}) {
        const std::size_t elements = bytes / sizeof(float) + off;
        const std::size_t ranks = has_bound_blocks(collective) ? static_cast<std::size_t>(comm.size()) : 1;
        const Case c{.algorithm = unnamed, .count = elements / ranks + off};
        EXPECT_EQ((Trial(comm, c)()), "") << describe(c);
      }
    }
  }
}

/// A barrier is left only once all have entered: they count their entries in memory that they share.
TEST(Barrier, IsLeftOnlyOnceAllHaveEntered) {
  const Communicator comm(MPI_COMM_WORLD, test::patient());
  void* own = nullptr;
  int* entries = nullptr;
  MPI_Win window = MPI_WIN_NULL;
  ASSERT_EQ(MPI_Win_allocate_shared(comm.rank() == 0 ? sizeof(int) : 0, sizeof(int), MPI_INFO_NULL, MPI_COMM_WORLD,
                                    static_cast<void*>(&own), &window),
            MPI_SUCCESS);
  MPI_Aint bytes = 0;
  int unit = 0;
  MPI_Win_shared_query(window, 0, &bytes, &unit, static_cast<void*>(&entries));
  std::atomic_ref<int> counter(*entries);
  if (comm.rank() == 0) counter = 0;
  MPI_Barrier(MPI_COMM_WORLD);
  for (int turn = 1; turn <= 200; ++turn) {
    ++counter;
    barrier(comm);
    EXPECT_GE(counter.load(), turn * comm.size());
  }
  MPI_Barrier(MPI_COMM_WORLD);
  MPI_Win_free(&window);
}

}  // namespace
}  // namespace tutti
