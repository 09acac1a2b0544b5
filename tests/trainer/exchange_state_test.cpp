// What ranks hold back of gradients is kept: through files, other buckets, another number of ranks, another codec.
#include <gtest/gtest.h>
#include <mpi.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <tutti/allreduce/allreduce.hpp>
#include <tutti/kernels/philox.hpp>
#include <tutti/kernels/text.hpp>
#include <tutti/trainer/exchange/exchange.hpp>
#include <tutti/trainer/run/agreed_error.hpp>
#include <tutti/trainer/run/exchange_state.hpp>

namespace tutti::trainer::test {

namespace {

constexpr std::uint64_t kSeed = 11;
const std::vector<ParameterInfo> kNet{{"a", {3000}, 0}, {"b", {7}, 0}, {"c", {50, 41}, 0}};

/// An exchange of some ranks, with what it needs.
struct Exchanging {
  Exchanging(const Communicator& with, ExchangeOptions how, std::size_t bucket_bytes)
      : comm(with),
        options(std::move(how)),
        buckets(comm, plan_buckets(kNet, DType::f32, bucket_bytes), DType::f32, {}),
        exchange(make_exchange({comm, buckets, kNet, options})) {
    exchange->prepare(0);
  }

  /// A step of gradients that are integers too large for the codec; adds them and the results up, over all ranks.
  void step(std::uint64_t number, std::vector<double>& given, std::vector<double>& got) {
    exchange->begin(number);
    std::size_t at = 0;
    std::vector<double> own;
    for (std::size_t i = 0; i < kNet.size(); ++i) {
      auto* values = static_cast<float*>(buckets.gradient(i).data);
      for (std::size_t k = 0; k < kNet[i].count(); ++k) {
        const auto stream = number * 64 + static_cast<std::uint64_t>(comm.rank());
        const double uniform = random_uniform(kSeed + i, stream, k);
        values[k] = static_cast<float>(static_cast<int>(uniform * 10000.0) - 5000);
        own.push_back(static_cast<double>(values[k]));
      }
    }
    for (std::size_t b = 0; b < buckets.size(); ++b) exchange->wait(b);
    exchange->finish();
    allreduce(comm, std::span<double>(own), ReduceOp::sum);
    for (std::size_t i = 0; i < kNet.size(); ++i) {
      const auto* values = static_cast<const float*>(buckets.gradient(i).data);
      for (std::size_t k = 0; k < kNet[i].count(); ++k, ++at) {
        given[at] += own[at];
        got[at] += static_cast<double>(values[k]);
      }
    }
  }

  /// What ranks hold back, over all of them.
  std::vector<double> held_back() {
    std::vector<double> held(count());
    for (const ExchangeState& its : exchange->state()) {
      std::size_t at = its.first;
      for (std::size_t i = 0; i < its.parameter; ++i) at += kNet[i].count();
      for (const float value : its.values) held[at++] += its.weight * static_cast<double>(value);
    }
    allreduce(comm, std::span<double>(held), ReduceOp::sum);
    return held;
  }

  static std::size_t count() {
    std::size_t all = 0;
    for (const ParameterInfo& info : kNet) all += info.count();
    return all;
  }

  Communicator comm;
  ExchangeOptions options;
  Buckets buckets;
  std::unique_ptr<Exchange> exchange;
};

struct Files {
  std::vector<std::uint32_t> layouts;
  std::map<int, io::Checkpoint> of;  ///< on rank 0
};

Files save(Exchanging& run) {
  Files files;
  files.layouts = save_exchange_state(run.comm, *run.exchange, kNet,
                                      [&](int rank, const io::Checkpoint& state) { files.of[rank] = state; });
  return files;
}

std::optional<std::string> restore(Exchanging& run, const Files& files) {
  return restore_exchange_state(run.comm, *run.exchange, kNet, files.layouts,
                                [&](int rank) { return files.of.at(rank); });
}

class ExchangeStateTest : public testing::Test {
 protected:
  const Communicator world_{MPI_COMM_WORLD};
  const ExchangeOptions f16_{.compression = "f16:feedback=on"};
};

TEST_F(ExchangeStateTest, NothingIsLostInAnotherLayout) {
  const auto two = world_.split(world_.rank() < 2 ? 0 : -1);
  struct Next {
    std::string what;
    std::optional<Communicator> comm;
    ExchangeOptions options;
    std::size_t bucket_bytes;
    bool is_same;
  };
  const std::vector<Next> nexts = {
      {"the same", world_, f16_, 4096, true},
      {"other buckets", world_, f16_, 8192, false},
      {"fewer ranks", two, f16_, 4096, false},
      {"another codec of the same layout", world_, {.compression = "bf16:feedback=on"}, 4096, true},
      {"no compression", world_, {}, 4096, false},
      {"by rules", world_, {.rules = {{.match = "c", .compression = "f16:feedback=on"}}}, 4096, false},
  };
  for (const Next& next : nexts) {
    SCOPED_TRACE(text(next.what, ", seed ", kSeed));
    std::vector<double> given(Exchanging::count());
    std::vector<double> got(Exchanging::count());
    Exchanging before(world_, f16_, 4096);
    for (std::uint64_t step = 0; step < 3; ++step) before.step(step, given, got);
    std::vector<double> held = before.held_back();
    EXPECT_NE(held, std::vector<double>(held.size()));
    const Files files = save(before);
    if (!next.comm) continue;
    Exchanging after(*next.comm, next.options, next.bucket_bytes);
    const auto note = restore(after, files);
    EXPECT_EQ(note.has_value(), !next.is_same);
    if (note) {
      EXPECT_NE(note->find("3 ranks"), std::string::npos) << *note;
    }
    EXPECT_EQ(after.held_back(), held);
    for (std::uint64_t step = 3; step < 6; ++step) {
      after.step(step, given, got);
      held = after.held_back();
      for (std::size_t i = 0; i < given.size(); ++i)
        ASSERT_EQ(got[i] + held[i], given[i]) << "step " << step << ", " << i;
    }
  }
}

TEST_F(ExchangeStateTest, WhatIsRestoredGoesOnWithTheSameBits) {
  std::vector<double> given(Exchanging::count());
  std::vector<double> got(Exchanging::count());
  Exchanging whole(world_, f16_, 4096);
  whole.step(0, given, got);
  const Files files = save(whole);
  Exchanging resumed(world_, f16_, 4096);
  EXPECT_FALSE(restore(resumed, files));
  std::vector<double> of_whole(Exchanging::count());
  std::vector<double> of_resumed(Exchanging::count());
  whole.step(1, given, of_whole);
  resumed.step(1, given, of_resumed);
  EXPECT_EQ(of_whole, of_resumed);
}

// With w <- w - rate * result and what is held back in the space of updates, parameters less rate * held back are those
// of a run that holds nothing back, whatever the rate does.
TEST_F(ExchangeStateTest, HeldBackUpdatesFollowTheLearningRate) {
  for (const std::string space : {"gradient", "update"}) {
    ExchangeOptions options = f16_;
    options.feedback_space = space;
    Exchanging run(world_, options, 4096);
    std::vector<double> wanted(Exchanging::count());
    std::vector<double> moved(Exchanging::count());
    double rate = 0.0;
    for (std::uint64_t step = 0; step < 4; ++step) {
      rate = step < 2 ? 0.5 : 0.125;
      run.exchange->set_learning_rate(rate);
      std::vector<double> given(Exchanging::count());
      std::vector<double> got(Exchanging::count());
      run.step(step, given, got);
      for (std::size_t i = 0; i < given.size(); ++i) {
        wanted[i] += rate * given[i];
        moved[i] += rate * got[i];
      }
    }
    const std::vector<double> held = run.held_back();
    for (std::size_t i = 0; i < held.size(); ++i) moved[i] += rate * held[i];
    EXPECT_EQ(moved == wanted, space == "update");
  }
}

// Also what waits for the next step, where a run goes on in another layout, and the rate changes just then.
TEST_F(ExchangeStateTest, HeldBackUpdatesFollowTheLearningRateIntoAnotherLayout) {
  for (const std::string compression : {"f16:feedback=on", "none"}) {
    ExchangeOptions options = f16_;
    options.feedback_space = "update";
    std::vector<double> given(Exchanging::count());
    std::vector<double> got(Exchanging::count());
    Exchanging before(world_, options, 4096);
    before.exchange->set_learning_rate(0.5);
    before.step(0, given, got);
    const std::vector<double> held = before.held_back();
    const Files files = save(before);
    options.compression = compression;
    Exchanging after(world_, options, 8192);
    after.exchange->set_learning_rate(0.5);
    EXPECT_TRUE(restore(after, files));
    after.exchange->set_learning_rate(0.125);
    const std::vector<double> scaled = after.held_back();
    for (std::size_t i = 0; i < held.size(); ++i) ASSERT_EQ(scaled[i], 4 * held[i]) << compression << " " << i;
  }
}

TEST_F(ExchangeStateTest, NothingHeldBackIsNoFile) {
  Exchanging fresh(world_, f16_, 4096);
  const Files files = save(fresh);
  EXPECT_TRUE(files.layouts.empty());
  EXPECT_TRUE(files.of.empty());
}

TEST_F(ExchangeStateTest, FilesThatDoNotBelongAreAnErrorOnAllRanks) {
  std::vector<double> given(Exchanging::count());
  Exchanging run(world_, f16_, 4096);
  run.step(0, given, given);
  Files files = save(run);
  if (world_.rank() == 0) std::swap(files.of[0], files.of[1]);
  EXPECT_THROW(restore(run, files), AgreedError);
  files.of.clear();
  EXPECT_THROW(restore(run, files), AgreedError);
}

}  // namespace

}  // namespace tutti::trainer::test
