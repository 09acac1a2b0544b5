// A file from outside is trusted in nothing: each size is compared with what is there before it is used.
#include <tutti/io/safetensors.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <set>
#include <string_view>
#include <tuple>
#include <utility>

#include <nlohmann/json.hpp>

#include <tutti/io/files.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/whole_file.hpp>

namespace tutti::io {

namespace {

using nlohmann::ordered_json;

static_assert(std::endian::native == std::endian::little, "tensors are copied as they lie in memory");

constexpr const char* kMetadata = "__metadata__";
constexpr std::uint64_t kLargestHeader = 100'000'000;
constexpr std::size_t kSizeBytes = sizeof(std::uint64_t);  // at the begin of the file: the size of the header
constexpr int kDeepest = 3;                                // objects and lists in each other: root, tensor, its shape

struct TypeName {
  DType dtype;
  std::string_view name;
};
constexpr std::array<TypeName, 13> kTypes{{{DType::f64, "F64"},
                                           {DType::f32, "F32"},
                                           {DType::bf16, "BF16"},
                                           {DType::f16, "F16"},
                                           {DType::i64, "I64"},
                                           {DType::i32, "I32"},
                                           {DType::i16, "I16"},
                                           {DType::i8, "I8"},
                                           {DType::u64, "U64"},
                                           {DType::u32, "U32"},
                                           {DType::u16, "U16"},
                                           {DType::u8, "U8"},
                                           {DType::u8, "BOOL"}}};

std::string_view type_name(DType dtype) {
  return std::find_if(kTypes.begin(), kTypes.end(), [&](const TypeName& type) { return type.dtype == dtype; })->name;
}

/// Bytes of a tensor, or nothing if they cannot be counted.
bool count_bytes(DType dtype, const std::vector<std::size_t>& shape, std::uint64_t& bytes) {
  bytes = size_of(dtype);
  if (std::find(shape.begin(), shape.end(), std::size_t{0}) != shape.end()) {
    bytes = 0;
    return true;
  }
  return std::none_of(shape.begin(), shape.end(),
                      [&](std::size_t extent) { return __builtin_mul_overflow(bytes, extent, &bytes); });
}

// Writing.

std::vector<const NamedTensor*> sorted(const std::vector<NamedTensor>& tensors) {
  std::vector<const NamedTensor*> order;
  order.reserve(tensors.size());
  for (const NamedTensor& tensor : tensors) order.push_back(&tensor);
  std::sort(order.begin(), order.end(), [](const NamedTensor* a, const NamedTensor* b) {
    const std::size_t a_size = size_of(a->dtype);
    const std::size_t b_size = size_of(b->dtype);
    return a_size != b_size ? a_size > b_size : a->name < b->name;
  });
  return order;
}

void require_writable(const Safetensors& content) {
  std::set<std::string_view> names;
  for (const NamedTensor& tensor : content.tensors) {
    if (tensor.name == kMetadata) throw InvalidArgument(fmt::format("a tensor cannot be called {}", kMetadata));
    if (!names.insert(tensor.name).second)
      throw InvalidArgument(fmt::format("tensor '{}' is there twice", tensor.name));
    std::uint64_t bytes = 0;
    if (!count_bytes(tensor.dtype, tensor.shape, bytes) || bytes != tensor.bytes.size())
      throw InvalidArgument(
          fmt::format("tensor '{}' has {} bytes, which are not those of its shape", tensor.name, tensor.bytes.size()));
  }
}

/// The header, padded so that what follows begins at a multiple of 8.
std::string header_of(const Safetensors& content, const std::vector<const NamedTensor*>& order) {
  ordered_json root = ordered_json::object();
  if (!content.metadata.empty()) root[kMetadata] = content.metadata;
  std::uint64_t begin = 0;
  for (const NamedTensor* tensor : order) {
    const std::uint64_t end = begin + tensor->bytes.size();
    ordered_json entry = ordered_json::object();
    entry["dtype"] = type_name(tensor->dtype);
    entry["shape"] = tensor->shape;
    entry["data_offsets"] = {begin, end};
    root[tensor->name] = std::move(entry);
    begin = end;
  }
  std::string header;
  try {
    header = root.dump();
  } catch (const nlohmann::json::exception& error) {  // the one cause is a text that is no UTF-8
    throw InvalidArgument(fmt::format("a name or a text of the metadata is not valid UTF-8: {}", error.what()));
  }
  header.append((kSizeBytes - header.size() % kSizeBytes) % kSizeBytes, ' ');
  if (header.size() > kLargestHeader)
    throw InvalidArgument(fmt::format("the header would have {} bytes, {} are allowed", header.size(), kLargestHeader));
  return header;
}

// Reading.

/// One file in memory, and how errors call it.
class Reader {
 public:
  Reader(std::span<const std::byte> file, const std::string& origin) : file_(file), origin_(origin) {}

  Safetensors read() {
    const ordered_json root = parse_header();
    for (const auto& [name, entry] : root.items()) {
      if (name == kMetadata)
        read_metadata(entry);
      else
        places_.push_back(place_of(name, entry));
    }
    require_cover();
    for (Place& place : places_) {
      const auto bytes = data_.subspan(place.begin, place.end - place.begin);
      place.tensor.bytes.assign(bytes.begin(), bytes.end());
      content_.tensors.push_back(std::move(place.tensor));
    }
    return std::move(content_);
  }

 private:
  struct Place {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    NamedTensor tensor;
  };

  template <class... Parts>
  [[noreturn]] void fail(fmt::format_string<Parts...> what, Parts&&... parts) const {
    throw DataError(fmt::format("{}: {}", origin_, fmt::format(what, std::forward<Parts>(parts)...)));
  }

  ordered_json parse_header() {
    if (file_.size() < kSizeBytes)
      fail("not a safetensors file: it has {} bytes, the size of the header alone takes 8", file_.size());
    std::uint64_t size = 0;
    std::memcpy(&size, file_.data(), sizeof(size));
    const std::uint64_t rest = file_.size() - kSizeBytes;
    if (size > kLargestHeader)
      fail("not a safetensors file: its header would have {} bytes, {} are allowed", size, kLargestHeader);
    if (size > rest) fail("cut off, or not a safetensors file: its header has {} bytes, {} are there", size, rest);
    const auto header = file_.subspan(kSizeBytes, size);
    data_ = file_.subspan(kSizeBytes + size);
    if (header.empty() || header[0] != std::byte{'{'})
      fail("not a safetensors file: its header does not begin with '{{'");
    // The parser takes it for the end.
    if (std::find(header.begin(), header.end(), std::byte{0}) != header.end())
      fail("the header is not JSON: it has a byte 0");
    std::vector<std::set<std::string>> keys(kDeepest + 1);  // of the objects around, the outermost first
    const auto look = [&](int depth, ordered_json::parse_event_t event, const ordered_json& value) {
      if (depth > kDeepest) fail("the header has more than {} objects or lists in each other", kDeepest);
      if (event == ordered_json::parse_event_t::object_start) keys[static_cast<std::size_t>(depth)].clear();
      if (event == ordered_json::parse_event_t::key &&
          !keys[static_cast<std::size_t>(depth) - 1].insert(value.get<std::string>()).second)
        fail("the header has '{}' twice", value.get<std::string>());
      return true;
    };
    try {
      const auto* text = reinterpret_cast<const char*>(header.data());
      return ordered_json::parse(text, text + header.size(), look);
    } catch (const nlohmann::json::exception& error) {
      fail("the header is not JSON: {}", error.what());
    }
  }

  void read_metadata(const ordered_json& entry) {
    if (!entry.is_object()) fail("{} is not an object of texts", kMetadata);
    for (const auto& [key, value] : entry.items()) {
      if (!value.is_string()) fail("{}: '{}' is not a text", kMetadata, key);
      content_.metadata[key] = value.get<std::string>();
    }
  }

  std::uint64_t whole_number(const std::string& name, const char* key, const ordered_json& value) const {
    if (!value.is_number_unsigned()) fail("tensor '{}': {} has {}, not a whole number", name, key, value.dump());
    return value.get<std::uint64_t>();
  }

  const ordered_json& list(const std::string& name, const ordered_json& entry, const char* key) const {
    if (!entry.contains(key) || !entry.at(key).is_array()) fail("tensor '{}' has no list {}", name, key);
    return entry.at(key);
  }

  DType dtype_of_entry(const std::string& name, const ordered_json& entry) const {
    if (!entry.contains("dtype") || !entry.at("dtype").is_string()) fail("tensor '{}' has no dtype", name);
    const auto text = entry.at("dtype").get<std::string>();
    const auto* const known =
        std::find_if(kTypes.begin(), kTypes.end(), [&](const TypeName& type) { return type.name == text; });
    if (known == kTypes.end()) fail("tensor '{}' is of type {}, which cannot be read", name, text);
    return known->dtype;
  }

  Place place_of(const std::string& name, const ordered_json& entry) const {
    if (!entry.is_object()) fail("tensor '{}' is not described by an object", name);
    Place place;
    place.tensor.name = name;
    place.tensor.dtype = dtype_of_entry(name, entry);
    for (const ordered_json& extent : list(name, entry, "shape"))
      place.tensor.shape.push_back(whole_number(name, "shape", extent));
    const ordered_json& offsets = list(name, entry, "data_offsets");
    if (offsets.size() != 2) fail("tensor '{}': data_offsets has {} numbers, not 2", name, offsets.size());
    place.begin = whole_number(name, "data_offsets", offsets[0]);
    place.end = whole_number(name, "data_offsets", offsets[1]);
    if (place.begin > place.end || place.end > data_.size())
      fail("tensor '{}': its bytes {} to {} are not within the {} bytes of data", name, place.begin, place.end,
           data_.size());
    std::uint64_t bytes = 0;
    if (!count_bytes(place.tensor.dtype, place.tensor.shape, bytes))
      fail("tensor '{}': its shape has more elements than can be counted", name);
    if (bytes != place.end - place.begin)
      fail("tensor '{}': its shape needs {} bytes, data_offsets gives it {}", name, bytes, place.end - place.begin);
    return place;
  }

  /// Puts the tensors in the order of their bytes, each of which must be of one tensor.
  void require_cover() {
    std::sort(places_.begin(), places_.end(), [](const Place& a, const Place& b) {
      return std::tie(a.begin, a.end, a.tensor.name) < std::tie(b.begin, b.end, b.tensor.name);
    });
    std::uint64_t end = 0;
    for (const Place& place : places_) {
      if (place.begin < end) fail("tensor '{}' overlaps another: it begins at byte {}", place.tensor.name, place.begin);
      if (place.begin > end)
        fail("bytes {} to {} of the data, before tensor '{}', are of no tensor", end, place.begin, place.tensor.name);
      end = place.end;
    }
    if (end != data_.size()) fail("the last {} bytes of the data are of no tensor", data_.size() - end);
  }

  std::span<const std::byte> file_;
  std::span<const std::byte> data_;
  const std::string& origin_;
  Safetensors content_;
  std::vector<Place> places_;
};

}  // namespace

void write_safetensors(const std::filesystem::path& file, const Safetensors& content) {
  require_writable(content);
  const auto order = sorted(content.tensors);
  const std::string header = header_of(content, order);
  const std::uint64_t header_size = header.size();
  WholeFile whole(file, Writers::one);
  whole.write(0, std::as_bytes(std::span(&header_size, 1)));
  whole.write(kSizeBytes, std::as_bytes(std::span(header)));
  std::uint64_t end = kSizeBytes + header.size();
  for (const NamedTensor* tensor : order) {
    whole.write(end, tensor->bytes);
    end += tensor->bytes.size();
  }
  whole.finish(end);
  whole.publish();
  sync_folder(file.has_parent_path() ? file.parent_path() : std::filesystem::path("."));
}

Safetensors read_safetensors(const std::filesystem::path& file) {
  const std::string bytes = read_whole_file(file);
  return parse_safetensors(std::as_bytes(std::span(bytes)), file.string());
}

Safetensors parse_safetensors(std::span<const std::byte> file, const std::string& origin) {
  return Reader(file, origin).read();
}

}  // namespace tutti::io
