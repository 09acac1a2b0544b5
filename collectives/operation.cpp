// Starting persistent operations; see operation.hpp.
#include <tutti/collectives/operation.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti {

void PersistentOperation::start() {
  if (!begin_) throw InvalidArgument("PersistentOperation: start() of an empty one");
  if (!running_.done()) throw InvalidArgument("PersistentOperation: start() before the last one was waited for");
  running_ = Operation(begin_());
}

bool PersistentOperation::test() {
  try {
    return running_.test();
  } catch (...) {
    running_ = {};
    throw;
  }
}

void PersistentOperation::wait() {
  try {
    running_.wait();
  } catch (...) {
    running_ = {};
    throw;
  }
}

}  // namespace tutti
