// The flight record of ranks: what is in it after calls that are known, and after a failure.
#include <gtest/gtest.h>
#include <mpi.h>

#include <chrono>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <tutti/tutti.h>
#include <tests/support/ranks/errors.hpp>
#include <tests/support/ranks/members.hpp>
#include <tests/support/temporary_folder.hpp>
#include <tutti/collectives/flight_recorder.hpp>
#include <tutti/collectives/point_to_point.hpp>

namespace tutti::test {
namespace {

using nlohmann::json;

json read_record(const std::string& path) {
  std::string content = read_file(path);
  json record = json::parse(content, nullptr, false);
  EXPECT_FALSE(record.is_discarded()) << content;
  return record;
}

json own_record() {
  const TemporaryFolder folder;
  const std::string path = (folder.path() / "record.json").string();
  write_flight_record(path);
  return read_record(path);
}

/// The operations of a communicator that this test made: the last in the record.
json operations_of_last(const json& record) {
  const json& communicator = record["communicators"].back();
  json operations = json::array();
  for (const json& operation : record["operations"]) {
    if (operation["communicator"] == communicator["id"]) operations.push_back(operation);
  }
  return operations;
}

TEST(Record, HoldsWhatWasCalled) {
  const Communicator comm(MPI_COMM_WORLD, patient());
  const int right = (comm.rank() + 1) % comm.size();
  const int left = (comm.rank() + comm.size() - 1) % comm.size();
  std::vector<float> data(1000);
  allreduce(comm, std::span(data), ReduceOp::max);
  allreduce(comm, std::span(data), ReduceOp::sum, {.algorithm = "ring"});
  broadcast(comm, std::span(data).first(10), comm.size() - 1);
  barrier(comm);
  std::vector<std::int16_t> words(5);
  MessageGroup group(comm);
  group.receive(std::span(words), left);
  group.send(std::span(words), right);
  group.start().wait();

  const json record = own_record();
  EXPECT_EQ(record["format"], "tutti flight record 1");
  EXPECT_EQ(record["rank"], comm.rank());
  EXPECT_EQ(record["pid"], getpid());
  EXPECT_EQ(record["communicators"].back()["rank"], comm.rank());
  EXPECT_EQ(record["communicators"].back()["ranks"], comm.size());
  EXPECT_EQ(record["communicators"].back()["state"], "usable");
  const json operations = operations_of_last(record);
  // A rank alone runs no collective.
  const std::vector<std::string> wanted =
      comm.size() > 1 ? std::vector<std::string>{"allreduce", "allreduce", "broadcast", "barrier", "receive", "send"}
                      : std::vector<std::string>{"receive", "send"};
  ASSERT_EQ(operations.size(), wanted.size()) << record.dump(1);
  double last_begin = 0;
  for (std::size_t i = 0; i < operations.size(); ++i) {
    const json& operation = operations[i];
    EXPECT_EQ(operation["kind"], wanted[i]);
    EXPECT_EQ(operation["state"], "complete");
    EXPECT_GE(operation["begin_s"].get<double>(), last_begin);
    EXPECT_GE(operation["end_s"].get<double>(), operation["begin_s"].get<double>());
    last_begin = operation["begin_s"];
  }
  const json& sent = operations.back();
  EXPECT_EQ(sent["peer"], right);
  EXPECT_EQ(sent["dtype"], "i16");
  EXPECT_EQ(sent["bytes"], 10);
  EXPECT_FALSE(sent.contains("sequence"));
  if (comm.size() == 1) return;
  EXPECT_EQ(operations[0]["algorithm"] == "node memory", comm.selection_facts().shared_memory) << operations[0];
  EXPECT_EQ(operations[0]["op"], "max");
  EXPECT_EQ(operations[1]["algorithm"], "ring");
  EXPECT_EQ(operations[1]["sequence"], 1);
  EXPECT_EQ(operations[1]["bytes"], 4000);
  EXPECT_EQ(operations[2]["root"], comm.size() - 1);
  EXPECT_EQ(operations[2]["count"], 10);
}

TEST(Record, TellsWhatIsStillRunning) {
  const Communicator comm(MPI_COMM_WORLD, patient());
  if (comm.size() == 1) GTEST_SKIP() << "alone, a collective is over at once";
  int one = 1;
  int other = 1;
  if (comm.rank() == 0) MPI_Barrier(comm.mpi());  // begins when the others have looked at what they wait for
  Request first = iallreduce(comm, Buffer(std::span(&one, 1)), ReduceOp::sum);
  if (comm.rank() != 0) {
    const json operations = operations_of_last(own_record());
    ASSERT_EQ(operations.size(), 1U);
    EXPECT_EQ(operations[0]["state"], "running");
    EXPECT_TRUE(operations[0]["end_s"].is_null());
    MPI_Barrier(comm.mpi());
  }
  first.wait();
  Request second = iallreduce(comm, Buffer(std::span(&other, 1)), ReduceOp::sum);
  second.wait();
  for (const json& operation : operations_of_last(own_record())) EXPECT_EQ(operation["state"], "complete");
}

TEST(Record, KnowsARankThatOnlyReceivesFromAny) {
  const Communicator comm(MPI_COMM_WORLD, patient());
  int word = comm.rank();
  if (comm.rank() == 0) {
    for (int i = 1; i < comm.size(); ++i) receive(comm, std::span(&word, 1), kAnySource);
  } else {
    send(comm, std::span(&word, 1), 0);
  }
  barrier(comm);
  if (comm.rank() != 0) return;
  std::vector<int> peers;
  for (const json& operation : operations_of_last(own_record())) {
    if (operation["kind"] == "receive") peers.push_back(operation["peer"]);
  }
  std::sort(peers.begin(), peers.end());
  std::vector<int> others;
  for (int rank = 1; rank < comm.size(); ++rank) others.push_back(rank);
  EXPECT_EQ(peers, others);
}

TEST(Record, ForgetsTheOldest) {
  const Communicator comm(MPI_COMM_SELF);
  std::int8_t byte = 0;
  for (int i = 0; i < 1100; ++i) {
    Request received = ireceive(comm, Buffer(std::span(&byte, 1)), 0);
    send(comm, std::span(&byte, 1), 0);
    received.wait();
  }
  const json record = own_record();
  EXPECT_EQ(record["operations"].size(), 1024U);
  EXPECT_EQ(record["dropped"], record["operations"].front()["number"].get<int>() - 1);
  EXPECT_GE(record["dropped"], 2200 - 1024);
}

TEST(Record, TellsCommunicatorsApart) {
  const Communicator world(MPI_COMM_WORLD, patient());
  std::string stamp;
  {
    const Communicator first(MPI_COMM_WORLD, patient());
    barrier(first);
    stamp = own_record()["communicators"].back()["stamp"];
    EXPECT_EQ(own_record()["communicators"].back()["state"], "usable");
  }
  const json record = own_record();
  EXPECT_EQ(record["communicators"].back()["stamp"], stamp);
  EXPECT_EQ(record["communicators"].back()["state"], "freed");
  // More than there is room for at one time: those that were freed make room.
  for (int i = 0; i < 70; ++i) {
    const Communicator next(MPI_COMM_SELF);
    EXPECT_EQ(own_record()["communicators"].back()["ranks"], 1);
  }
  EXPECT_EQ(own_record()["communicators"].size(), 64U);
}

/// With %r and its like, with a folder, and of the rank that failed as of those that were told.
TEST(Record, IsWrittenWhenACommunicatorFails) {
  const TemporaryFolder folder;
  for (const bool into_folder : {false, true}) {
    const std::string rank = std::to_string(world_rank());
    const std::string name = into_folder ? "tutti-record-" + rank + ".json" : "failed-" + rank + "-%.json";
    const std::string pattern = into_folder ? folder.path().string() : (folder.path() / "failed-%r-%%.json").string();
    setenv("TUTTI_FLIGHT_RECORD", pattern.c_str(), 1);
    {
      const Communicator comm = with_timeout(20);
      barrier(comm);
      if (comm.rank() == 0) comm.abandon("enough \"of it\"");
      if (comm.size() > 1) expect_unusable(comm);
    }
    unsetenv("TUTTI_FLIGHT_RECORD");
    const json record = read_record((folder.path() / name).string());
    EXPECT_TRUE(contains(record["why"], "enough \"of it\""));
    EXPECT_EQ(record["communicators"].back()["state"], "failed");
  }
}

TEST(Record, NamesTheOperationThatFailed) {
  const TemporaryFolder folder;
  const Communicator comm = with_timeout(0.5);
  if (comm.size() == 1) GTEST_SKIP() << "needs a peer";
  setenv("TUTTI_FLIGHT_RECORD", folder.path().c_str(), 1);
  const int missing = comm.size() - 1;
  if (comm.rank() != missing) {
    EXPECT_EQ(attempt([&] { allreduce(comm, lasting<float>(3), ReduceOp::sum); }).outcome, Outcome::communication);
    const json record =
        read_record((folder.path() / ("tutti-record-" + std::to_string(comm.rank()) + ".json")).string());
    EXPECT_TRUE(contains(record["why"], "no progress for 0.5 s"));
    EXPECT_EQ(operations_of_last(record).back()["kind"], "allreduce");
    // The record on error is written while the operation fails; afterwards it is known to have failed.
    EXPECT_EQ(operations_of_last(own_record()).back()["state"], "failed");
  }
  unsetenv("TUTTI_FLIGHT_RECORD");
  MPI_Barrier(MPI_COMM_WORLD);
  expect_unusable(comm);
}

TEST(Record, ThatCannotBeWrittenIsAnError) {
  EXPECT_THROW(write_flight_record("/nonexistent/record.json"), DataError);
  EXPECT_EQ(tutti_write_flight_record("/nonexistent/record.json"), TUTTI_ERROR_OTHER);
  EXPECT_NE(std::string(tutti_error_text()).find("/nonexistent/record.json: cannot be written"), std::string::npos);
  EXPECT_EQ(tutti_write_flight_record(nullptr), TUTTI_ERROR_INVALID_ARGUMENT);
}

}  // namespace
}  // namespace tutti::test
