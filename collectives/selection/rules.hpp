// Rules for the choice of algorithms, from the environment: what a user or a site knows better than the cost model.
//
// TUTTI_ALGORITHM is a list of rules, separated by commas; TUTTI_ALGORITHM_FILE names a file of them, one a line, with
// comments after '#'. A rule is
//
//   COLLECTIVE[:BYTES]:ALGORITHM[:KEY=VALUE]...    or    ALGORITHM[:KEY=VALUE]...
//
//   COLLECTIVE  allreduce, all_gather, ...; all_gather_v is the form with a count for every rank alone
//   BYTES       of all blocks together, both ends included: 4M-, -64K, 1K-64K, 8
//   ALGORITHM   a name of the table, or auto, which leaves the choice to the cost model; alone it holds for every
//               collective that has an algorithm of that name
//   KEY=VALUE   radix=4, segment=64K; and which communicators it holds for: ranks=2-16, nodes=4-, ranks_per_node=1
//
//   allreduce:4M-:ring,allreduce:-64K:halving_doubling:radix=4,all_to_all:bruck:nodes=2-
//
// The first rule that fits a call and can serve it holds, those of TUTTI_ALGORITHM before those of the file. What a
// call names itself comes before any rule. The file is read by rank 0 alone; whatever is wrong with rules, and ranks
// that have different ones, make a communicator an InvalidArgument on every rank.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <tutti/collectives/schedule/schedule.hpp>

namespace tutti {

/// From `least` to `most`, both included.
struct RuleRange {
  std::size_t least = 0;
  std::size_t most = SIZE_MAX;
  bool holds(std::size_t value) const noexcept { return least <= value && value <= most; }
};

struct AlgorithmRule {
  Collective collective{};
  bool only_uneven = false;  ///< only the form with a count for every rank
  RuleRange bytes = {};
  RuleRange ranks = {};
  RuleRange nodes = {};
  RuleRange ranks_per_node = {};
  std::string algorithm = {};  ///< empty: the cost model's choice
  int radix = 0;
  std::size_t segment_bytes = 0;
  std::string words = {};  ///< as it is written
  std::string place = {};  ///< TUTTI_ALGORITHM, or FILE:LINE

  bool fits(Collective of, std::size_t of_bytes, bool uneven) const noexcept {
    return collective == of && (uneven || !only_uneven) && bytes.holds(of_bytes);
  }
};

using AlgorithmRules = std::vector<AlgorithmRule>;

/// The variables, and what they say; empty if nothing.
inline constexpr const char* kRulesVariable = "TUTTI_ALGORITHM";
inline constexpr const char* kRulesFileVariable = "TUTTI_ALGORITHM_FILE";
std::string rules_of_environment();
std::string rules_file_of_environment();

/// A list of rules separated by commas; `place` is where it stands, for messages. \throws InvalidArgument naming the
/// place and the rule.
AlgorithmRules parse_rules(std::string_view list, const std::string& place);

/// The rules of a file with that content. \throws InvalidArgument naming file, line and rule.
AlgorithmRules parse_rules_file(std::string_view content, const std::string& file);

/// \throws InvalidArgument if it cannot be read.
std::string read_rules_file(const std::string& file);

/// Those that hold for communicators like this one; nullptr if none does.
std::shared_ptr<const AlgorithmRules> rules_for(const AlgorithmRules& rules, std::size_t ranks, std::size_t nodes,
                                                std::size_t ranks_per_node);

/// The names of allreduce's algorithms, whose table stands in a folder above this one; a test compares them.
std::vector<std::string_view> allreduce_algorithm_names();

}  // namespace tutti
