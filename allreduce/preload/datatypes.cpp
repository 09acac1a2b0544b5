// Predefined datatypes and operators; see datatypes.hpp.
#include "allreduce/preload/datatypes.hpp"

#include <array>
#include <functional>
#include <limits>
#include <span>

namespace tutti::preload {
namespace {

constexpr std::uint32_t bit(ReduceOp op) noexcept { return std::uint32_t{1} << static_cast<unsigned>(op); }

// The groups of MPI-3.1, 5.9.2, with the operators that MPI defines for them.
constexpr std::uint32_t kArithmetic =
    bit(ReduceOp::sum) | bit(ReduceOp::prod) | bit(ReduceOp::min) | bit(ReduceOp::max);
constexpr std::uint32_t kBitwise = bit(ReduceOp::bit_and) | bit(ReduceOp::bit_or) | bit(ReduceOp::bit_xor);
constexpr std::uint32_t kLogical = bit(ReduceOp::logical_and) | bit(ReduceOp::logical_or);

enum class Kind : std::uint8_t {
  c_signed,
  c_unsigned,
  other_integer,  ///< Fortran's, and those of several languages
  floating,
  complex,
  c_bool,
  bytes,
  only_moved,
};

struct Known {
  MPI_Datatype type;
  Kind kind;
};

/// An open-addressed table: most calls ask for one of a few types, and find it at once.
class Table {
 public:
  void insert(MPI_Datatype type, const Datatype& datatype) noexcept {
    Entry& entry = place_of(type);
    entry = {type, datatype};
  }
  const Datatype* find(MPI_Datatype type) noexcept {
    const Entry& entry = place_of(type);
    return entry.datatype.bytes == 0 ? nullptr : &entry.datatype;
  }

 private:
  struct Entry {
    MPI_Datatype type = MPI_DATATYPE_NULL;
    Datatype datatype;  // of 0 bytes: none
  };
  static constexpr std::size_t kPlaces = 256;  // several times what there is

  Entry& place_of(MPI_Datatype type) noexcept {
    std::size_t hash = std::hash<MPI_Datatype>()(type);
    hash ^= hash >> 8U;  // handles are addresses of large objects, or numbers with the size in their second byte
    while (entries_[hash % kPlaces].datatype.bytes != 0 && entries_[hash % kPlaces].type != type) ++hash;
    return entries_[hash % kPlaces];
  }
  std::array<Entry, kPlaces> entries_{};
};

Table& table() noexcept {
  static Table known;
  return known;
}

/// Signed and unsigned integers by their size; nothing for sizes that tutti has not.
std::optional<DType> integer_of(std::size_t bytes, bool is_signed) noexcept {
  switch (bytes) {
    case 1:
      return is_signed ? DType::i8 : DType::u8;
    case 2:
      return is_signed ? DType::i16 : DType::u16;
    case 4:
      return is_signed ? DType::i32 : DType::u32;
    case 8:
      return is_signed ? DType::i64 : DType::u64;
    default:
      return std::nullopt;
  }
}

std::optional<DType> floating_of(std::size_t bytes) noexcept {
  if (bytes == 4) return DType::f32;
  if (bytes == 8) return DType::f64;
  return std::nullopt;
}

Datatype describe(std::size_t bytes, Kind kind) noexcept {
  const auto with = [&](std::optional<DType> dtype, std::uint32_t operators, std::size_t numbers = 1) -> Datatype {
    if (!dtype) return {.bytes = bytes};
    return {.bytes = bytes, .operators = operators, .dtype = *dtype, .numbers = numbers};
  };
  switch (kind) {
    case Kind::c_signed:
      return with(integer_of(bytes, true), kArithmetic | kBitwise | kLogical);
    case Kind::c_unsigned:
      return with(integer_of(bytes, false), kArithmetic | kBitwise | kLogical);
    case Kind::other_integer:
      return with(integer_of(bytes, true), kArithmetic | kBitwise);
    case Kind::floating:
      return with(floating_of(bytes), kArithmetic);
    case Kind::complex:
      return with(floating_of(bytes / 2), bit(ReduceOp::sum), 2);
    case Kind::c_bool:
      return with(integer_of(bytes, false), kLogical);
    case Kind::bytes:
      return with(integer_of(bytes, false), kBitwise);
    case Kind::only_moved:
      break;
  }
  return {.bytes = bytes};
}

/// Enters the type, if this MPI has it and its elements lie without gaps.
void learn(const Known& known) {
  if (known.type == MPI_DATATYPE_NULL) return;
  int size = 0;
  MPI_Aint lower = 0;
  MPI_Aint extent = 0;
  PMPI_Type_size(known.type, &size);
  PMPI_Type_get_extent(known.type, &lower, &extent);
  if (size > 0 && lower == 0 && extent == size) {
    table().insert(known.type, describe(static_cast<std::size_t>(size), known.kind));
  }
}

}  // namespace

void learn_datatypes() {
  const Known all[] = {
      {MPI_SIGNED_CHAR, Kind::c_signed},
      {MPI_SHORT, Kind::c_signed},
      {MPI_INT, Kind::c_signed},
      {MPI_LONG, Kind::c_signed},
      {MPI_LONG_LONG, Kind::c_signed},
      {MPI_INT8_T, Kind::c_signed},
      {MPI_INT16_T, Kind::c_signed},
      {MPI_INT32_T, Kind::c_signed},
      {MPI_INT64_T, Kind::c_signed},
      {MPI_UNSIGNED_CHAR, Kind::c_unsigned},
      {MPI_UNSIGNED_SHORT, Kind::c_unsigned},
      {MPI_UNSIGNED, Kind::c_unsigned},
      {MPI_UNSIGNED_LONG, Kind::c_unsigned},
      {MPI_UNSIGNED_LONG_LONG, Kind::c_unsigned},
      {MPI_UINT8_T, Kind::c_unsigned},
      {MPI_UINT16_T, Kind::c_unsigned},
      {MPI_UINT32_T, Kind::c_unsigned},
      {MPI_UINT64_T, Kind::c_unsigned},
      {MPI_AINT, Kind::other_integer},
      {MPI_OFFSET, Kind::other_integer},
      {MPI_COUNT, Kind::other_integer},
      {MPI_INTEGER, Kind::other_integer},
      {MPI_INTEGER1, Kind::other_integer},
      {MPI_INTEGER2, Kind::other_integer},
      {MPI_INTEGER4, Kind::other_integer},
      {MPI_INTEGER8, Kind::other_integer},
      {MPI_FLOAT, Kind::floating},
      {MPI_DOUBLE, Kind::floating},
      {MPI_REAL, Kind::floating},
      {MPI_DOUBLE_PRECISION, Kind::floating},
      {MPI_REAL4, Kind::floating},
      {MPI_REAL8, Kind::floating},
      {MPI_C_FLOAT_COMPLEX, Kind::complex},
      {MPI_C_DOUBLE_COMPLEX, Kind::complex},
      {MPI_CXX_FLOAT_COMPLEX, Kind::complex},
      {MPI_CXX_DOUBLE_COMPLEX, Kind::complex},
      {MPI_COMPLEX, Kind::complex},
      {MPI_DOUBLE_COMPLEX, Kind::complex},
      {MPI_COMPLEX8, Kind::complex},
      {MPI_COMPLEX16, Kind::complex},
      {MPI_C_BOOL, Kind::c_bool},
      {MPI_CXX_BOOL, Kind::c_bool},
      {MPI_BYTE, Kind::bytes},
      {MPI_CHAR, Kind::only_moved},
      {MPI_CHARACTER, Kind::only_moved},
      {MPI_WCHAR, Kind::only_moved},
      {MPI_PACKED, Kind::only_moved},
      {MPI_LOGICAL, Kind::only_moved},  // what is true in Fortran is the compiler's own affair
      {MPI_LONG_DOUBLE, Kind::only_moved},
      {MPI_C_LONG_DOUBLE_COMPLEX, Kind::only_moved},
      {MPI_REAL16, Kind::only_moved},
      {MPI_2INT, Kind::only_moved},
      {MPI_2INTEGER, Kind::only_moved},
      {MPI_2REAL, Kind::only_moved},
      {MPI_2DOUBLE_PRECISION, Kind::only_moved},
      {MPI_FLOAT_INT, Kind::only_moved},
  };
  for (const Known& known : all) learn(known);
}

const Datatype* find_datatype(MPI_Datatype type) noexcept { return table().find(type); }

std::optional<std::size_t> bytes_of(std::int64_t count, MPI_Datatype type) noexcept {
  if (count < 0 || type == MPI_DATATYPE_NULL) return std::nullopt;
  const Datatype* const known = find_datatype(type);
  MPI_Count size = 0;
  if (known != nullptr) {
    size = static_cast<MPI_Count>(known->bytes);
  } else if (PMPI_Type_size_x(type, &size) != MPI_SUCCESS || size < 0) {
    return std::nullopt;
  }
  if (size > 0 && count > std::numeric_limits<std::int64_t>::max() / size) return std::nullopt;
  return static_cast<std::size_t>(count * size);
}

std::optional<ReduceOp> find_operator(MPI_Op op) noexcept {
  if (op == MPI_SUM) return ReduceOp::sum;
  if (op == MPI_MAX) return ReduceOp::max;
  if (op == MPI_MIN) return ReduceOp::min;
  if (op == MPI_PROD) return ReduceOp::prod;
  if (op == MPI_LAND) return ReduceOp::logical_and;
  if (op == MPI_LOR) return ReduceOp::logical_or;
  if (op == MPI_BAND) return ReduceOp::bit_and;
  if (op == MPI_BOR) return ReduceOp::bit_or;
  if (op == MPI_BXOR) return ReduceOp::bit_xor;
  return std::nullopt;
}

}  // namespace tutti::preload
