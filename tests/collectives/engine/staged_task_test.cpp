// Operations of several collectives, on a rank that is alone, with stages that end when the test says so.
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <tutti/collectives/communicator/communicator_state.hpp>
#include <tutti/collectives/engine/staged_task.hpp>
#include <tutti/collectives/schedule/algorithm_table.hpp>
#include <tutti/collectives/session.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::detail {
namespace {

/// A stage that waits for a rank until it is let go.
class HeldStage final : public WaitingTask {
 public:
  HeldStage(const Communicator& comm, std::uint64_t sequence, const bool& let_go, int awaited)
      : WaitingTask(comm, sequence, Role::stage), let_go_(let_go), awaited_(awaited) {}
  Progress advance() override { return let_go_ ? Progress::complete : Progress::none; }

 private:
  std::string label() const override { return "held"; }
  std::set<int> awaited() const override { return {awaited_}; }

  const bool& let_go_;
  int awaited_;
};

/// Writes down what is begun and ended: "b PART.STAGE #NUMBER" and "e PART.STAGE".
class Noted final : public Stages {
 public:
  std::unique_ptr<WaitingTask> begin(const Stage& stage) override {
    notes.push_back(text("b ", stage.part(), ".", stage.number(), " #", stage.sequence()));
    if (stage.number() != held_stage) return nullptr;
    return std::make_unique<HeldStage>(stage.comm(), stage.sequence(), let_go, 10 + stage.part());
  }
  void end(const Stage& stage) override {
    notes.push_back(text("e ", stage.part(), ".", stage.number()));
    if (stage.number() == throwing_stage) throw OutOfMemory("no memory for the sum");
  }

  std::vector<std::string> notes;
  int held_stage = -1;
  int throwing_stage = -1;
  bool let_go = false;
};

class Staged : public testing::Test {
 protected:
  static void SetUpTestSuite() { session_ = std::make_unique<Session>(nullptr, nullptr); }
  static void TearDownTestSuite() { session_.reset(); }

  static StagedCall call(int stages, int parts, int underway) {
    return {.name = "test", .arguments = "sum", .stages = stages, .parts = parts, .parts_underway = underway};
  }
  std::unique_ptr<StagedTask> start(StagedCall&& call) {
    return start_staged(comm_, std::move(call), comm_.state().take_sequence(), [&] { return stages_; });
  }
  std::string why_unusable() const {
    try {
      comm_.state().failures().throw_unusable();
    } catch (const CommunicationError& error) {
      return error.what();
    }
  }

  const Communicator comm_{MPI_COMM_WORLD};
  const std::shared_ptr<Noted> stages_ = std::make_shared<Noted>();

 private:
  static std::unique_ptr<Session> session_;
};

std::unique_ptr<Session> Staged::session_;

TEST_F(Staged, EveryPartGoesThroughAllStagesUnderNumbersOfItsOwn) {
  start(call(2, 2, 1))->wait();
  EXPECT_EQ(stages_->notes, (std::vector<std::string>{"b 0.0 #1", "e 0.0", "b 0.1 #2", "e 0.1",  //
                                                      "b 1.0 #3", "e 1.0", "b 1.1 #4", "e 1.1"}));
  EXPECT_EQ(comm_.state().take_sequence(), 5U);
  EXPECT_FALSE(comm_.unusable());
}

TEST_F(Staged, OnlySoManyPartsAreUnderWay) {
  stages_->held_stage = 1;
  const auto task = start(call(2, 3, 2));
  EXPECT_FALSE(task->poll());
  EXPECT_EQ(stages_->notes,
            (std::vector<std::string>{"b 0.0 #1", "e 0.0", "b 0.1 #2", "b 1.0 #3", "e 1.0", "b 1.1 #4"}));
  EXPECT_EQ(task->awaited_by_stage(), (std::set<int>{10, 11}));
  stages_->let_go = true;
  task->wait();
  EXPECT_EQ(stages_->notes.back(), "e 2.1");
  EXPECT_EQ(stages_->notes.size(), 12U);
}

TEST_F(Staged, ToGiveOneUpFailsTheCommunicatorAndKeepsItsMemory) {
  stages_->held_stage = 0;
  const std::weak_ptr<Noted> watched = stages_;
  start(call(1, 1, 1)).reset();
  EXPECT_EQ(why_unusable(), "communicator unusable since test #0 (sum) was given up before it was complete");
  EXPECT_EQ(watched.use_count(), 2);  // the test's, and for MPI
}

TEST_F(Staged, WhatStagesThrowFailsTheCommunicator) {
  stages_->throwing_stage = 1;
  EXPECT_THROW(start(call(2, 1, 1)), OutOfMemory);
  EXPECT_EQ(why_unusable(), "communicator unusable since test #0 (sum): no memory for the sum");
}

TEST_F(Staged, WhatMakesNoStagesFailsTheCommunicator) {
  EXPECT_THROW(start_staged(comm_, call(1, 1, 1), comm_.state().take_sequence(),
                            []() -> std::shared_ptr<Stages> { throw OutOfMemory("full"); }),
               OutOfMemory);
  EXPECT_EQ(why_unusable(), "communicator unusable since test #0: full");
}

TEST_F(Staged, RanksAgreeOnNameArgumentsAndParts) {
  const std::uint32_t variant = call(2, 3, 2).variant();
  EXPECT_EQ(call(2, 3, 1).variant(), variant);  // how many are under way is each rank's own
  EXPECT_NE(call(2, 4, 2).variant(), variant);
  StagedCall other = call(2, 3, 2);
  other.arguments = "avg";
  EXPECT_NE(other.variant(), variant);
  other = call(2, 3, 2);
  other.name = "trial";
  EXPECT_NE(other.variant(), variant);
}

TEST_F(Staged, TheWholeIsPartOfTheHistoryThatRanksCompare) {
  const std::uint64_t before = comm_.state().calls().history();
  start(call(1, 1, 1))->wait();
  EXPECT_NE(comm_.state().calls().history(), before);
  EXPECT_EQ(comm_.state().calls().last_call().variant, call(1, 1, 1).variant());
}

}  // namespace
}  // namespace tutti::detail
