// One call of a collective, compared with the naive reference: what grids and random draws are made of.
#pragma once

#include <cstddef>
#include <string>

#include <tutti/collectives/communicator.hpp>
#include <tutti/collectives/schedule/schedule.hpp>
#include <tutti/kernels/reduce.hpp>

namespace tutti::test {

/// One call. `count` is the number of elements per rank where blocks are bound to ranks, otherwise of the data. An
/// algorithm without a name leaves the choice open.
struct Case {
  const Algorithm& algorithm;
  DType dtype = DType::f32;
  ReduceOp op = ReduceOp::sum;
  std::size_t count = 0;
  std::size_t segment_bytes = 0;
  int root = 0;
  bool in_place = false;
  std::size_t misalignment = 0;
  int radix = 0;

  // Whose memory is the communicator's, which the ranks of a node map; the others' is plain. Bit r: rank r's.
  unsigned mapped_inputs = 0;
  unsigned mapped_outputs = 0;
};

std::string describe(const Case& c);

/// Whether the collective has a form in place and one out of place.
bool has_two_forms(const Algorithm& a);

/// Runs the case on every rank; the answer says what is wrong, and is empty if nothing is.
std::string try_case(const Communicator& comm, const Case& c);

}  // namespace tutti::test
