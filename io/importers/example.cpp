#include <tutti/io/importers/example.hpp>

#include <fmt/core.h>

#include <cstring>
#include <utility>

#include <tutti/kernels/error.hpp>

namespace tutti::io {

namespace {

enum WireType : unsigned { wire_varint = 0, wire_fixed64 = 1, wire_bytes = 2, wire_fixed32 = 5 };

// Reads the fields of one message. Unknown ones are passed over.
class WireReader {
 public:
  WireReader(std::span<const std::byte> message, const std::string& place) : rest_(message), place_(place) {}

  bool next() {
    if (rest_.empty()) return false;
    const std::uint64_t tag = varint();
    field_ = tag >> 3;
    type_ = static_cast<unsigned>(tag & 7);
    if (field_ == 0 || field_ >= (1U << 29)) fail("has a field of a number that there cannot be");
    value_ = {};
    switch (type_) {
      case wire_varint:
        number_ = varint();
        break;
      case wire_fixed64:
        value_ = take(8);
        break;
      case wire_bytes:
        value_ = take(varint());
        break;
      case wire_fixed32:
        value_ = take(4);
        break;
      default:
        fail("has a field of a wire type that is not used");
    }
    return true;
  }

  bool is(std::uint64_t field, unsigned type) const { return field_ == field && type_ == type; }
  std::span<const std::byte> value() const { return value_; }
  std::uint64_t number() const { return number_; }

  // At most ten bytes, of seven bits each.
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned i = 0; i < 10 && i < rest_.size(); ++i) {
      const auto byte = std::to_integer<std::uint64_t>(rest_[i]);
      value |= (byte & 0x7f) << (7 * i);
      if (byte >= 0x80) continue;
      if (i == 9 && byte > 1) break;
      rest_ = rest_.subspan(i + 1);
      return value;
    }
    fail("has a number that does not end");
  }

  bool empty() const { return rest_.empty(); }

  [[noreturn]] void fail(const char* what) const {
    throw DataError(fmt::format("{}: is no tf.train.Example: it {}", place_, what));
  }

 private:
  std::span<const std::byte> take(std::uint64_t size) {
    if (size > rest_.size()) fail("has a field that is longer than the record");
    const auto taken = rest_.first(size);
    rest_ = rest_.subspan(size);
    return taken;
  }

  std::span<const std::byte> rest_;
  const std::string& place_;
  std::uint64_t field_ = 0;
  unsigned type_ = 0;
  std::span<const std::byte> value_;
  std::uint64_t number_ = 0;
};

// Of several kinds the last counts (oneof); pieces of the same kind are merged.
void merge_feature(std::span<const std::byte> message, const std::string& place, Feature& feature) {
  for (WireReader reader(message, place); reader.next();)
    for (const auto kind : {Feature::Kind::bytes, Feature::Kind::floats, Feature::Kind::integers}) {
      if (!reader.is(static_cast<std::uint64_t>(kind), wire_bytes)) continue;
      if (feature.kind != kind) feature.lists.clear();
      feature.kind = kind;
      feature.lists.push_back(reader.value());
    }
}

void visit_entry(std::span<const std::byte> entry, const std::string& place,
                 const std::function<void(std::string_view, Feature)>& take) {
  std::string_view key;
  Feature feature;
  for (WireReader reader(entry, place); reader.next();) {
    if (reader.is(1, wire_bytes))
      key = {reinterpret_cast<const char*>(reader.value().data()), reader.value().size()};
    else if (reader.is(2, wire_bytes))
      merge_feature(reader.value(), place, feature);
  }
  take(key, std::move(feature));
}

}  // namespace

void visit_features(std::span<const std::byte> message, const std::string& place,
                    const std::function<void(std::string_view, Feature)>& take) {
  for (WireReader example(message, place); example.next();) {
    if (!example.is(1, wire_bytes)) continue;
    for (WireReader features(example.value(), place); features.next();)
      if (features.is(1, wire_bytes)) visit_entry(features.value(), place, take);
  }
}

std::vector<std::span<const std::byte>> texts_of(const Feature& feature, const std::string& place) {
  std::vector<std::span<const std::byte>> values;
  for (const auto list : feature.lists)
    for (WireReader reader(list, place); reader.next();)
      if (reader.is(1, wire_bytes)) values.push_back(reader.value());
  return values;
}

std::vector<float> floats_of(const Feature& feature, const std::string& place) {
  std::vector<float> values;
  for (const auto list : feature.lists)
    for (WireReader reader(list, place); reader.next();) {
      if (!reader.is(1, wire_bytes) && !reader.is(1, wire_fixed32)) continue;
      if (reader.value().size() % sizeof(float) != 0) reader.fail("has floats of a length that is no multiple of 4");
      const std::size_t before = values.size();
      values.resize(before + reader.value().size() / sizeof(float));
      if (!reader.value().empty()) std::memcpy(values.data() + before, reader.value().data(), reader.value().size());
    }
  return values;
}

std::vector<std::int64_t> integers_of(const Feature& feature, const std::string& place) {
  std::vector<std::int64_t> values;
  for (const auto list : feature.lists)
    for (WireReader reader(list, place); reader.next();) {
      if (reader.is(1, wire_varint)) values.push_back(static_cast<std::int64_t>(reader.number()));
      if (!reader.is(1, wire_bytes)) continue;
      for (WireReader packed(reader.value(), place); !packed.empty();)
        values.push_back(static_cast<std::int64_t>(packed.varint()));
    }
  return values;
}

}  // namespace tutti::io
