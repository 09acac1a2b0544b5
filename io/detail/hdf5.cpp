#include <tutti/io/detail/hdf5.hpp>

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <vector>

#include <tutti/io/detail/hdf5_storage.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::io::h5 {

static_assert(std::endian::native == std::endian::little,
              "shards and checkpoints are little-endian, read without conversion");

namespace {

// HDF5 has one state per process, whatever the number of data sets and loaders, so the lock around it is one per
// process too.
std::recursive_mutex& library_mutex() {
  static std::recursive_mutex mutex;
  return mutex;
}

herr_t keep_innermost(unsigned depth, const H5E_error2_t* error, void* out) {
  if (depth == 0 && error->desc != nullptr) *static_cast<std::string*>(out) = error->desc;
  return 0;
}

// What went wrong first, on one line. Of a failed system call HDF5 gives time, name, pointers and all; the cause is
// quoted therein.
std::string innermost_message() {
  std::string message;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_innermost, &message);
  const std::string key = "error message = '";
  if (const std::size_t cause = message.find(key); cause != std::string::npos) {
    const std::size_t begin = cause + key.size();
    const std::string what = message.substr(0, std::min(message.find(':'), message.size()));
    return fmt::format("{}: {}", what, message.substr(begin, message.find('\'', begin) - begin));
  }
  std::replace(message.begin(), message.end(), '\n', ' ');
  return message;
}

void forgo_locks(hid_t access) {
#if H5_VERSION_GE(1, 12, 1) || (H5_VERSION_GE(1, 10, 7) && !H5_VERSION_GE(1, 12, 0))
  H5Pset_file_locking(access, false, true);
#else
  static_cast<void>(access);  // older libraries know only the environment variable HDF5_USE_FILE_LOCKING
#endif
}

Id open_with(hid_t access, const std::filesystem::path& file) {
  Id id(H5Fopen(file.c_str(), H5F_ACC_RDONLY, access), H5Fclose);
  if (id.valid()) return id;

  const std::string message = innermost_message();
  if (message.find("truncated file") != std::string::npos)
    throw DataError(fmt::format("{}: is truncated (HDF5: {})", file.string(), message));
  if (message.find("signature not found") != std::string::npos)
    throw DataError(fmt::format("{}: is not an HDF5 file, or its first bytes are damaged", file.string()));
  if (message.find(std::generic_category().message(EMFILE)) != std::string::npos)
    throw DataError(fmt::format("{}: cannot be opened: too many open files; the limit is {} (ulimit -n)", file.string(),
                                ::sysconf(_SC_OPEN_MAX)));
  fail(file, "cannot be opened as an HDF5 file");
}

}  // namespace

Session::Session() : lock_(library_mutex()) {
  // Of a file whose metadata is damaged HDF5 (1.10.8) keeps parts even after H5Fclose() has succeeded, and its exit
  // handler stumbles over them: noise on standard error, or a crash. All files are closed here, so the handler has
  // nothing to do.
  static const bool without_exit_handler = H5dont_atexit() >= 0;
  static_cast<void>(without_exit_handler);
  H5Eget_auto2(H5E_DEFAULT, &handler_, &handler_data_);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

Session::~Session() { H5Eset_auto2(H5E_DEFAULT, handler_, handler_data_); }

void fail(const std::filesystem::path& file, const std::string& what) {
  const std::string message = innermost_message();
  const char* hint =
      message.find("lock file") != std::string::npos ? "; HDF5_USE_FILE_LOCKING=FALSE forgoes locks" : "";
  if (message.empty()) throw DataError(fmt::format("{}: {}", file.string(), what));
  throw DataError(fmt::format("{}: {} (HDF5: {}{})", file.string(), what, message, hint));
}

Id own(hid_t id, Id::Close close, const std::filesystem::path& file, const std::string& what) {
  if (id < 0) fail(file, what);
  return {id, close};
}

Id open_read_only(const std::filesystem::path& file) {
  struct stat status = {};
  if (::stat(file.c_str(), &status) != 0)
    throw DataError(fmt::format("{}: cannot be opened: {}", file.string(), std::generic_category().message(errno)));
  if (!S_ISREG(status.st_mode)) throw DataError(fmt::format("{}: is not a file", file.string()));
  if (status.st_size == 0) throw DataError(fmt::format("{}: is empty", file.string()));

  const Id access = own(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, file, "cannot be opened");
  forgo_locks(access.get());
  return open_with(access.get(), file);
}

Id open_read_only(Storage& storage, const std::filesystem::path& file) {
  const Id access = own(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, file, "cannot be opened");
  use_storage(access.get(), storage, file);
  return open_with(access.get(), file);
}

Id write_access(const std::filesystem::path& file) {
  Id access = own(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, file, "cannot be created");
  require(H5Pset_libver_bounds(access.get(), H5F_LIBVER_V110, H5F_LIBVER_V110), file, "cannot be created");
  forgo_locks(access.get());
  return access;
}

Id object_properties(hid_t property_class, const std::filesystem::path& file) {
  Id properties = own(H5Pcreate(property_class), H5Pclose, file, "cannot be created");
  require(H5Pset_obj_track_times(properties.get(), false), file, "cannot be created");
  require(H5Pset_attr_phase_change(properties.get(), 1000, 0), file, "cannot be created");
  if (H5Pisa_class(properties.get(), H5P_GROUP_CREATE) > 0)
    require(H5Pset_link_phase_change(properties.get(), 1000, 0), file, "cannot be created");
  return properties;
}

Id create_group(hid_t parent, const char* name, const std::filesystem::path& file) {
  const Id properties = object_properties(H5P_GROUP_CREATE, file);
  const std::string what = fmt::format("cannot create group '{}'", name);
  return own(H5Gcreate2(parent, name, H5P_DEFAULT, properties.get(), H5P_DEFAULT), H5Gclose, file, what);
}

hid_t file_type(DType dtype) noexcept {
  switch (dtype) {
    case DType::f64:
      return H5T_IEEE_F64LE;
    case DType::f32:
      return H5T_IEEE_F32LE;
    case DType::i64:
      return H5T_STD_I64LE;
    case DType::i32:
      return H5T_STD_I32LE;
    case DType::i16:
      return H5T_STD_I16LE;
    case DType::i8:
      return H5T_STD_I8LE;
    case DType::u64:
      return H5T_STD_U64LE;
    case DType::u32:
      return H5T_STD_U32LE;
    case DType::bf16:
    case DType::f16:
    case DType::u16:
      return H5T_STD_U16LE;
    case DType::u8:
      return H5T_STD_U8LE;
  }
  return H5I_INVALID_HID;
}

void write_attribute(hid_t object, const char* name, std::uint64_t value, const std::filesystem::path& file) {
  const std::string what = fmt::format("cannot write attribute '{}'", name);
  const Id space = own(H5Screate(H5S_SCALAR), H5Sclose, file, what);
  const Id attribute =
      own(H5Acreate2(object, name, H5T_STD_U64LE, space.get(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose, file, what);
  require(H5Awrite(attribute.get(), H5T_NATIVE_UINT64, &value), file, what);
}

void write_attribute(hid_t object, const char* name, const std::string& value, const std::filesystem::path& file) {
  const std::string what = fmt::format("cannot write attribute '{}'", name);
  const Id space = own(H5Screate(H5S_SCALAR), H5Sclose, file, what);
  const Id type = own(H5Tcopy(H5T_C_S1), H5Tclose, file, what);
  require(H5Tset_size(type.get(), value.size() + 1), file, what);  // with the terminating zero
  require(H5Tset_cset(type.get(), H5T_CSET_UTF8), file, what);
  const Id attribute =
      own(H5Acreate2(object, name, type.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT), H5Aclose, file, what);
  require(H5Awrite(attribute.get(), type.get(), value.c_str()), file, what);
}

namespace {

Id open_attribute(hid_t object, const char* name, H5T_class_t expected, const std::filesystem::path& file) {
  if (H5Aexists(object, name) == 0) throw DataError(fmt::format("{}: attribute '{}' is missing", file.string(), name));
  const std::string what = fmt::format("cannot read attribute '{}'", name);
  Id attribute = own(H5Aopen(object, name, H5P_DEFAULT), H5Aclose, file, what);
  const Id type = own(H5Aget_type(attribute.get()), H5Tclose, file, what);
  const Id space = own(H5Aget_space(attribute.get()), H5Sclose, file, what);
  if (H5Tget_class(type.get()) != expected || H5Tis_variable_str(type.get()) > 0 ||
      H5Sget_simple_extent_npoints(space.get()) != 1)
    throw DataError(fmt::format("{}: attribute '{}' is not one {}", file.string(), name,
                                expected == H5T_STRING ? "fixed-length string" : "integer"));
  return attribute;
}

}  // namespace

std::uint64_t read_number(hid_t object, const char* name, const std::filesystem::path& file) {
  const Id attribute = open_attribute(object, name, H5T_INTEGER, file);
  std::uint64_t value = 0;
  require(H5Aread(attribute.get(), H5T_NATIVE_UINT64, &value), file, fmt::format("cannot read attribute '{}'", name));
  return value;
}

std::string read_string(hid_t object, const char* name, const std::filesystem::path& file) {
  const std::string what = fmt::format("cannot read attribute '{}'", name);
  const Id attribute = open_attribute(object, name, H5T_STRING, file);
  const Id type = own(H5Aget_type(attribute.get()), H5Tclose, file, what);
  constexpr std::size_t kLongest = std::size_t{1} << 20;
  if (H5Tget_size(type.get()) > kLongest)
    throw DataError(fmt::format("{}: attribute '{}' is longer than {} bytes", file.string(), name, kLongest));
  std::vector<char> characters(H5Tget_size(type.get()) + 1, '\0');
  require(H5Aread(attribute.get(), type.get(), characters.data()), file, what);
  return {characters.data()};
}

void require_format(hid_t root, const std::string& format, std::uint64_t newest_version,
                    const std::filesystem::path& file) {
  const htri_t exists = H5Aexists(root, "tutti_format");
  if (exists < 0) fail(file, "its header cannot be read");
  if (exists == 0) throw DataError(fmt::format("{}: is an HDF5 file, but not a {}", file.string(), format));
  const std::string found = read_string(root, "tutti_format", file);
  if (found != format) throw DataError(fmt::format("{}: is a {}, not a {}", file.string(), found, format));
  const std::uint64_t version = read_number(root, "schema_version", file);
  if (version == 0 || version > newest_version)
    throw DataError(fmt::format("{}: has schema version {}, this program reads versions 1 to {}", file.string(),
                                version, newest_version));
}

}  // namespace tutti::io::h5
