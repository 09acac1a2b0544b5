// The one place where MPI's return codes become errors.
#pragma once

#include <mpi.h>

#include <string>

namespace tutti::detail {

/// What MPI says of the code.
std::string mpi_text(int code);

[[noreturn]] void throw_mpi(int code, const char* what, const char* file, int line);

/// Throws CommunicationError with MPI's own text, file and line if `code` is not MPI_SUCCESS.
inline void check_mpi(int code, const char* what, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  if (code != MPI_SUCCESS) throw_mpi(code, what, file, line);
}

/// Duplicates `parent`, with errors returned instead of fatal. Collective. \throws CommunicationError
MPI_Comm duplicate(MPI_Comm parent);

}  // namespace tutti::detail
