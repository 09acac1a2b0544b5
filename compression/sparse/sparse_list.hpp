// Lists of the elements of a vector that are sent, as they travel.
//
// A list is of `universe` elements, of which it names some by rising number, each with a value; the others are 0.
//
//   bytes   content (little-endian)
//   0-3     number of elements that are named
//   4       how they are named: 0 all (dense), 1 by blocks, 2 by Rice codes
//   5       values: 0 f32, 1 f16, 2 bf16
//   6       bits of a Rice code's remainder, otherwise 0
//   7       0
//   8-      dense: nothing
//           by blocks: of each 65,536 elements how many are named (32 bits each), then their numbers within (16 bits)
//           Rice codes (Rice and Plaunt 1971) of the gap before each, the elements left out: quotient by 2^bits as so
//           many ones and a zero, then the remainder; bit i of the codes is bit i mod 8 of byte i / 8
//   then    values, in the order of elements
//
// By blocks takes 16 bits for each number, Rice codes log2(universe / elements) + 1.5 about. Lists from elsewhere are
// checked: what is wrong with one is an error, and nothing outside of it or of what it is decoded to is touched.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include <tutti/kernels/dtype.hpp>

namespace tutti::detail {

inline constexpr std::size_t kListBlock = 65536;

enum class ListCoding : std::uint8_t { dense, blocks, rice };

struct ListFormat {
  DType values = DType::f32;  ///< f32, f16 or bf16
  bool rice = false;          ///< numbers by Rice codes, where these are shorter
};

/// The most bytes that a list of that many elements takes: as dense or by blocks.
std::size_t most_list_bytes(std::size_t elements, std::size_t universe, DType values) noexcept;

/// Writes the shortest list of the elements `indices`, which rise, with these values, and returns its bytes. Values are
/// those of the type already. `out` has room for most_list_bytes().
std::size_t write_list(std::span<const std::uint32_t> indices, std::span<const float> values, std::size_t universe,
                       const ListFormat& format, std::span<std::byte> out);

/// What reading a block needs: memory that several readers may use in turn.
struct ListScratch {
  std::array<std::uint16_t, kListBlock> numbers;
  std::array<float, kListBlock> values;
};

/// Reads a list from its beginning, block by block.
class ListReader {
 public:
  ListReader() = default;

  /// \throws CommunicationError: `bytes` are no list of such a universe
  ListReader(std::span<const std::byte> bytes, std::size_t universe);

  std::size_t elements() const noexcept { return elements_; }

  /// Adds the values of the next block to `sums`: kListBlock elements of the universe, or what is left of it.
  /// \throws CommunicationError: the list is wrong
  void add_block(std::span<float> sums, ListScratch& scratch);

 private:
  /// How many elements of the next block have a value here; of Rice codes also which they are.
  std::size_t take_count(std::size_t block_elements, ListScratch& scratch);
  std::size_t take_rice_numbers(std::size_t block_elements, ListScratch& scratch);
  std::size_t take_rice_index();
  void add_named(std::span<const std::byte> numbers, std::span<const std::byte> values, std::span<float> sums,
                 ListScratch& scratch) const;

  std::span<const std::byte> counts_;   // of blocks
  std::span<const std::byte> numbers_;  // of elements that are still to come; of Rice codes all
  std::span<const std::byte> values_;   // of elements that are still to come
  std::size_t universe_ = 0;
  std::size_t elements_ = 0;
  std::size_t first_ = 0;  // element of the next block
  std::size_t bit_ = 0;    // of the next Rice code
  std::size_t read_ = 0;   // Rice codes so far
  std::size_t named_ = 0;  // element of the last of them
  bool is_ahead_ = false;  // which is of a block that is still to come
  ListCoding coding_ = ListCoding::dense;
  unsigned rice_bits_ = 0;
  DType type_ = DType::f32;
};

}  // namespace tutti::detail
