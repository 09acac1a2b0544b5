// The classes that a communicator's state is made of, each by itself.
#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <vector>

#include <tutti/collectives/communicator/call_log.hpp>
#include <tutti/collectives/communicator/end_protocol.hpp>
#include <tutti/collectives/communicator/failures.hpp>
#include <tutti/collectives/communicator/liveness.hpp>
#include <tutti/collectives/communicator/progress_list.hpp>
#include <tutti/collectives/communicator/questions.hpp>
#include <tutti/collectives/communicator/sequence.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::test {
namespace {

using namespace detail;

/// Keeps what is sent, and gives what the test puts in.
class KeptChannel final : public ControlChannel {
 public:
  using ControlChannel::ControlChannel;
  std::vector<std::pair<int, ControlMessage>> sent;
  std::deque<ControlMessage> incoming;
  int flushes = 0;

  void set_stamp(std::uint64_t /*stamp*/) override {}
  void forget_sent() noexcept override {}
  void flush() noexcept override { ++flushes; }
  void free() noexcept override {}

 private:
  void do_send(int peer, const ControlMessage& message) noexcept override { sent.emplace_back(peer, message); }
  std::optional<ControlMessage> do_receive() override {
    if (incoming.empty()) return std::nullopt;
    const ControlMessage message = incoming.front();
    incoming.pop_front();
    return message;
  }
};

Signature call_of(std::uint64_t sequence, std::uint64_t count) {
  Signature call{};
  call.sequence = sequence;
  call.collective = Collective::allreduce;
  call.dtype = DType::f32;
  call.count = count;
  return call;
}

ControlMessage message_of(ControlMessage::Kind kind, int about, std::uint64_t sequence, const char* words) {
  ControlMessage message{.kind = kind, .about = about, .sequence = sequence};
  message.say(words);
  return message;
}

TEST(CallLog, NumbersAreTakenInOrderAndRemembered) {
  PublishedCommunicator published;
  CallLog calls(published);
  EXPECT_FALSE(calls.has_begun(0));
  EXPECT_EQ(calls.take(), 0U);
  EXPECT_EQ(calls.take(3), 1U);
  EXPECT_EQ(calls.take(), 4U);
  EXPECT_TRUE(calls.has_begun(4));
  EXPECT_FALSE(calls.has_begun(5));
}

TEST(CallLog, RanksWithTheSameCallsHaveTheSameHistory) {
  PublishedCommunicator published;
  CallLog one(published);
  CallLog other(published);
  for (CallLog* const calls : {&one, &other}) {
    calls->record({.call = call_of(calls->take(), 10), .before = {}}, true, true);
  }
  EXPECT_EQ(one.history(), other.history());
  one.record({.call = call_of(one.take(), 10), .before = {}}, true, true);
  other.record({.call = call_of(other.take(), 11), .before = {}}, true, true);
  EXPECT_NE(one.history(), other.history());
}

TEST(CallLog, FindsTheLast64AndNoStage) {
  PublishedCommunicator published;
  CallLog calls(published);
  for (std::uint64_t i = 0; i < 65; ++i) calls.record({.call = call_of(calls.take(), i), .before = {}}, true, true);
  EXPECT_EQ(calls.find(0), nullptr);  // 64 took its place
  ASSERT_NE(calls.find(1), nullptr);
  EXPECT_EQ(calls.find(1)->call.count, 1U);
  EXPECT_EQ(calls.find(64)->call.count, 64U);
  calls.record({.call = call_of(calls.take(), 0), .before = {}}, false, false);
  EXPECT_EQ(calls.find(65), nullptr);
  EXPECT_EQ(calls.find(kNoSequence), nullptr);
}

TEST(CallLog, ForgetsACallThatWasNotMade) {
  PublishedCommunicator published;
  CallLog calls(published);
  calls.record({.call = call_of(calls.take(), 3), .before = {}}, true, true);
  const std::uint64_t history = calls.history();
  const CallLog::Mark mark = calls.mark();
  calls.record({.call = call_of(calls.take(), 4), .before = {}}, true, true);
  calls.forget_since(mark);
  EXPECT_EQ(calls.history(), history);
  EXPECT_EQ(calls.last_call().count, 3U);
}

TEST(CallLog, RecordsNothingWhereCallsAreNotCompared) {
  PublishedCommunicator published;
  CallLog calls(published);
  calls.set_compares(false);
  EXPECT_EQ(calls.record({.call = call_of(calls.take(), 3), .before = {}}, true, true), 0U);
  EXPECT_EQ(calls.find(0), nullptr);
}

class FailuresOf : public testing::Test {
 protected:
  KeptChannel control_{1, 3};
  std::vector<std::string> reasons_;
  Failures failures_{control_, [this](const std::string& why) { reasons_.push_back(why); }, true};
};

TEST_F(FailuresOf, TheFirstReasonStaysAndAllAreToldOnce) {
  failures_.fail(7, "first");
  failures_.fail(8, "second");
  EXPECT_EQ(reasons_, std::vector<std::string>{"first"});
  ASSERT_EQ(control_.sent.size(), 2U);
  EXPECT_EQ(control_.sent[0].first, 0);
  EXPECT_EQ(control_.sent[1].first, 2);
  EXPECT_EQ(control_.sent[0].second.sequence, 7U);
  EXPECT_EQ(control_.flushes, 1);
  try {
    failures_.require_usable();
    FAIL() << "usable";
  } catch (const CommunicationError& error) {
    EXPECT_STREQ(error.what(), "communicator unusable since first");
  }
}

TEST_F(FailuresOf, ARefusalThrowsAndLeavesTheCommunicatorUsable) {
  EXPECT_THROW(failures_.refuse(2, "radix 9"), InvalidArgument);
  EXPECT_FALSE(failures_.unusable());
  EXPECT_EQ(failures_.refusal_of(2), "radix 9");
  EXPECT_EQ(failures_.refusal_of(3), "");
  EXPECT_EQ(control_.sent.size(), 2U);
}

TEST_F(FailuresOf, TheSameRefusalElsewhereMeansNothing) {
  EXPECT_THROW(failures_.refuse(2, "radix 9"), InvalidArgument);
  failures_.handle(message_of(ControlMessage::Kind::refused, 0, 2, "radix 9"), true);
  EXPECT_FALSE(failures_.unusable());
}

TEST_F(FailuresOf, ARefusalOfALaterOperationWaitsForIt) {
  failures_.handle(message_of(ControlMessage::Kind::refused, 2, 5, "radix 9"), false);
  EXPECT_FALSE(failures_.unusable());
  failures_.handle_early([](std::uint64_t sequence) { return sequence < 5; });
  EXPECT_FALSE(failures_.unusable());
  EXPECT_THROW(failures_.handle_early([](std::uint64_t sequence) { return sequence < 6; }), CommunicationError);
  EXPECT_EQ(reasons_, std::vector<std::string>{"rank 2: radix 9"});
  // Those that refused it too have to learn that nobody answers any more.
  ASSERT_EQ(control_.sent.size(), 2U);
  EXPECT_EQ(control_.sent[0].second.kind, ControlMessage::Kind::failed);
  EXPECT_EQ(control_.sent[0].second.about, 2);
}

TEST_F(FailuresOf, AFailureElsewhereIsNotToldOn) {
  EXPECT_THROW(failures_.handle(message_of(ControlMessage::Kind::failed, 0, 1, "broken"), true), CommunicationError);
  EXPECT_TRUE(failures_.unusable());
  EXPECT_TRUE(control_.sent.empty());
}

TEST(LivenessOf, ARankThatIsSaidToBeGoneIsSoAfterTheGrace) {
  NodeWatch nobody;
  KeptChannel control(0, 2);
  Liveness liveness(nobody, control, 1);
  const auto now = Clock::now();
  EXPECT_FALSE(liveness.is_any_gone(now));
  liveness.handle(message_of(ControlMessage::Kind::gone, 1, 0, "rank 1 has died"), now);
  ASSERT_EQ(liveness.gone().count(1), 1U);
  EXPECT_FALSE(liveness.gone().at(1).finished);
  EXPECT_EQ(liveness.gone().at(1).words, "rank 1 has died");
  EXPECT_FALSE(liveness.is_any_gone(now + kGoneGrace / 2));
  EXPECT_TRUE(liveness.is_any_gone(now + kGoneGrace));
}

TEST(QuestionsOf, ACallThatDiffersIsToldAndOneThatDoesNotIsAnswered) {
  PublishedCommunicator published;
  CallLog calls(published);
  KeptChannel control(0, 2);
  Questions questions(control, calls);
  calls.record({.call = call_of(calls.take(), 10), .before = {}}, true, true);

  ControlMessage same = message_of(ControlMessage::Kind::asks, 1, 0, "");
  same.header.call = call_of(0, 10);
  same.header.call.history = calls.find(0)->call.history;
  EXPECT_EQ(questions.handle_question(same), "");
  const std::vector<Question> open = questions.take();
  ASSERT_EQ(open.size(), 1U);
  EXPECT_EQ(open[0].peer, 1);
  EXPECT_TRUE(questions.take().empty());

  ControlMessage other = same;
  other.header.call.count = 12;
  const std::string difference = questions.handle_question(other);
  EXPECT_NE(difference.find("allreduce #0"), std::string::npos) << difference;
  EXPECT_NE(difference.find("12"), std::string::npos) << difference;
  EXPECT_TRUE(questions.take().empty());
}

TEST(QuestionsOf, AnswersBelongToTheirOperation) {
  PublishedCommunicator published;
  CallLog calls(published);
  KeptChannel control(0, 2);
  Questions questions(control, calls);
  questions.handle_answer(message_of(ControlMessage::Kind::answers, 1, 4, "is elsewhere"));
  EXPECT_EQ(questions.answer_of(1, 4), "is elsewhere");
  EXPECT_EQ(questions.answer_of(1, 5), "");
  questions.forget_answer(1);
  EXPECT_EQ(questions.answer_of(1, 4), "");
  EXPECT_FALSE(questions.ask(1, 9));  // nothing that could be compared
  ASSERT_EQ(control.sent.size(), 1U);
  EXPECT_EQ(control.sent[0].second.kind, ControlMessage::Kind::asks);
}

class Counted final : public Driven {
 public:
  explicit Counted(bool progress) : progress_(progress) {}
  int calls = 0;
  bool advance_beside() override {
    ++calls;
    return progress_;
  }

 private:
  bool progress_;
};

TEST(ProgressListOf, AdvancesAllButTheOneThatWaits) {
  ProgressList list;
  Counted waiting(true);
  Counted idle(false);
  Counted busy(true);
  for (Driven* const task : {&waiting, &idle, &busy}) list.enlist(*task);
  EXPECT_TRUE(list.advance_others(waiting));
  EXPECT_EQ(waiting.calls, 0);
  EXPECT_EQ(idle.calls, 1);
  EXPECT_EQ(busy.calls, 1);
  list.delist(busy);
  EXPECT_FALSE(list.advance_others(waiting));
  EXPECT_EQ(busy.calls, 1);
}

TEST(ProgressListOf, LooksAreDueAfterAWhile) {
  ProgressList list;
  const auto now = Clock::now();
  EXPECT_TRUE(list.is_look_due(now));
  EXPECT_FALSE(list.is_look_due(now + std::chrono::microseconds(49)));
  EXPECT_TRUE(list.is_look_due(now + std::chrono::microseconds(50)));
}

TEST(EndProtocolOf, RanksWithoutAnythingInCommonPartAtOnce) {
  KeptChannel control(0, 2);
  Failures failures(
      control, [](const std::string&) {}, false);
  EndProtocol end(MPI_COMM_NULL, nullptr, control, failures);
  end.begin();
  EXPECT_TRUE(end.have_all_begun());
  EXPECT_FALSE(end.any_control_messages());
}

}  // namespace
}  // namespace tutti::test
