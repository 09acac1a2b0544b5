// Serving a call of the program's, or passing it to MPI.
#pragma once

#include <mpi.h>

#include <optional>

#include "allreduce/preload/calls.hpp"
#include "allreduce/preload/operations.hpp"
#include "allreduce/preload/shadow.hpp"

namespace tutti::preload {

/// Serves the call if all ranks can: what it returns. Nothing, and nothing is done, if MPI is to serve it.
std::optional<int> try_to_serve(Operation operation, MPI_Comm comm, const Arguments& arguments) noexcept;

/// What MPI's function of that name returns, of which `pass` calls the original.
template <class Pass>
int serve(Operation operation, MPI_Comm comm, const Arguments& arguments, const Pass& pass) {
  if (Inside::here()) return pass();
  const std::optional<int> served = try_to_serve(operation, comm, arguments);
  return served ? *served : pass();
}

}  // namespace tutti::preload
