// MPI's errors; see mpi_call.hpp.
#include <cstddef>
#include <tutti/collectives/system/mpi_call.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::detail {

std::string mpi_text(int code) {
  char buffer[MPI_MAX_ERROR_STRING] = {};
  int length = 0;
  MPI_Error_string(code, buffer, &length);
  return {buffer, static_cast<std::size_t>(length)};
}

void throw_mpi(int code, const char* what, const char* file, int line) {
  throw CommunicationError(text(what, ": ", mpi_text(code), " (", file, ":", line, ")"));
}

MPI_Comm duplicate(MPI_Comm parent) {
  MPI_Comm copy = MPI_COMM_NULL;
  check_mpi(MPI_Comm_dup(parent, &copy), "MPI_Comm_dup");
  check_mpi(MPI_Comm_set_errhandler(copy, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  return copy;
}

}  // namespace tutti::detail
