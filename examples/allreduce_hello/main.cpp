#include <cstdio>

#include <tutti/tutti.hpp>

int main(int argc, char** argv) {
  tutti::Session session(&argc, &argv);
  tutti::Communicator comm(MPI_COMM_WORLD);

  auto gradient = comm.allocate<float>(1'000'000);
  for (float& value : gradient) value = static_cast<float>(comm.rank());

  tutti::allreduce(comm, gradient.span(), tutti::ReduceOp::avg);

  if (comm.rank() == 0) std::printf("%d ranks, average %g\n", comm.size(), gradient[0]);
}
