// The errors of the library. Each message is one sentence that names what is wrong and where;
// text.hpp puts it together.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <memory>
#include <new>
#include <stdexcept>
#include <string>

#pragma GCC visibility push(default)
namespace tutti {

/// Base of every error that tutti throws, but for those of memory, which are std::bad_alloc.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// An argument is wrong: the call did nothing, and the communicator stays usable if all ranks were wrong alike.
class InvalidArgument : public Error {
 public:
  using Error::Error;
};

/// Something failed during an operation: the communicator is unusable, buffers of the operation must not be reused.
class CommunicationError : public Error {
 public:
  using Error::Error;
};

/// Memory that is asked for is not there, and none was taken. The message tells how much was asked for, how much is
/// available, and where.
class OutOfMemory : public std::bad_alloc {
 public:
  explicit OutOfMemory(const std::string& what) : text_(std::make_shared<const std::string>(what)) {}
  const char* what() const noexcept override { return text_->c_str(); }

 private:
  std::shared_ptr<const std::string> text_;  // so that copying cannot fail
};

/// A file cannot be read or written, or does not hold what it should. The message names the file.
class DataError : public Error {
 public:
  using Error::Error;
};

}  // namespace tutti
#pragma GCC visibility pop
