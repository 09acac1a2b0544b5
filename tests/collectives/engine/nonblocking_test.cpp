// Every collective in its non-blocking form, many under way at once, waited for in another order on every rank.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include <tests/support/ranks/grid.hpp>
#include <tutti/allreduce/allreduce.hpp>
#include <tutti/collectives/collectives.hpp>

namespace tutti {
namespace {

using test::contributions;
using test::Guarded;
using test::reductions;

constexpr DType kType = DType::i32;
constexpr ReduceOp kOp = ReduceOp::sum;

/// One round of all collectives on `n` elements per rank, all started before any is waited for.
class Medley {
 public:
  Medley(const Communicator& comm, std::size_t n, int root)
      : comm_(comm), n_(n), root_(root), size_(static_cast<std::size_t>(comm.size())) {
    for (Guarded* data : {&one_, &reduced_in_}) data->set(0, contributions(kType, kOp, comm.rank(), 0, n));
    for (Guarded* data : {&all_, &scatter_in_, &sum_}) {
      data->set(0, contributions(kType, kOp, comm.rank(), 0, n * size_));
    }
    if (comm.rank() == root) broadcast_.set(0, contributions(kType, kOp, root, 0, n));
  }

  std::vector<Request> start() {
    std::vector<Request> started;
    started.push_back(ibroadcast(comm_, broadcast_.buffer(), root_));
    started.push_back(iall_gather(comm_, one_.buffer(), gathered_.buffer()));
    started.push_back(igather(comm_, one_.buffer(), gathered_at_root_.buffer(), root_));
    started.push_back(iscatter(comm_, scatter_in_.buffer(), scattered_.buffer(), root_));
    started.push_back(ireduce_scatter(comm_, all_.buffer(), slice_.buffer(), kOp));
    started.push_back(ireduce(comm_, reduced_in_.buffer(), reduced_.buffer(), kOp, root_));
    started.push_back(iall_to_all(comm_, all_.buffer(), exchanged_.buffer()));
    started.push_back(iallreduce(comm_, sum_.buffer(), kOp));
    started.push_back(ibarrier(comm_));
    return started;
  }

  void expect_right() {
    const auto rank = static_cast<std::size_t>(comm_.rank());
    const bool is_root = comm_.rank() == root_;
    EXPECT_EQ(broadcast_.compare("broadcast", 0, contributions(kType, kOp, root_, 0, n_)), "");
    for (std::size_t r = 0; r < size_; ++r) {
      const auto of_r = contributions(kType, kOp, static_cast<int>(r), 0, n_);
      EXPECT_EQ(gathered_.compare("all_gather", r * n_, of_r), "");
      if (is_root) {
        EXPECT_EQ(gathered_at_root_.compare("gather", r * n_, of_r), "");
      }
      EXPECT_EQ(exchanged_.compare("all_to_all", r * n_, contributions(kType, kOp, static_cast<int>(r), rank * n_, n_)),
                "");
    }
    if (!is_root) {
      EXPECT_EQ(gathered_at_root_.compare_poison("gather"), "");
    }
    EXPECT_EQ(scattered_.compare("scatter", 0, contributions(kType, kOp, root_, rank * n_, n_)), "");
    EXPECT_EQ(slice_.compare("reduce_scatter", 0, reductions(kType, kOp, comm_.size(), rank * n_, n_)), "");
    if (is_root) {
      EXPECT_EQ(reduced_.compare("reduce", 0, reductions(kType, kOp, comm_.size(), 0, n_)), "");
    }
    EXPECT_EQ(sum_.compare("allreduce", 0, reductions(kType, kOp, comm_.size(), 0, n_ * size_)), "");
  }

 private:
  const Communicator& comm_;
  std::size_t n_;
  int root_;
  std::size_t size_;
  Guarded one_{kType, n_}, broadcast_{kType, n_}, reduced_in_{kType, n_}, reduced_{kType, n_}, scattered_{kType, n_},
      slice_{kType, n_};
  Guarded all_{kType, n_*size_}, scatter_in_{kType, n_*size_}, gathered_{kType, n_*size_},
      gathered_at_root_{kType, n_*size_}, exchanged_{kType, n_*size_}, sum_{kType, n_*size_};
};

TEST(NonBlocking, AllCollectivesAtOnceInAnyOrder) {
  const Communicator comm = test::world();
  for (const std::size_t n : {std::size_t{0}, std::size_t{1}, std::size_t{513}, std::size_t{40001}}) {
    for (int root = 0; root < comm.size(); ++root) {
      Medley first(comm, n, root);
      Medley second(comm, n, comm.size() - 1 - root);
      std::vector<Request> operations = first.start();
      for (Request& operation : second.start()) operations.push_back(std::move(operation));
      // Each rank begins to wait elsewhere, and backwards on odd ones.
      std::rotate(operations.begin(), operations.begin() + (5 * comm.rank()) % static_cast<int>(operations.size()),
                  operations.end());
      if (comm.rank() % 2 == 1) std::reverse(operations.begin(), operations.end());
      for (Request& operation : operations) operation.wait();
      first.expect_right();
      second.expect_right();
    }
  }
}

TEST(NonBlocking, TestAloneCompletesThem) {
  const Communicator comm = test::world();
  Medley medley(comm, 3001, 0);
  std::vector<Request> operations = medley.start();
  while (!std::all_of(operations.begin(), operations.end(), [](Request& o) { return o.test(); })) {
  }
  medley.expect_right();
}

}  // namespace
}  // namespace tutti
