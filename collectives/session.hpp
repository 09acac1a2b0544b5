// MPI's lifetime, for programs that have no MPI_Init of their own.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <exception>

#pragma GCC visibility push(default)
namespace tutti {

/// Initialises MPI with MPI_THREAD_FUNNELED (or more, as the environment grants) unless the program has done so, and
/// finalises it in the destructor if it was this object that initialised it.
///
/// An exception that nothing catches then ends all ranks: one line on standard error, "tutti: error: rank 0: ...", and
/// MPI_Abort. The lowest rank that fails speaks for all: others first wait to be ended, 2 s at most. It is a
/// terminate handler (std::set_terminate), which a program may replace.
class Session {
 public:
  Session(int* argc, char*** argv);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

 private:
  bool owner_ = false;
  std::terminate_handler before_ = nullptr;
};

}  // namespace tutti
#pragma GCC visibility pop
