// Serving calls; see serve.hpp.
#include "allreduce/preload/serve.hpp"

#include <array>
#include <cstdio>
#include <exception>
#include <string>

#include <tutti/collectives/inspect/communicator.hpp>

#include "allreduce/preload/counts.hpp"
#include "allreduce/preload/process.hpp"
#include "allreduce/preload/vote.hpp"

namespace tutti::preload {
namespace {

constexpr bool has_root(Operation operation) noexcept {
  return operation == Operation::bcast || operation == Operation::reduce;
}

/// A code of MPI's with that text. Each is kept by MPI for ever, so there is one for each communicator that fails.
int new_error_code(const std::string& what) {
  int error_class = MPI_ERR_OTHER;
  int code = MPI_ERR_OTHER;
  if (PMPI_Add_error_class(&error_class) != MPI_SUCCESS || PMPI_Add_error_code(error_class, &code) != MPI_SUCCESS) {
    return MPI_ERR_OTHER;
  }
  const std::string told = ("tutti: " + what).substr(0, MPI_MAX_ERROR_STRING - 1);
  PMPI_Add_error_string(code, told.c_str());
  return code;
}

bool ends_the_program(MPI_Comm comm) noexcept {
  MPI_Errhandler handler = MPI_ERRHANDLER_NULL;
  if (PMPI_Comm_get_errhandler(comm, &handler) != MPI_SUCCESS) return false;
  const bool ends = handler == MPI_ERRORS_ARE_FATAL;
  PMPI_Errhandler_free(&handler);
  return ends;
}

/// Says it before the program ends: launchers of Open MPI now and then lose what its own handler says.
void say_failure(const ProgramComm& known) noexcept {
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  int rank = 0;
  PMPI_Comm_rank(MPI_COMM_WORLD, &rank);
  if (PMPI_Error_string(known.failure, text.data(), &length) != MPI_SUCCESS) return;
  (void)std::fprintf(stderr, "rank %d: %s\n", rank, text.data());
}

/// Tells the communicator's own error handler, which may end the program.
int report_failure(const ProgramComm& known) noexcept {
  if (ends_the_program(known.comm)) say_failure(known);
  PMPI_Comm_call_errhandler(known.comm, known.failure);
  return known.failure;
}

/// Whether this rank asks the others to serve a call of so many bytes. They do alike, but in programs that are wrong.
bool is_asked_for(const Shadow& shadow, Operation operation, std::size_t bytes) noexcept {
  if ((shadow.operations & set_of(operation)) == 0) return false;
  const std::uint64_t least = has_root(operation) ? shadow.least_rooted_bytes : shadow.least_bytes;
  if (operation == Operation::barrier) return least == 0;
  return bytes > 0 && bytes >= least;
}

/// What may be behind a wait that does not end.
const char* advice_for(const Shadow& shadow, Operation operation) noexcept {
  if (!shadow.own.state().is_one_node()) {
    return "ranks whose calls are of fewer bytes than TUTTI_PRELOAD_MESSAGE_BYTES make them by MPI";
  }
  if (!has_root(operation)) return nullptr;
  return "a bcast or reduce that the preload serves waits for all ranks, which MPI's may not do: it serves those of "
         "TUTTI_PRELOAD_ROOTED_BYTES bytes or more";
}

/// Whether it was served. \throws whatever tutti throws
bool run(Shadow& shadow, Operation operation, const Arguments& arguments, std::size_t bytes) {
  const Inside inside;
  if (!is_asked_for(shadow, operation, bytes)) {
    let_pass(shadow.own);
    return false;
  }
  shadow.own.state().set_advice(advice_for(shadow, operation));
  const auto call = make_call(shadow, operation, arguments);
  if (!run_if_all_can(shadow.own, call ? &*call : nullptr)) return false;
  finish_call(shadow, operation, arguments, *call);
  return true;
}

/// Finds out what is fixed for the life of a communicator, at the first call on it.
void look_at(ProgramComm& known) noexcept {
  int inter = 0;
  PMPI_Comm_test_inter(known.comm, &inter);
  PMPI_Comm_size(known.comm, &known.size);
  known.is_left = inter != 0 || known.size == 1;
}

/// Whether MPI will refuse the call on this rank whatever the others do: it is none then, and the others may not have
/// it.
bool is_refused(Operation operation, const Arguments& arguments, int size) noexcept {
  return (has_root(operation) && (arguments.root < 0 || arguments.root >= size)) ||
         !data_bytes(operation, arguments, size);
}

/// Counts the call, and makes the shadow if it is the one in which that is done. \throws whatever tutti throws
void come_to_serve(ProgramComm& known, Operation operation) {
  if (known.is_left || known.shadow != nullptr) return;
  if (++known.calls >= process().settings.from_call) make_shadow(known, operation);
}

/// Of a communicator that is MPI's; of one that joins two groups only the call is counted.
std::size_t bytes_passed(Operation operation, MPI_Comm comm, const Arguments& arguments) noexcept {
  if (comm == MPI_COMM_NULL) return 0;
  int inter = 0;
  int size = 1;
  PMPI_Comm_test_inter(comm, &inter);
  PMPI_Comm_size(comm, &size);
  return inter != 0 ? 0 : data_bytes(operation, arguments, size).value_or(0);
}

std::nullopt_t pass(Operation operation, MPI_Comm comm, const Arguments& arguments) noexcept {
  if (counts()) count_passed(operation, bytes_passed(operation, comm, arguments));
  return std::nullopt;
}

void count(Tally& tally, std::size_t bytes) noexcept {
  ++tally.calls;
  tally.bytes += bytes;
}

/// \throws whatever tutti throws
std::optional<int> serve_or_pass(ProgramComm& known, Operation operation, const Arguments& arguments) {
  come_to_serve(known, operation);
  if (known.shadow == nullptr) return pass(operation, known.comm, arguments);
  Shadow& shadow = *known.shadow;
  const std::size_t bytes = data_bytes(operation, arguments, known.size).value_or(0);
  const bool served = run(shadow, operation, arguments, bytes);
  count((served ? shadow.counts.served : shadow.counts.passed)[index(operation)], bytes);
  if (served) return MPI_SUCCESS;
  return std::nullopt;
}

}  // namespace

std::optional<int> try_to_serve(Operation operation, MPI_Comm comm, const Arguments& arguments) noexcept {
  if (!process().running) return std::nullopt;  // MPI says so
  ProgramComm* const known = find_known(comm);
  if (known == nullptr) return pass(operation, comm, arguments);
  if (known->failure != MPI_SUCCESS) return report_failure(*known);
  if (known->size == 0) look_at(*known);
  if (known->is_left || is_refused(operation, arguments, known->size)) return pass(operation, comm, arguments);
  try {
    return serve_or_pass(*known, operation, arguments);
  } catch (const std::exception& error) {
    known->failure = new_error_code(error.what());
    const Inside inside;
    // Unless it has failed: no memory, say, where others wait.
    if (known->shadow != nullptr) known->shadow->own.abandon(error.what());
  }
  return report_failure(*known);
}

}  // namespace tutti::preload
