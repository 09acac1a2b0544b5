// A whole run of `tutti perf`: what is measured, and measuring, printing and writing it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <tutti/compression/codecs.hpp>

#include "tools/perf/measure.hpp"

namespace tutti::tools {

struct PerfPlan {
  const MeasuredCollective* collective = nullptr;
  DType dtype = DType::f32;
  ReduceOp op = ReduceOp::sum;
  int root = 0;
  bool in_place = false;
  bool allocated = true;  ///< buffers are of Communicator::allocate
  CollectiveOptions options = {};
  std::vector<std::size_t> ladder = {};  ///< bytes, ascending; one 0 for a collective without data

  int iterations = 0;                                 ///< 0: by size
  int batch = 1;                                      ///< calls of an iteration; 0: by size
  MeasureOptions how = {};                            ///< its iterations do not count
  bool message_limits = true;                         ///< measure what messages allow
  bool memory_limits = true;                          ///< measure what memory allows
  std::optional<CodecSettings> codec = std::nullopt;  ///< of a compressed allreduce, to be measured too
  std::string json = {};                              ///< files; empty: none
  std::string csv = {};
};

/// Sizes from `smallest` to `largest`, each `factor` times the one before, or `step` more if that is given.
/// \throws InvalidArgument in the words of the options --min, --max, --factor and --step.
std::vector<std::size_t> make_ladder(std::size_t smallest, std::size_t largest, std::size_t factor,
                                     std::optional<std::size_t> step);

/// `sizes`, if they are a ladder. \throws InvalidArgument in the words of the option --sizes.
std::vector<std::size_t> checked_ladder(std::vector<std::size_t> sizes);

/// Collective. \throws InvalidArgument alike on all ranks: the root is no rank, memory does not suffice, a file cannot
/// be written, an element was wrong.
void run_perf(const Communicator& comm, const PerfPlan& plan);

}  // namespace tutti::tools
