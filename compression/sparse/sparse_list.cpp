#include <tutti/compression/sparse/sparse_list.hpp>

#include <algorithm>
#include <bit>
#include <cstring>
#include <string>

#include <tutti/kernels/cast.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::detail {
namespace {

static_assert(std::endian::native == std::endian::little, "lists are little-endian");

constexpr DType kValueTypes[] = {DType::f32, DType::f16, DType::bf16};
constexpr unsigned kMostRiceBits = 32;

struct ListHeader {
  std::uint32_t elements = 0;
  std::uint8_t coding = 0;
  std::uint8_t type = 0;
  std::uint8_t rice_bits = 0;
  std::uint8_t nothing = 0;
};
static_assert(sizeof(ListHeader) == 8);

std::size_t list_blocks(std::size_t universe) noexcept { return (universe + kListBlock - 1) / kListBlock; }

std::size_t dense_bytes(std::size_t universe, DType values) noexcept {
  return sizeof(ListHeader) + universe * size_of(values);
}

std::size_t blocks_bytes(std::size_t elements, std::size_t universe, DType values) noexcept {
  return sizeof(ListHeader) + list_blocks(universe) * sizeof(std::uint32_t) +
         elements * (sizeof(std::uint16_t) + size_of(values));
}

template <class T>
T load(const std::byte* from) noexcept {
  T value;
  std::memcpy(&value, from, sizeof(T));
  return value;
}

[[noreturn]] void refuse_list(const std::string& problem) { throw CommunicationError(text("sparse list: ", problem)); }

/// Remainder bits with which gaps of a geometric distribution take about the fewest: log2(ln 2 x mean gap).
unsigned best_rice_bits(std::size_t elements, std::size_t universe) noexcept {
  const std::size_t gap = elements == 0 ? 0 : universe * 693 / 1000 / elements;
  return gap == 0 ? 0 : static_cast<unsigned>(std::bit_width(gap)) - 1;
}

std::size_t rice_bytes(std::span<const std::uint32_t> indices, unsigned bits) noexcept {
  std::uint64_t total = 0;
  std::uint64_t expected = 0;
  for (const std::uint32_t index : indices) {
    total += 1 + bits + ((index - expected) >> bits);
    expected = std::uint64_t{index} + 1;
  }
  return static_cast<std::size_t>((total + 7) / 8);
}

void write_rice(std::span<const std::uint32_t> indices, unsigned bits, std::span<std::byte> out) {
  std::fill(out.begin(), out.end(), std::byte{0});
  std::size_t bit = 0;
  const auto put = [&](std::uint64_t value, unsigned count) {
    for (unsigned done = 0; done < count;) {
      const std::size_t within = bit % 8;
      const auto take = static_cast<unsigned>(std::min<std::size_t>(8 - within, count - done));
      const auto piece = static_cast<unsigned>(value >> done) & ((1U << take) - 1U);
      out[bit / 8] |= static_cast<std::byte>(piece << within);
      bit += take;
      done += take;
    }
  };
  std::uint64_t expected = 0;
  for (const std::uint32_t index : indices) {
    const std::uint64_t gap = index - expected;
    std::uint64_t ones = gap >> bits;
    for (; ones >= 32; ones -= 32) put(0xFFFFFFFFU, 32);
    put((std::uint64_t{1} << ones) - 1, static_cast<unsigned>(ones) + 1);
    put(gap & ((std::uint64_t{1} << bits) - 1), bits);
    expected = std::uint64_t{index} + 1;
  }
}

void write_blocks(std::span<const std::uint32_t> indices, std::size_t universe, std::byte* out) {
  std::byte* counts = out;
  std::byte* numbers = out + list_blocks(universe) * sizeof(std::uint32_t);
  std::size_t i = 0;
  for (std::size_t block = 0; block < list_blocks(universe); ++block, counts += sizeof(std::uint32_t)) {
    const std::size_t begin = i;
    for (; i < indices.size() && indices[i] / kListBlock == block; ++i, numbers += sizeof(std::uint16_t)) {
      const auto number = static_cast<std::uint16_t>(indices[i] % kListBlock);
      std::memcpy(numbers, &number, sizeof(number));
    }
    const auto count = static_cast<std::uint32_t>(i - begin);
    std::memcpy(counts, &count, sizeof(count));
  }
}

/// Of the list's type, at any address.
void write_values(std::span<const float> values, DType type, std::byte* out) {
  if (values.empty()) return;
  if (type == DType::f32)
    std::memcpy(out, values.data(), values.size_bytes());
  else
    cast(ConstBuffer(values), Buffer(out, values.size(), type));
}

void write_dense(std::span<const std::uint32_t> indices, std::span<const float> values, std::size_t universe,
                 DType type, std::byte* out) {
  std::memset(out, 0, universe * size_of(type));
  for (std::size_t i = 0; i < indices.size(); ++i)
    write_values(values.subspan(i, 1), type, out + indices[i] * size_of(type));
}

}  // namespace

std::size_t most_list_bytes(std::size_t elements, std::size_t universe, DType values) noexcept {
  return std::min(dense_bytes(universe, values), blocks_bytes(elements, universe, values));
}

std::size_t write_list(std::span<const std::uint32_t> indices, std::span<const float> values, std::size_t universe,
                       const ListFormat& format, std::span<std::byte> out) {
  ListHeader header = {.elements = static_cast<std::uint32_t>(indices.size())};
  header.type = static_cast<std::uint8_t>(std::find(std::begin(kValueTypes), std::end(kValueTypes), format.values) -
                                          std::begin(kValueTypes));
  const std::size_t value_bytes = indices.size() * size_of(format.values);
  const std::size_t dense = dense_bytes(universe, format.values);
  std::size_t bytes = blocks_bytes(indices.size(), universe, format.values);
  std::size_t number_bytes = bytes - sizeof(ListHeader) - value_bytes;
  header.coding = static_cast<std::uint8_t>(ListCoding::blocks);
  if (format.rice) {
    const unsigned bits = best_rice_bits(indices.size(), universe);
    const std::size_t rice = rice_bytes(indices, bits);
    if (rice < number_bytes) {
      header.coding = static_cast<std::uint8_t>(ListCoding::rice);
      header.rice_bits = static_cast<std::uint8_t>(bits);
      number_bytes = rice;
      bytes = sizeof(ListHeader) + number_bytes + value_bytes;
    }
  }
  if (dense <= bytes) {
    bytes = dense;
    header.coding = static_cast<std::uint8_t>(ListCoding::dense);
    header.rice_bits = 0;
  }
  std::memcpy(out.data(), &header, sizeof(header));
  std::byte* const body = out.data() + sizeof(header);
  switch (static_cast<ListCoding>(header.coding)) {
    case ListCoding::dense:
      write_dense(indices, values, universe, format.values, body);
      return bytes;
    case ListCoding::blocks:
      write_blocks(indices, universe, body);
      break;
    case ListCoding::rice:
      write_rice(indices, header.rice_bits, {body, number_bytes});
      break;
  }
  write_values(values, format.values, body + number_bytes);
  return bytes;
}

ListReader::ListReader(std::span<const std::byte> bytes, std::size_t universe) : universe_(universe) {
  if (bytes.size() < sizeof(ListHeader)) refuse_list(text(bytes.size(), " bytes are too few for a list"));
  const auto header = load<ListHeader>(bytes.data());
  const std::span<const std::byte> body = bytes.subspan(sizeof(ListHeader));
  if (header.coding > static_cast<std::uint8_t>(ListCoding::rice) || header.type >= std::size(kValueTypes) ||
      header.nothing != 0 || header.rice_bits > kMostRiceBits)
    refuse_list("the header is of no known format");
  coding_ = static_cast<ListCoding>(header.coding);
  type_ = kValueTypes[header.type];
  rice_bits_ = header.rice_bits;
  elements_ = header.elements;
  if (elements_ > universe) refuse_list(text(elements_, " elements of ", universe, " are named"));
  const std::size_t named = coding_ == ListCoding::dense ? universe : elements_;
  const std::size_t value_bytes = named * size_of(type_);
  const std::size_t count_bytes = coding_ == ListCoding::blocks ? list_blocks(universe) * sizeof(std::uint32_t) : 0;
  const std::size_t number_bytes = coding_ == ListCoding::blocks ? named * sizeof(std::uint16_t) : 0;
  const std::size_t needed = count_bytes + number_bytes + value_bytes;
  if (body.size() < needed || (coding_ != ListCoding::rice && body.size() > needed))
    refuse_list(text("its ", elements_, " elements need ", needed, " bytes, and there are ", body.size()));
  counts_ = body.first(count_bytes);
  numbers_ = body.subspan(count_bytes, body.size() - count_bytes - value_bytes);
  values_ = body.last(value_bytes);
  if (universe == 0 && !numbers_.empty()) refuse_list("something is left of the Rice codes");
}

/// The next code's gap says which element it names.
std::size_t ListReader::take_rice_index() {
  const std::size_t bits = numbers_.size() * 8;
  std::uint64_t quotient = 0;
  // Up to 57 bits at a time, of which those behind the end are zeros.
  const auto window = [&] {
    const std::size_t at = bit_ / 8;
    std::uint64_t word = 0;
    if (numbers_.size() - at >= sizeof(word))
      word = load<std::uint64_t>(numbers_.data() + at);
    else
      std::memcpy(&word, numbers_.data() + at, numbers_.size() - at);
    return word >> (bit_ % 8);
  };
  constexpr int kWindow = 57;
  int ones = std::min(std::countr_one(window()), kWindow);
  for (; ones == kWindow; ones = std::min(std::countr_one(window()), kWindow)) {
    quotient += kWindow;
    bit_ += kWindow;
  }
  quotient += static_cast<unsigned>(ones);
  bit_ += static_cast<unsigned>(ones) + 1;
  if (bit_ > bits || bits - bit_ < rice_bits_) refuse_list("a Rice code does not end");
  if (quotient > (universe_ >> rice_bits_)) refuse_list("a Rice code names an element out of range");
  const std::uint64_t remainder = window() & ((std::uint64_t{1} << rice_bits_) - 1);
  bit_ += rice_bits_;
  const std::uint64_t index = (read_ == 0 ? 0 : named_ + 1) + (quotient << rice_bits_ | remainder);
  if (index >= universe_) refuse_list("a Rice code names an element out of range");
  ++read_;
  return static_cast<std::size_t>(index);
}

std::size_t ListReader::take_rice_numbers(std::size_t block_elements, ListScratch& scratch) {
  std::size_t count = 0;
  while (is_ahead_ || read_ < elements_) {
    if (!is_ahead_) named_ = take_rice_index();
    is_ahead_ = named_ >= first_ + block_elements;
    if (is_ahead_) return count;
    scratch.numbers[count++] = static_cast<std::uint16_t>(named_ - first_);
  }
  if ((bit_ + 7) / 8 != numbers_.size()) refuse_list("something is left of the Rice codes");
  return count;
}

std::size_t ListReader::take_count(std::size_t block_elements, ListScratch& scratch) {
  if (coding_ == ListCoding::dense) return block_elements;
  if (coding_ == ListCoding::rice) return take_rice_numbers(block_elements, scratch);
  const auto count = load<std::uint32_t>(counts_.data());
  counts_ = counts_.subspan(sizeof(std::uint32_t));
  return count;
}

void ListReader::add_block(std::span<float> sums, ListScratch& scratch) {
  const std::size_t count = take_count(sums.size(), scratch);
  if (count > sums.size() || count * size_of(type_) > values_.size())
    refuse_list("a block names more elements than there are");
  const std::span<const std::byte> values = values_.first(count * size_of(type_));
  values_ = values_.subspan(values.size());
  first_ += sums.size();
  if (first_ == universe_ && !values_.empty()) refuse_list("blocks name fewer elements than there are");
  std::span<const std::byte> numbers = std::as_bytes(std::span(scratch.numbers));
  if (coding_ == ListCoding::blocks) {
    numbers = numbers_.first(count * sizeof(std::uint16_t));
    numbers_ = numbers_.subspan(numbers.size());
  }
  add_named(numbers, values, sums, scratch);
}

void ListReader::add_named(std::span<const std::byte> numbers, std::span<const std::byte> values, std::span<float> sums,
                           ListScratch& scratch) const {
  const std::size_t count = values.size() / size_of(type_);
  if (type_ != DType::f32 && count > 0) {
    const std::span<float> wide(scratch.values.data(), count);
    cast(ConstBuffer(values.data(), count, type_), Buffer(wide));
    values = std::as_bytes(wide);
  }
  if (coding_ == ListCoding::dense) {
    for (std::size_t i = 0; i < count; ++i) sums[i] += load<float>(values.data() + i * sizeof(float));
    return;
  }
  std::size_t least = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const auto number = load<std::uint16_t>(numbers.data() + i * sizeof(std::uint16_t));
    if (number < least || number >= sums.size()) refuse_list("its elements do not rise, or are out of range");
    least = std::size_t{number} + 1;
    sums[number] += load<float>(values.data() + i * sizeof(float));
  }
}

}  // namespace tutti::detail
