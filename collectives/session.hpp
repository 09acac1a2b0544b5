// MPI's lifetime, for programs that have no MPI_Init of their own.
#pragma once

#pragma GCC visibility push(default)
namespace tutti {

/// Initialises MPI with MPI_THREAD_FUNNELED (or more, as the environment grants) unless the program has done so, and
/// finalises it in the destructor if it was this object that initialised it.
class Session {
 public:
  Session(int* argc, char*** argv);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

 private:
  bool owner_ = false;
};

}  // namespace tutti
#pragma GCC visibility pop
