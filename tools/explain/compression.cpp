#include "tools/explain/compression.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <tutti/collectives/communicator.hpp>
#include <tutti/compression/prediction.hpp>
#include <tutti/kernels/error.hpp>

#include "tools/explain/compression_table.hpp"
#include "tools/world.hpp"

namespace tutti::tools {
namespace {

/// The rows of a square matrix of at most so many elements.
std::size_t side_of(std::size_t elements) { return static_cast<std::size_t>(std::sqrt(static_cast<double>(elements))); }

/// Calls for square matrices, and a vector of what is left.
std::vector<ExchangeCall> calls_for(std::size_t elements, const CodecSettings& settings) {
  constexpr std::size_t kLargestSide = 2048;
  std::vector<ExchangeCall> calls;
  for (std::uint64_t tensor = 0; elements > 0; ++tensor) {
    const std::size_t side = std::min(side_of(elements), kLargestSide);
    ExchangeCall call{.settings = settings, .parts = {{.count = side * side, .tensor = tensor, .rows = side}}};
    elements -= side * side;
    if (side < kLargestSide && elements > 0) {
      call.parts.push_back({.offset = side * side, .count = elements, .tensor = ++tensor});
      elements = 0;
    }
    call.in_one_piece = settings.codec == "none";
    calls.push_back(std::move(call));
  }
  return calls;
}

ClusterShape launched_cluster(const Communicator& comm, const CompressionQuestion& question) {
  if (comm.size() < 2)
    throw InvalidArgument(
        "explain compression: --ranks is required, or a launcher: mpirun -n N tutti explain compression");
  const SelectionFacts& facts = comm.selection_facts();
  ClusterShape cluster = {.ranks = comm.size(), .nodes = comm.topology().nodes, .costs = facts.costs};
  if (question.gigabits > 0.0) return with_gigabits(cluster, question.gigabits);
  return facts.source == CostSource::built_in ? with_measured_bandwidth(comm, cluster) : cluster;
}

void explain_compression(const Communicator& comm, const CompressionQuestion& question) {
  const std::vector<CodecSettings> settings = compared_codecs(question);
  std::optional<std::string> problem;
  ClusterShape cluster;
  try {
    if (question.ranks > 0) cluster = asked_cluster(question);
  } catch (const Error& error) {
    problem = error.what();
  }
  fail_together(comm, problem);
  if (question.ranks == 0) cluster = launched_cluster(comm, question);
  std::vector<PredictedExchange> exchanges;
  exchanges.reserve(settings.size());
  for (const CodecSettings& one : settings)
    exchanges.push_back(measure_exchange(comm, one, calls_for(question.elements, one), cluster));
  set_prices(comm, cluster, exchanges);
  if (comm.rank() == 0)
    fmt::print("{}", compression_answer(question, cluster, fmt::format("{} elements", question.elements), exchanges));
}

}  // namespace

void add_explain_compression(CLI::App& explain) {
  auto* command = explain.add_subcommand(
      "compression", "Predict an exchange of gradients by each codec, and on how fast a network each pays");
  const auto question = std::make_shared<CompressionQuestion>();
  describe_compression_question(*command, *question);
  command->callback([question] {
    demand_sense(*question);
    run_on_all_ranks({.tuning_file = question->ranks == 0 ? question->tuning : ""},
                     [&](const Communicator& comm) { explain_compression(comm, *question); });
  });
}

}  // namespace tutti::tools
