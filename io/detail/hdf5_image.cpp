#include <tutti/io/detail/hdf5_image.hpp>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include <tutti/io/detail/hdf5.hpp>

namespace tutti::io::h5 {

void* Image::resize(void* memory, size_t size, H5FD_file_image_op_t /*operation*/, void* owner) noexcept {
  void* resized = std::realloc(memory, size);
  if (resized != nullptr) static_cast<Memory*>(owner)->size = size;
  return resized;
}

herr_t Image::release(void* memory, H5FD_file_image_op_t operation, void* owner) noexcept {
  if (operation == H5FD_FILE_IMAGE_OP_FILE_CLOSE)
    static_cast<Memory*>(owner)->data.reset(memory);
  else
    std::free(memory);
  return 0;
}

void Image::attach(hid_t access, const std::filesystem::path& file) {
  H5FD_file_image_callbacks_t callbacks = {};
  callbacks.image_malloc = [](size_t size, H5FD_file_image_op_t operation, void* owner) {
    return resize(nullptr, size, operation, owner);
  };
  callbacks.image_memcpy = [](void* to, const void* from, size_t size, H5FD_file_image_op_t, void*) {
    return std::memcpy(to, from, size);
  };
  callbacks.image_realloc = resize;
  callbacks.image_free = release;
  callbacks.udata_copy = [](void* owner) { return owner; };
  callbacks.udata_free = [](void*) { return herr_t{0}; };
  callbacks.udata = memory_.get();
  require(H5Pset_file_image_callbacks(access, &callbacks), file, "cannot be built");
}

std::uint64_t Image::file_size(const std::filesystem::path& file) const {
  // Superblock of version 2 or 3, eight-byte addresses.
  constexpr std::size_t kVersion = 8;
  constexpr std::size_t kEnd = 28;
  const auto* data = static_cast<const std::byte*>(memory_->data.get());
  if (data == nullptr || memory_->size < kEnd + sizeof(std::uint64_t) || data[kVersion] < std::byte{2})
    fail(file, "cannot be built: HDF5 left no image");
  std::uint64_t size = 0;
  std::memcpy(&size, data + kEnd, sizeof size);
  return size;
}

std::span<const std::byte> Image::head(std::uint64_t size, const std::filesystem::path& file) const {
  const std::uint64_t there = std::min<std::uint64_t>(memory_->size, file_size(file));
  return {static_cast<const std::byte*>(memory_->data.get()), std::min(size, there)};
}

std::span<const std::byte> Image::bytes(const std::filesystem::path& file) const {
  const std::uint64_t size = file_size(file);
  if (size > memory_->size) fail(file, "cannot be built: HDF5 left part of an image");
  return head(size, file);
}

}  // namespace tutti::io::h5
