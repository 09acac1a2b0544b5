// Starting persistent operations; see request.hpp.
#include <tutti/collectives/request.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti {

void PersistentRequest::start() {
  if (!begin_) throw InvalidArgument("PersistentRequest: start() of an empty one");
  if (!running_.done()) throw InvalidArgument("PersistentRequest: start() before the last one was waited for");
  running_ = Request(begin_());
}

bool PersistentRequest::test() {
  try {
    return running_.test();
  } catch (...) {
    running_ = {};
    throw;
  }
}

void PersistentRequest::wait() {
  try {
    running_.wait();
  } catch (...) {
    running_ = {};
    throw;
  }
}

}  // namespace tutti
