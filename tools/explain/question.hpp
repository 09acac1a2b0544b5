// What `tutti explain` is asked, and what the choice of algorithms answers: on ranks that are thought of, or on those
// that a launcher started.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <tutti/allreduce/hierarchical.hpp>
#include <tutti/collectives/communicator.hpp>
#include <tutti/collectives/inspect/communicator.hpp>
#include <tutti/collectives/inspect/selection.hpp>

#include "tools/explain/costs.hpp"

namespace tutti::tools {

/// The options as they stand on the command line.
struct ExplainOptions : CostOptions {
  std::string collective;
  int ranks = 0;  ///< 0: those that the launcher started
  int ranks_per_node = 1;
  std::string network;
  std::string bytes = "1M";
  bool table = false;
  std::string algorithm = {};
  int radix = 0;
  std::string draw;
  std::string view = "auto";
  int rank = -1;
  std::string rounds;
  bool json = false;
};

/// Which call: one with a count for every rank is `uneven`.
struct Question {
  Collective collective{};
  bool uneven = false;
  std::size_t bytes = 0;  ///< that the choice goes by
  std::string algorithm = {};
  int radix = 0;

  bool counted_by_pair() const noexcept { return uneven && collective == Collective::all_to_all; }
  std::string name() const { return std::string(tutti::name(collective)) + (uneven ? "_v" : ""); }
  std::span<const Algorithm* const> table() const;
};

/// The collectives that may be asked for, as `tutti perf` names them.
std::vector<std::string> explained_collectives();

/// \throws InvalidArgument if the collective, a size or the algorithm is not known, or the radix out of range.
Question question_of(const ExplainOptions& options, int ranks);

/// The ranks that would call.
struct Ranks {
  int count = 0;
  std::vector<int> node_of;
  bool shares_memory = true;  ///< the ranks of a node do
  std::string from;           ///< "", or "as launched"
  ExplainedCosts costs;
  std::string tuning;  ///< the file
  NetworkDescription network;
  Selector selector;
  std::optional<detail::Hierarchy> levels;
  std::shared_ptr<const AlgorithmRules> rules;

  /// What plans on two levels are chosen by; null if there is one level.
  detail::LevelPrices* prices() noexcept { return levels ? &levels->prices : nullptr; }

  int nodes() const;
  int most_on_node() const;
};

/// As the command line thinks of them. \throws InvalidArgument
Ranks imagined_ranks(const ExplainOptions& options);

/// Those of the communicator. Collective.
Ranks ranks_of(const Communicator& comm);

/// What runs.
enum class Winner { node_memory, algorithm };

struct Answer {
  Winner winner = Winner::algorithm;
  std::vector<Plan> plans;                           ///< all candidates: the best, then the others, the fastest first
  std::optional<detail::HierarchicalStages> stages;  ///< of the plan on two levels, if it is a candidate
  const AlgorithmRule* rule = nullptr;               ///< that decides
  std::vector<std::string> passed_over;              ///< rules that fit and cannot serve, and why

  /// Whether the plan that runs is made of stages.
  bool is_staged() const noexcept { return plans.front().algorithm->staged != nullptr; }
};
Answer answer_to(const Question& question, Ranks& ranks);

}  // namespace tutti::tools
