#include <tutti/io/detail/files.hpp>

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>

#include <tutti/kernels/error.hpp>

namespace tutti::io {

namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const fs::path& file, const char* what, int error) {
  throw DataError(fmt::format("{}: {}: {}", file.string(), what, std::generic_category().message(error)));
}

// Removes a temporary file unless it got its name.
class Remover {
 public:
  explicit Remover(fs::path file) : file_(std::move(file)) {}
  ~Remover() {
    if (!file_.empty()) ::unlink(file_.c_str());
  }
  Remover(const Remover&) = delete;
  Remover& operator=(const Remover&) = delete;
  void release() { file_.clear(); }

 private:
  fs::path file_;
};

class Descriptor {
 public:
  explicit Descriptor(int descriptor) : descriptor_(descriptor) {}
  ~Descriptor() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return descriptor_; }
  // close() reports errors of delayed writes on network file systems, so its result counts.
  int close() { return ::close(std::exchange(descriptor_, -1)); }

 private:
  int descriptor_;
};

fs::path folder_of(const fs::path& file) { return file.has_parent_path() ? file.parent_path() : fs::path("."); }

void sync_and_close(Descriptor& descriptor, const fs::path& file) {
  if (::fsync(descriptor.get()) != 0) fail(file, "cannot be synced to disk", errno);
  if (descriptor.close() != 0) fail(file, "cannot be closed", errno);
}

void take_name(const fs::path& temporary, const fs::path& file) {
  if (::rename(temporary.c_str(), file.c_str()) != 0) fail(file, "cannot be renamed from its temporary name", errno);
}

}  // namespace

fs::path temporary_name(const fs::path& file) {
  return folder_of(file) / fmt::format(".{}.tmp", file.filename().string());
}

void sync_folder(const fs::path& folder) {
  Descriptor descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (descriptor.get() < 0) fail(folder, "cannot be opened", errno);
  // Some network file systems cannot sync a folder and say so by EINVAL; there a rename is as durable as it gets.
  if (::fsync(descriptor.get()) != 0 && errno != EINVAL && errno != ENOTSUP) fail(folder, "cannot be synced", errno);
}

void publish(const fs::path& temporary, const fs::path& file) {
  Remover remover(temporary);
  Descriptor descriptor(::open(temporary.c_str(), O_RDONLY | O_CLOEXEC));
  if (descriptor.get() < 0) fail(temporary, "cannot be opened", errno);
  sync_and_close(descriptor, file);
  take_name(temporary, file);
  remover.release();
}

void write_file(const fs::path& file, std::span<const std::byte> bytes) {
  const fs::path temporary = temporary_name(file);
  Descriptor descriptor(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (descriptor.get() < 0) fail(file, "cannot be written", errno);
  Remover remover(temporary);
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) fail(file, "cannot be written", written < 0 ? errno : EIO);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  sync_and_close(descriptor, file);
  take_name(temporary, file);
  remover.release();
  sync_folder(folder_of(file));
}

std::string read_text(const fs::path& file) {
  if (fs::is_directory(file)) fail(file, "cannot be read", EISDIR);
  errno = 0;
  std::ifstream in(file, std::ios::binary);
  if (!in) fail(file, "cannot be read", errno != 0 ? errno : EIO);
  std::string content{std::istreambuf_iterator<char>(in), {}};
  if (in.bad()) fail(file, "cannot be read", EIO);
  return content;
}

FolderLock::FolderLock(const fs::path& folder)
    : descriptor_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  if (descriptor_ < 0) fail(folder, "cannot be opened", errno);
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    ::close(descriptor_);
    throw DataError(fmt::format("{}: another process is writing into this folder", folder.string()));
  }
}

FolderLock::~FolderLock() { ::close(descriptor_); }

}  // namespace tutti::io
