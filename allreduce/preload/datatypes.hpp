// MPI's predefined datatypes and operators, and what tutti calls them.
#pragma once

#include <mpi.h>

#include <cstddef>
#include <cstdint>
#include <optional>

#include <tutti/kernels/dtype.hpp>
#include <tutti/kernels/reduce.hpp>

namespace tutti::preload {

/// A predefined datatype without gaps, whose elements can be moved as bytes.
struct Datatype {
  std::size_t bytes = 0;        ///< of an element
  std::uint32_t operators = 0;  ///< those that tutti applies to it as MPI does: bit ReduceOp; often none
  DType dtype = DType::u8;      ///< for these operators
  std::size_t numbers = 1;      ///< of `dtype` in an element: complex numbers are added as two
};

/// Looks up what MPI defines. Once, after MPI is initialised and before any other function here.
void learn_datatypes();

/// The datatype, or null if it is derived, has gaps or is not known.
const Datatype* find_datatype(MPI_Datatype type) noexcept;

/// Bytes of the data in `count` elements of any datatype; nothing if either is not valid.
std::optional<std::size_t> bytes_of(std::int64_t count, MPI_Datatype type) noexcept;

/// The operator, or nothing if it is the program's own or one that tutti has not.
std::optional<ReduceOp> find_operator(MPI_Op op) noexcept;

}  // namespace tutti::preload
