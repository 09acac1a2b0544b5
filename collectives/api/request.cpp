// Waiting for requests, and starting persistent ones; see request.hpp.
#include <utility>

#include <tutti/collectives/request.hpp>
#include <tutti/collectives/system/task.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti {

Request::Request() noexcept = default;
Request::Request(std::unique_ptr<detail::Task> task) noexcept : task_(std::move(task)) {}
Request::Request(Request&& other) noexcept = default;
Request& Request::operator=(Request&& other) noexcept = default;
Request::~Request() = default;

bool Request::test() {
  if (task_ && task_->poll()) task_.reset();
  return !task_;
}

void Request::wait() {
  if (task_) task_->wait();
  task_.reset();
}

PersistentRequest::PersistentRequest(std::function<std::unique_ptr<detail::Task>()> begin) : begin_(std::move(begin)) {}

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
