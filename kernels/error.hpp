// The errors of the library. Each message is one sentence that names what is wrong and where;
// text.hpp puts it together.
#pragma once

#include <stdexcept>

#pragma GCC visibility push(default)
namespace tutti {

/// Base of every error that tutti throws.
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

/// A file cannot be read or written, or does not hold what it should. The message names the file.
class DataError : public Error {
 public:
  using Error::Error;
};

}  // namespace tutti
#pragma GCC visibility pop
