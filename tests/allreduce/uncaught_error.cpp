// A program that catches nothing (uncaught_error.sh): how an error ends all ranks.
#include <stdexcept>
#include <string_view>
#include <vector>

#include <tutti/tutti.hpp>

int main(int argc, char** argv) {
  tutti::Session session(&argc, &argv);
  const tutti::Communicator comm(MPI_COMM_WORLD, {.timeout = std::chrono::seconds(30)});
  const std::string_view how = argc > 1 ? argv[1] : "";
  std::vector<float> data(how == "mismatch" ? static_cast<std::size_t>(10 + comm.rank()) : 10);
  if (how == "last" && comm.rank() == comm.size() - 1) throw std::runtime_error("the last rank has no data");
  if (how == "number" && comm.rank() == comm.size() - 1) throw 7;
  tutti::allreduce(comm, data, tutti::ReduceOp::sum);
  tutti::barrier(comm);
  if (how == "all") throw std::runtime_error("no rank has data");
}
