// watch_ranks FOLDER SCENARIO: ranks that get into trouble, for tests that look at them from outside or end some. Rank
// R writes lines to FOLDER/R:
//
//   process PID
//   running           it is where the scenario wants it
//   SECONDS MESSAGE   the CommunicationError, so long after the last call that succeeded
//
// Scenarios:
//   loop OPERATION    every three ranks call OPERATION on a communicator of their own until it fails; OPERATION may be
//                     several, separated by commas, which the threes take in turn
//   outside           after five allreduces the last rank stays away from the sixth
//   circle            ranks 0 and 1 receive from each other, rank 2 waits for both in a barrier
//   any               rank 0 receives from any rank; rank 1 has ended with MPI, rank 2 sends
//   together OPERATION  all ranks call OPERATION until it fails
//   trace FILE        a few collectives, with pauses; FILE is written as write_trace() does
//
// What waits does so until FOLDER/go exists, or for a minute.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <span>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <tutti/collectives/flight_recorder.hpp>
#include <tutti/tutti.hpp>

namespace {

using Clock = std::chrono::steady_clock;
using tutti::Communicator;
using tutti::ReduceOp;

constexpr auto kLimit = std::chrono::seconds(60);

struct Rank {
  std::string folder;
  std::ofstream out;

  void say(const std::string& line) { out << line << std::endl; }

  void wait_for_go() const {
    const auto end = Clock::now() + kLimit;
    while (!std::filesystem::exists(folder + "/go") && Clock::now() < end) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }
};

tutti::Allocation<float>& shared_buffer(const Communicator& comm) {
  static auto* const buffer = new tutti::Allocation<float>(comm.allocate<float>(300'000));
  return *buffer;
}

std::vector<float>& plain_buffer() {
  static auto* const buffer = new std::vector<float>(300'000);
  return *buffer;
}

std::span<const float> input(std::size_t count) { return std::span(plain_buffer()).first(count); }
std::span<float> output(std::size_t count) { return std::span(plain_buffer()).subspan(100'000, count); }

void exchange_around(const Communicator& comm, std::size_t count) {
  const auto data = std::span(plain_buffer());
  tutti::MessageGroup group(comm);
  group.receive(data.subspan(count, count), (comm.rank() + comm.size() - 1) % comm.size());
  group.send(data.first(count), (comm.rank() + 1) % comm.size());
  group.start().wait();
}

/// Rank 0 hears from all others in any order, and then answers.
void serve_any(const Communicator& comm) {
  int word = comm.rank();
  std::vector<int> heard;
  for (int i = 1; comm.rank() == 0 && i < comm.size(); ++i) {
    heard.push_back(tutti::receive(comm, std::span(&word, 1), tutti::kAnySource));
  }
  for (const int from : heard) tutti::send(comm, std::span(&word, 1), from);
  if (comm.rank() == 0) return;
  tutti::send(comm, std::span(&word, 1), 0);
  tutti::receive(comm, std::span(&word, 1), 0);
}

const std::map<std::string, std::function<void(const Communicator&)>> kOperations = {
    {"allreduce", [](const Communicator& c) { allreduce(c, std::span(plain_buffer()).first(2), ReduceOp::sum); }},
    {"large", [](const Communicator& c) { allreduce(c, shared_buffer(c).span(), ReduceOp::sum); }},
    {"large_plain", [](const Communicator& c) { allreduce(c, std::span(plain_buffer()), ReduceOp::sum); }},
    {"ring",
     [](const Communicator& c) { allreduce(c, std::span(plain_buffer()), ReduceOp::sum, {.algorithm = "ring"}); }},
    {"broadcast", [](const Communicator& c) { broadcast(c, output(9'000), 0); }},
    {"reduce", [](const Communicator& c) { reduce(c, input(9'000), output(9'000), ReduceOp::sum, 0); }},
    {"all_gather", [](const Communicator& c) { all_gather(c, input(3'000), output(9'000)); }},
    {"reduce_scatter", [](const Communicator& c) { reduce_scatter(c, input(9'000), output(3'000), ReduceOp::sum); }},
    {"gather", [](const Communicator& c) { gather(c, input(3'000), output(9'000), 0); }},
    {"scatter", [](const Communicator& c) { scatter(c, input(9'000), output(3'000), 0); }},
    {"all_to_all", [](const Communicator& c) { all_to_all(c, input(9'000), output(9'000)); }},
    {"barrier", [](const Communicator& c) { barrier(c); }},
    {"messages", [](const Communicator& c) { exchange_around(c, 1); }},
    {"large_messages", [](const Communicator& c) { exchange_around(c, 100'000); }},
    {"any_source", serve_any},
};

/// One of several words that commas separate.
std::string word(const std::string& words, int number) {
  std::vector<std::string> all;
  std::istringstream in(words);
  for (std::string one; std::getline(in, one, ',');) all.push_back(one);
  return all.at(static_cast<std::size_t>(number) % all.size());
}

void loop(Rank& self, const Communicator& ranks, const std::string& operation) {
  auto succeeded = Clock::now();
  try {
    for (int call = 0;; ++call) {
      if (call == 20) self.say("running");
      kOperations.at(operation)(ranks);
      succeeded = Clock::now();
    }
  } catch (const tutti::CommunicationError& error) {
    const std::chrono::duration<double> waited = Clock::now() - succeeded;
    self.say(std::to_string(waited.count()) + ' ' + error.what());
  }
  self.wait_for_go();  // whoever leaves now could be taken for dead by others
  std::_Exit(0);       // MPI_Finalize would wait for the dead
}

void stay_outside(Rank& self, const Communicator& world) {
  int one = 1;
  for (int i = 0; i < 5; ++i) allreduce(world, std::span(&one, 1), ReduceOp::max);
  self.say("running");
  if (world.rank() == world.size() - 1) self.wait_for_go();
  allreduce(world, std::span(&one, 1), ReduceOp::max);
}

void wait_in_a_circle(Rank& self, const Communicator& world) {
  int one = 1;
  self.say("running");
  try {
    if (world.rank() == 2) {
      barrier(world);
    } else {
      receive(world, std::span(&one, 1), 1 - world.rank());
    }
  } catch (const tutti::CommunicationError& error) {
    self.say(std::string("0 ") + error.what());
  }
  std::_Exit(0);
}

/// Rank 1 waits in MPI_Finalize for the others, where the test ends it.
void await_any(Rank& self, const Communicator& world) {
  int word = 0;
  self.say("running");
  if (world.rank() == 1) MPI_Finalize();
  if (world.rank() == 2) {
    self.wait_for_go();
    send(world, std::span(&word, 1), 0);
    std::this_thread::sleep_for(kLimit);
  }
  try {
    receive(world, std::span(&word, 1), tutti::kAnySource);
    self.say("0 received");
    receive(world, std::span(&word, 1), tutti::kAnySource);
  } catch (const tutti::CommunicationError& error) {
    self.say(std::string("0 ") + error.what());
  }
  std::_Exit(0);
}

void trace(const Communicator& world, const std::string& file) {
  std::vector<float> data(1000);
  for (int i = 0; i < 4; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(world.rank() == i % world.size() ? 20 : 0));
    allreduce(world, std::span(data), ReduceOp::sum);
    broadcast(world, std::span(data), 0);
  }
  if (!file.empty()) tutti::write_trace(world, file);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: watch_ranks FOLDER SCENARIO [ARGUMENT]\n");
    return 2;
  }
  const std::string scenario = argv[2];
  const std::string argument = argc > 3 ? argv[3] : "";
  const tutti::Session session(&argc, &argv);
  const Communicator world(MPI_COMM_WORLD, {.timeout = std::chrono::seconds(20)});
  Rank self{argv[1], std::ofstream(std::string(argv[1]) + '/' + std::to_string(world.rank()))};
  self.say("process " + std::to_string(getpid()));
  if (scenario == "loop") loop(self, *world.split(world.rank() / 3), word(argument, world.rank() / 3));
  if (scenario == "together") loop(self, world, argument);
  if (scenario == "outside") stay_outside(self, world);
  if (scenario == "circle") wait_in_a_circle(self, world);
  if (scenario == "any") await_any(self, world);
  if (scenario == "trace") trace(world, argument);
  return 0;
}
