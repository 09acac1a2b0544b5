// Variables of the environment for as long as a test needs them.
#pragma once

#include <cstdlib>
#include <string>

namespace tutti::test {

/// Set in this process, and in the programs that it starts, while it lives.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) { ::setenv(name, value.c_str(), 1); }
  ~Variable() { ::unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
};

}  // namespace tutti::test
