// Reading and writing whole files; see whole_file.hpp.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>
#include <tutti/kernels/whole_file.hpp>

namespace tutti {
namespace {

[[noreturn]] void fail(const std::string& file, const char* what, int error) {
  throw DataError(text(file, ": ", what, ": ", std::generic_category().message(error)));
}

bool is_no_regular_file(const std::string& file) {
  struct stat status {};
  return ::stat(file.c_str(), &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode);
}

std::string name_beside(const std::string& file, Writers writers) {
  if (is_no_regular_file(file)) return file;
  const std::size_t name = file.rfind('/') + 1;  // 0 if there is none
  const std::string process = writers == Writers::several ? text(".", ::getpid()) : std::string();
  return text(file.substr(0, name), '.', file.substr(name), process, ".tmp");
}

/// Calls `write(rest)` until nothing is left, as a call may write less than all.
template <class Write>
void write_all(const std::string& file, std::span<const std::byte> rest, Write write) {
  while (!rest.empty()) {
    const ssize_t written = write(rest);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) fail(file, "cannot be written", written < 0 ? errno : EIO);
    rest = rest.subspan(static_cast<std::size_t>(written));
  }
}

}  // namespace

WholeFile::WholeFile(std::string file, Writers writers)
    : file_(std::move(file)),
      written_(name_beside(file_, writers)),
      descriptor_(::open(written_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)) {
  if (descriptor_ < 0) fail(file_, "cannot be written", errno);
}

WholeFile::~WholeFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!written_.empty() && written_ != file_) ::unlink(written_.c_str());
}

void WholeFile::append(std::string_view content) {
  write_all(file_, std::as_bytes(std::span(content)),
            [&](std::span<const std::byte> rest) { return ::write(descriptor_, rest.data(), rest.size()); });
}

void WholeFile::write(std::uint64_t offset, std::span<const std::byte> bytes) {
  write_all(file_, bytes, [&](std::span<const std::byte> rest) {
    const std::uint64_t at = offset + (bytes.size() - rest.size());
    return ::pwrite(descriptor_, rest.data(), rest.size(), static_cast<off_t>(at));
  });
}

void WholeFile::finish(std::uint64_t size) {
  if (::ftruncate(descriptor_, static_cast<off_t>(size)) != 0) fail(file_, "cannot be written", errno);
  if (::fsync(descriptor_) != 0) fail(file_, "cannot be synced to disk", errno);
  close();
}

void WholeFile::close() {
  // close() reports errors of delayed writes on network file systems, so its result counts.
  if (::close(std::exchange(descriptor_, -1)) != 0) fail(file_, "cannot be closed", errno);
}

void WholeFile::publish() {
  if (descriptor_ >= 0) close();
  if (written_ != file_ && std::rename(written_.c_str(), file_.c_str()) != 0)
    fail(file_, "cannot be renamed from its temporary name", errno);
  written_.clear();
}

void write_whole_file(const std::string& file, std::string_view content) {
  WholeFile whole(file);
  whole.append(content);
  whole.publish();
}

std::string read_whole_file(const std::string& file) {
  struct stat status {};
  if (::stat(file.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) fail(file, "cannot be read", EISDIR);
  errno = 0;
  std::ifstream in(file, std::ios::binary);
  if (!in) fail(file, "cannot be read", errno != 0 ? errno : EIO);
  std::string content{std::istreambuf_iterator<char>(in), {}};
  if (in.bad()) fail(file, "cannot be read", EIO);
  return content;
}

}  // namespace tutti
