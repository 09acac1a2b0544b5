// survivor FOLDER COUNT ALGORITHM DEADLINE: calls allreduce until it fails, and writes what happens to
// FOLDER/RANK:
//
//   process PID
//   running           the first calls were right
//   SECONDS MESSAGE   the CommunicationError, so long after the last call that succeeded
//
// Its ranks judge themselves by nothing else: when one is gone, so may be its connection to mpirun.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <tutti/tutti.hpp>

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kFirstCalls = 20;

/// Calls until an allreduce throws or a result is wrong.
std::string run(const tutti::Communicator& comm, std::vector<float>& data, const std::string& algorithm,
                std::ofstream& out) {
  auto succeeded = Clock::now();
  try {
    for (int call = 0;; ++call) {
      if (call == kFirstCalls) out << "running" << std::endl;
      std::fill(data.begin(), data.end(), 1.0F);
      tutti::allreduce(comm, std::span(data), tutti::ReduceOp::sum, {.algorithm = algorithm});
      for (const float sum : data) {
        if (sum != static_cast<float>(comm.size())) return "wrong result";
      }
      succeeded = Clock::now();
    }
  } catch (const tutti::CommunicationError& error) {
    const std::chrono::duration<double> waited = Clock::now() - succeeded;
    return std::to_string(waited.count()) + ' ' + error.what();
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: survivor FOLDER COUNT ALGORITHM DEADLINE\n");
    return 2;
  }
  const tutti::Session session(&argc, &argv);
  const tutti::Communicator comm(MPI_COMM_WORLD, {.timeout = std::chrono::duration<double>(std::stod(argv[4]))});
  std::ofstream out(std::string(argv[1]) + '/' + std::to_string(comm.rank()));
  out << "process " << getpid() << std::endl;
  std::vector<float> data(std::stoul(argv[2]));
  out << run(comm, data, argv[3], out) << std::endl;
  // A rank that left now would take the others with it: mpirun ends them all.
  std::this_thread::sleep_for(std::chrono::seconds(60));
  std::_Exit(1);
}
