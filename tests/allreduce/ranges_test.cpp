// Collectives and messages on containers, arrays and views: every form of every one gives what it gives on buffers.
#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <tests/support/ranks/errors.hpp>
#include <tutti/allreduce/allreduce_group.hpp>
#include <tutti/collectives/persistent.hpp>
#include <tutti/collectives/point_to_point.hpp>
#include <tutti/collectives/user_operator.hpp>

namespace tutti::test {
namespace {

using Floats = std::vector<float>;

// ---- What must not compile

// All calls that write to one range, and all that read one.
template <class Data>
concept Written = requires(const Communicator& c, Data&& d, MessageGroup messages, AllreduceGroup group) {
  allreduce(c, std::forward<Data>(d), ReduceOp::sum);
  iallreduce(c, std::forward<Data>(d), ReduceOp::sum);
  broadcast(c, std::forward<Data>(d), 0);
  ibroadcast(c, std::forward<Data>(d), 0);
  broadcast_init(c, std::forward<Data>(d), 0);
  receive(c, std::forward<Data>(d), 0);
  ireceive(c, std::forward<Data>(d), 0);
  messages.receive(std::forward<Data>(d), 0);
  group.add(std::forward<Data>(d), ReduceOp::sum);
};
template <class Data>
concept WrittenByOne = requires(const Communicator& c, Data&& d) {
  allreduce(c, std::forward<Data>(d), ReduceOp::sum);
}
|| requires(const Communicator& c, Data&& d) { iallreduce(c, std::forward<Data>(d), ReduceOp::sum); }
|| requires(const Communicator& c, Data&& d) { broadcast(c, std::forward<Data>(d), 0); }
|| requires(const Communicator& c, Data&& d) { ibroadcast(c, std::forward<Data>(d), 0); }
|| requires(const Communicator& c, Data&& d) { broadcast_init(c, std::forward<Data>(d), 0); }
|| requires(const Communicator& c, Data&& d) { receive(c, std::forward<Data>(d), 0); }
|| requires(const Communicator& c, Data&& d) { ireceive(c, std::forward<Data>(d), 0); }
|| requires(MessageGroup group, Data&& d) { group.receive(std::forward<Data>(d), 0); }
|| requires(AllreduceGroup group, Data&& d) { group.add(std::forward<Data>(d), ReduceOp::sum); };
template <class Data>
concept SentByOne = requires(const Communicator& c, Data&& d) {
  send(c, std::forward<Data>(d), 0);
}
|| requires(const Communicator& c, Data&& d) { isend(c, std::forward<Data>(d), 0); }
|| requires(MessageGroup group, Data&& d) { group.send(std::forward<Data>(d), 0); };
template <class In, class Out>
concept Gathered = requires(const Communicator& c, In&& in, Out&& out) {
  all_gather(c, std::forward<In>(in), std::forward<Out>(out));
}
|| requires(const Communicator& c, In&& in, Out&& out) { iall_gather(c, std::forward<In>(in), std::forward<Out>(out)); }
|| requires(const Communicator& c, In&& in, Out&& out) {
  all_gather_init(c, std::forward<In>(in), std::forward<Out>(out));
}
|| requires(const Communicator& c, In&& in, Out&& out, std::span<const std::size_t> counts) {
  igather_v(c, std::forward<In>(in), std::forward<Out>(out), counts, 0);
};

static_assert(Written<Floats&> && Written<std::span<float>> && Written<float (&)[3]> && Written<Allocation<double>&>);
static_assert(!WrittenByOne<Floats> && !WrittenByOne<Allocation<float>>, "what a temporary owns is gone too soon");
static_assert(!WrittenByOne<const Floats&> && !WrittenByOne<std::span<const float>>);
static_assert(!WrittenByOne<std::list<float>&> && !WrittenByOne<std::vector<bool>&> && !WrittenByOne<std::string&>);
static_assert(SentByOne<const Floats&> && SentByOne<std::span<const float>> && !SentByOne<Floats>);
static_assert(Gathered<const Floats&, Floats&> && Gathered<std::span<const float>, std::span<float>>);
static_assert(!Gathered<Floats, Floats&> && !Gathered<Floats&, Floats> && !Gathered<Floats&, const Floats&>);
static_assert(!Gathered<Floats&, std::vector<double>&>, "two types");

class Ranges : public testing::Test {
 protected:
  const Communicator comm_ = with_timeout(20);
  const int rank_ = comm_.rank();
  const int size_ = comm_.size();
  const std::size_t ranks_ = static_cast<std::size_t>(size_);
  const float total_ = static_cast<float>(size_ * (size_ + 1)) / 2;  // of rank + 1 on all ranks
  const float own_ = static_cast<float>(rank_ + 1);
  const std::vector<std::size_t> twos_ = std::vector<std::size_t>(ranks_, 2);

  /// {1, 1, 2, 2, ...}
  Floats all_blocks() const {
    Floats all;
    for (int r = 0; r < size_; ++r) all.insert(all.end(), 2, static_cast<float>(r + 1));
    return all;
  }
  void expect_at_root(const Floats& result, const Floats& expected) const {
    if (rank_ == 0) {
      EXPECT_EQ(result, expected);
    }
  }
};

TEST_F(Ranges, AllreduceOfEveryKindOfRange) {
  Floats vector(3, own_);
  allreduce(comm_, vector, ReduceOp::sum);
  EXPECT_EQ(vector, Floats(3, total_));
  std::array<double, 2> array = {own_, own_};
  allreduce(comm_, array, ReduceOp::sum);
  EXPECT_EQ(array[1], total_);
  std::int32_t numbers[] = {rank_ + 1, 0};
  allreduce(comm_, numbers, ReduceOp::sum);
  EXPECT_EQ(numbers[0], size_ * (size_ + 1) / 2);
  auto memory = comm_.allocate<float>(5000);
  memory[4999] = own_;
  allreduce(comm_, memory, ReduceOp::sum);
  EXPECT_EQ(memory[4999], total_);
  float one = own_;
  allreduce(comm_, std::span(&one, 1), ReduceOp::sum);
  EXPECT_EQ(one, total_);
  Floats none;
  allreduce(comm_, none, ReduceOp::sum);
}

TEST_F(Ranges, AllreduceInEveryForm) {
  const Floats input(3, own_);
  Floats output(3);
  allreduce(comm_, input, output, ReduceOp::sum);
  EXPECT_EQ(output, Floats(3, total_));
  Floats data = input;
  iallreduce(comm_, data, ReduceOp::sum).wait();
  EXPECT_EQ(data, output);
  Floats started(3);
  iallreduce(comm_, input, started, ReduceOp::sum).wait();
  EXPECT_EQ(started, output);
  Floats prepared(3);
  PersistentRequest operation = allreduce_init(comm_, input, prepared, ReduceOp::sum);
  operation.start();
  operation.wait();
  EXPECT_EQ(prepared, output);
  AllreduceGroup group(comm_);
  Floats member = input;
  group.add(member, ReduceOp::sum);
  group.start().wait();
  EXPECT_EQ(member, output);
}

TEST_F(Ranges, FunctionsOfTheProgram) {
  const auto add = make_user_operator<float>("add", [](float a, float b) { return a + b; });
  Floats data(3, own_);
  allreduce(comm_, data, add);
  EXPECT_EQ(data, Floats(3, total_));
  data.assign(3, own_);
  iallreduce(comm_, data, add).wait();
  EXPECT_EQ(data, Floats(3, total_));
  const Floats input(2 * ranks_, own_);
  Floats whole(2 * ranks_);
  Floats block(2);
  reduce(comm_, input, whole, add, 0);
  expect_at_root(whole, Floats(2 * ranks_, total_));
  ireduce(comm_, input, whole, add, 0).wait();
  reduce_scatter(comm_, input, block, add);
  EXPECT_EQ(block, Floats(2, total_));
  ireduce_scatter(comm_, input, block, add).wait();
  EXPECT_EQ(block, Floats(2, total_));
}

// Each called, started, and set up: run(call, start, init) runs `expect` after each.
template <class Call, class Start, class Init, class Expect>
void in_every_form(Call call, Start start, Init init, Expect expect) {
  call();
  expect();
  start().wait();
  expect();
  PersistentRequest operation = init();
  for (int i = 0; i < 2; ++i) {
    operation.start();
    operation.wait();
    expect();
  }
}

TEST_F(Ranges, Broadcast) {
  Floats data(3, own_);
  in_every_form([&] { broadcast(comm_, data, 0); }, [&] { return ibroadcast(comm_, data, 0); },
                [&] { return broadcast_init(comm_, data, 0); }, [&] { EXPECT_EQ(data, Floats(3, 1)); });
}

TEST_F(Ranges, Gathers) {
  const std::array<float, 2> input = {own_, own_};
  Floats output(2 * ranks_);
  in_every_form([&] { all_gather(comm_, input, output); }, [&] { return iall_gather(comm_, input, output); },
                [&] { return all_gather_init(comm_, input, output); }, [&] { EXPECT_EQ(output, all_blocks()); });
  Floats at_root(rank_ == 0 ? 2 * ranks_ : 0);
  in_every_form([&] { gather(comm_, input, at_root, 0); }, [&] { return igather(comm_, input, at_root, 0); },
                [&] { return gather_init(comm_, input, at_root, 0); }, [&] { expect_at_root(at_root, all_blocks()); });
}

TEST_F(Ranges, ScatterAndAllToAll) {
  const Floats input = all_blocks();
  Floats block(2);
  in_every_form([&] { scatter(comm_, input, block, 0); }, [&] { return iscatter(comm_, input, block, 0); },
                [&] { return scatter_init(comm_, input, block, 0); }, [&] { EXPECT_EQ(block, Floats(2, own_)); });
  Floats exchanged(2 * ranks_);
  in_every_form([&] { all_to_all(comm_, input, exchanged); }, [&] { return iall_to_all(comm_, input, exchanged); },
                [&] { return all_to_all_init(comm_, input, exchanged); },
                [&] { EXPECT_EQ(exchanged, Floats(2 * ranks_, own_)); });
}

TEST_F(Ranges, Reductions) {
  const Floats input(2 * ranks_, own_);
  Floats block(2);
  in_every_form([&] { reduce_scatter(comm_, input, block, ReduceOp::sum); },
                [&] { return ireduce_scatter(comm_, input, block, ReduceOp::sum); },
                [&] { return reduce_scatter_init(comm_, input, block, ReduceOp::sum); },
                [&] { EXPECT_EQ(block, Floats(2, total_)); });
  Floats whole(2 * ranks_);
  in_every_form([&] { reduce(comm_, input, whole, ReduceOp::sum, 0); },
                [&] { return ireduce(comm_, input, whole, ReduceOp::sum, 0); },
                [&] { return reduce_init(comm_, input, whole, ReduceOp::sum, 0); },
                [&] { expect_at_root(whole, Floats(2 * ranks_, total_)); });
}

TEST_F(Ranges, EveryRankItsOwnCount) {
  const Floats own(2, own_);
  Floats all(2 * ranks_);
  Floats block(2);
  all_gather_v(comm_, own, all, twos_);
  EXPECT_EQ(all, all_blocks());
  iall_gather_v(comm_, own, all, twos_).wait();
  gather_v(comm_, own, all, twos_, 0);
  igather_v(comm_, own, all, twos_, 0).wait();
  expect_at_root(all, all_blocks());
  const Floats blocks = all_blocks();
  scatter_v(comm_, blocks, block, twos_, 0);
  EXPECT_EQ(block, own);
  iscatter_v(comm_, blocks, block, twos_, 0).wait();
  reduce_scatter_v(comm_, blocks, block, twos_, ReduceOp::max);
  EXPECT_EQ(block, own);
  ireduce_scatter_v(comm_, blocks, block, twos_, ReduceOp::max).wait();
  all_to_all_v(comm_, blocks, twos_, all, twos_);
  EXPECT_EQ(all, Floats(2 * ranks_, own_));
  iall_to_all_v(comm_, blocks, twos_, all, twos_).wait();
}

TEST_F(Ranges, Messages) {
  const int right = (rank_ + 1) % size_;
  const int left = (rank_ + size_ - 1) % size_;
  const Floats sent(3, own_);
  Floats received(3);
  Request operation = ireceive(comm_, received, left);
  send(comm_, sent, right);
  operation.wait();
  EXPECT_EQ(received, Floats(3, static_cast<float>(left + 1)));
  received.assign(3, 0);
  Request sending = isend(comm_, sent, right);
  EXPECT_EQ(receive(comm_, received, left), left);
  sending.wait();
  EXPECT_EQ(received, Floats(3, static_cast<float>(left + 1)));
  received.assign(3, 0);
  MessageGroup group(comm_);
  group.send(sent, right);
  group.receive(received, left);
  group.start().wait();
  EXPECT_EQ(received, Floats(3, static_cast<float>(left + 1)));
}

}  // namespace
}  // namespace tutti::test
