// The one place where MPI's return codes become errors.
#pragma once

#include <mpi.h>

namespace tutti::detail {

/// Throws CommunicationError with MPI's own text, file and line if `code` is not MPI_SUCCESS.
void check_mpi(int code, const char* what, const char* file = __builtin_FILE(), int line = __builtin_LINE());

}  // namespace tutti::detail
