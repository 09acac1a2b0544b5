#include <tutti/io/detail/hdf5_storage.hpp>

#if H5_VERSION_GE(1, 13, 0)
#include <H5FDdevelop.h>
#endif

#include <limits>
#include <new>

namespace tutti::io::h5 {

// A file of this driver.
struct OpenStorage {
  explicit OpenStorage(Storage& opened) : storage(&opened) { opened.open_ = this; }
  ~OpenStorage() {
    if (storage != nullptr) storage->open_ = nullptr;
  }
  OpenStorage(const OpenStorage&) = delete;
  OpenStorage& operator=(const OpenStorage&) = delete;

  static void detach(Storage& storage) noexcept {
    if (storage.open_ != nullptr) storage.open_->storage = nullptr;
  }

  H5FD_t base = {};  // first: HDF5 holds a pointer to it
  Storage* storage;
  haddr_t end = 0;  // of what is allocated
};

Storage::~Storage() { OpenStorage::detach(*this); }

namespace {

// What HDF5 copies from the properties of a file.
struct DriverInfo {
  Storage* storage;
};

OpenStorage& opened(H5FD_t* file) { return *reinterpret_cast<OpenStorage*>(file); }
const OpenStorage& opened(const H5FD_t* file) { return *reinterpret_cast<const OpenStorage*>(file); }

H5FD_t* open(const char* /*name*/, unsigned /*flags*/, hid_t access, haddr_t /*max*/) noexcept {
  const void* info = H5Pget_driver_info(access);
  if (info == nullptr) return nullptr;
  auto* file = new (std::nothrow) OpenStorage(*static_cast<const DriverInfo*>(info)->storage);
  return file == nullptr ? nullptr : &file->base;
}

herr_t close(H5FD_t* file) noexcept {
  OpenStorage& open = opened(file);
  if (open.storage != nullptr) open.storage->close(open.end);
  delete &open;
  return 0;
}

// As HDF5's own drivers answer: the layout of a file depends on it.
herr_t query(const H5FD_t* /*file*/, unsigned long* flags) noexcept {
  if (flags != nullptr)
    *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE |
             H5FD_FEAT_AGGREGATE_SMALLDATA;
  return 0;
}

haddr_t allocated_end(const H5FD_t* file, H5FD_mem_t /*type*/) noexcept { return opened(file).end; }

herr_t set_allocated_end(H5FD_t* file, H5FD_mem_t /*type*/, haddr_t end) noexcept {
  opened(file).end = end;
  return 0;
}

haddr_t end_of_file(const H5FD_t* file, H5FD_mem_t /*type*/) noexcept {
  const Storage* const storage = opened(file).storage;
  return storage == nullptr ? HADDR_UNDEF : storage->size();
}

herr_t read(H5FD_t* file, H5FD_mem_t type, hid_t /*transfer*/, haddr_t offset, size_t size, void* out) noexcept {
  const Storage::Content content = type == H5FD_MEM_DRAW ? Storage::Content::samples : Storage::Content::metadata;
  Storage* const storage = opened(file).storage;
  return storage != nullptr && storage->read(content, offset, {static_cast<std::byte*>(out), size}) ? 0 : -1;
}

herr_t write(H5FD_t* file, H5FD_mem_t /*type*/, hid_t /*transfer*/, haddr_t offset, size_t size,
             const void* bytes) noexcept {
  Storage* const storage = opened(file).storage;
  if (storage != nullptr) storage->write(offset, {static_cast<const std::byte*>(bytes), size});
  return 0;
}

H5FD_class_t driver() noexcept {
  H5FD_class_t result = {};
#if H5_VERSION_GE(1, 13, 0)
  result.version = H5FD_CLASS_VERSION;
  result.value = 511;  // the last of those for private use
#endif
  result.name = "tutti";
  result.maxaddr = std::numeric_limits<std::int64_t>::max();
  result.fc_degree = H5F_CLOSE_WEAK;
  result.fapl_size = sizeof(DriverInfo);
  result.open = open;
  result.close = close;
  result.query = query;
  result.get_eoa = allocated_end;
  result.set_eoa = set_allocated_end;
  result.get_eof = end_of_file;
  result.read = read;
  result.write = write;
  const H5FD_mem_t map[H5FD_MEM_NTYPES] = H5FD_FLMAP_DICHOTOMY;
  for (int type = 0; type < H5FD_MEM_NTYPES; ++type) result.fl_map[type] = map[type];
  return result;
}

}  // namespace

void use_storage(hid_t access, Storage& storage, const std::filesystem::path& file) {
  const H5FD_class_t description = driver();
  // HDF5 copies the description, and keeps it as long as properties or files name it.
  const Id id = own(H5FDregister(&description), H5FDunregister, file, "cannot be opened");
  const DriverInfo info{&storage};
  require(H5Pset_driver(access, id.get(), &info), file, "cannot be opened");
}

}  // namespace tutti::io::h5
