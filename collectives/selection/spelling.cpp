// Other spellings of names; see spelling.hpp.
#include <algorithm>
#include <array>
#include <cctype>
#include <span>

#include <tutti/collectives/selection/spelling.hpp>

namespace tutti {
namespace {

struct Spelling {
  std::string_view other;  ///< without MPI_ and underscores, in lower case
  std::string_view own;
};

constexpr Spelling kCollectives[] = {
    {"allreduce", "allreduce"},
    {"broadcast", "broadcast"},
    {"bcast", "broadcast"},
    {"reduce", "reduce"},
    {"allgather", "all_gather"},
    {"allgatherv", "all_gather_v"},
    {"reducescatter", "reduce_scatter"},
    {"reducescatterblock", "reduce_scatter"},
    {"reducescatterv", "reduce_scatter_v"},
    {"gather", "gather"},
    {"gatherv", "gather_v"},
    {"scatter", "scatter"},
    {"scatterv", "scatter_v"},
    {"alltoall", "all_to_all"},
    {"alltoallv", "all_to_all_v"},
    {"barrier", "barrier"},
};

constexpr Spelling kTypes[] = {
    {"float", "f32"},    {"fp32", "f32"},      {"float32", "f32"},      {"single", "f32"},  {"double", "f64"},
    {"fp64", "f64"},     {"float64", "f64"},   {"half", "f16"},         {"fp16", "f16"},    {"float16", "f16"},
    {"bfloat", "bf16"},  {"bfloat16", "bf16"}, {"int", "i32"},          {"int32", "i32"},   {"int32t", "i32"},
    {"int64", "i64"},    {"int64t", "i64"},    {"long", "i64"},         {"int16", "i16"},   {"int16t", "i16"},
    {"short", "i16"},    {"int8", "i8"},       {"int8t", "i8"},         {"char", "i8"},     {"signedchar", "i8"},
    {"uint64", "u64"},   {"uint64t", "u64"},   {"unsignedlong", "u64"}, {"uint32", "u32"},  {"uint32t", "u32"},
    {"unsigned", "u32"}, {"uint", "u32"},      {"uint16", "u16"},       {"uint16t", "u16"}, {"unsignedshort", "u16"},
    {"uint8", "u8"},     {"uint8t", "u8"},     {"unsignedchar", "u8"},  {"byte", "u8"},
};

constexpr Spelling kOperators[] = {
    {"sum", "sum"},     {"prod", "prod"},    {"min", "min"},          {"max", "max"},        {"avg", "avg"},
    {"average", "avg"}, {"mean", "avg"},     {"add", "sum"},          {"product", "prod"},   {"band", "bit_and"},
    {"bor", "bit_or"},  {"bxor", "bit_xor"}, {"land", "logical_and"}, {"lor", "logical_or"},
};

/// Without MPI_ and underscores, in lower case; `had_prefix` if MPI_ was there.
std::string plain(std::string_view word, bool& had_prefix) {
  std::string letters;
  for (const char letter : word) {
    letters += static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  }
  had_prefix = letters.rfind("mpi_", 0) == 0;
  if (had_prefix) letters.erase(0, 4);
  letters.erase(std::remove(letters.begin(), letters.end(), '_'), letters.end());
  return letters;
}

std::string spelled(std::span<const Spelling> known, std::string_view word, std::string_view letters) {
  const auto found =
      std::find_if(known.begin(), known.end(), [&](const Spelling& spelling) { return spelling.other == letters; });
  return std::string(found == known.end() ? word : found->own);
}

}  // namespace

std::string spelled_collective(std::string_view word) {
  bool of_mpi = false;
  const std::string letters = plain(word, of_mpi);
  if (of_mpi && letters == "reducescatter") return "reduce_scatter_v";
  return spelled(kCollectives, word, letters);
}

std::string spelled_dtype(std::string_view word) {
  bool of_mpi = false;
  return spelled(kTypes, word, plain(word, of_mpi));
}

std::string spelled_op(std::string_view word) {
  bool of_mpi = false;
  return spelled(kOperators, word, plain(word, of_mpi));
}

}  // namespace tutti
