// What all subcommands share: sizes with suffixes, and who prints an error.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include <tutti/kernels/error.hpp>

namespace tutti::tools {

/// Bytes: digits, then K, M or G (powers of 1024), then optionally B or iB: "8", "64K", "256M", "1GiB".
/// \throws InvalidArgument naming `option` and the text.
std::size_t parse_size(std::string_view option, std::string_view text);

/// The shortest form that parse_size() reads back: 65536 is "64K", 1000 is "1000".
std::string format_size(std::size_t bytes);

/// The rank that the launcher gave to this process, from the environment, so that it is known before MPI starts; 0
/// without one.
int launched_rank();

/// How many ranks the launcher started, from the environment; 1 without one.
int launched_ranks();

/// An error whose line has been printed, and the exit status that it asks for.
class Reported : public Error {
 public:
  explicit Reported(const std::string& what, int status = 1) : Error(what), status_(status) {}
  int status() const noexcept { return status_; }

 private:
  int status_;
};

/// Where this program lies.
std::filesystem::path program_path();

/// Writes out what standard output still holds. \throws Error if any of it is lost: the disk is full, or nothing
/// receives it. A closed standard output is no error.
void finish_output();

/// Prints `tutti: error: MESSAGE` on standard error as one line.
void print_error(std::string_view message);

}  // namespace tutti::tools
