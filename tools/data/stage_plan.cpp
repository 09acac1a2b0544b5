// The choice of how to stage; see stage_plan.hpp.
#include "tools/data/stage_plan.hpp"

#include <algorithm>
#include <cmath>
#include <string_view>

#include <tutti/collectives/inspect/communicator.hpp>
#include <tutti/collectives/inspect/costs.hpp>
#include <tutti/collectives/inspect/selection.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::tools::data {
namespace {

constexpr std::uint64_t kBroadcastPiece = std::uint64_t{8} << 20;
// So many pieces at least, for reading, sending and writing to go on at the same time.
constexpr std::uint64_t kFewestPieces = 16;

std::uint64_t bounded_power_of_two(double wanted, std::uint64_t most) {
  std::uint64_t piece = kLeastPiece;
  while (piece * 2 <= most && static_cast<double>(piece) * std::sqrt(2.0) < wanted) piece *= 2;
  return piece;
}

std::uint64_t most_bytes(std::uint64_t bytes, std::uint64_t limit) {
  return std::clamp(bytes / kFewestPieces, kLeastPiece, limit);
}

double messages_time(const TransportCosts& costs) { return costs.latency + costs.overhead; }

std::uint64_t count_pieces(std::uint64_t bytes, std::uint64_t piece) {
  return std::max<std::uint64_t>(1, (bytes + piece - 1) / piece);
}

StagePlan chain_plan(const Communicator& movers, std::uint64_t bytes, std::uint64_t piece) {
  const TransportCosts& costs = movers.selection_facts().costs.network;
  if (piece == 0) piece = chain_piece(bytes, movers.size(), costs);
  return {.algorithm = "chain",
          .piece_bytes = piece,
          .seconds = chain_seconds(bytes, movers.size(), piece, costs),
          .link_share = 1};
}

StagePlan broadcast_plan(const Communicator& movers, std::uint64_t bytes, std::uint64_t piece,
                         const std::string& algorithm, std::string_view row) {
  if (piece == 0) piece = bounded_power_of_two(static_cast<double>(kBroadcastPiece), most_bytes(bytes, kLargestPiece));
  const Plan plan = movers.state().everyone().selector().choose(collective_algorithms(), Collective::broadcast,
                                                                static_cast<std::size_t>(piece), {.algorithm = row});
  const Profile its = profile(*plan.algorithm, {movers.size(), plan.radix, plan.torus});
  // No faster than the busiest link, whatever is thought of a piece alone.
  const double least = static_cast<double>(bytes) * its.rank.moved * movers.selection_facts().costs.network.byte;
  const double of_pieces = static_cast<double>(count_pieces(bytes, piece)) * plan.predicted.total();
  return {.algorithm = algorithm,
          .broadcast = std::string(row),
          .piece_bytes = piece,
          .seconds = std::max(least, of_pieces),
          .link_share = its.rank.moved};
}

}  // namespace

std::string StagePlan::name() const { return algorithm == "tree" ? algorithm + " (" + broadcast + ")" : algorithm; }

std::uint64_t chain_piece(std::uint64_t bytes, int nodes, const TransportCosts& costs) {
  constexpr double kWithoutDelay = double{4 << 20};  // two nodes: no node waits for pieces to be passed on
  const double best = nodes > 2
                          ? std::sqrt(static_cast<double>(bytes) * messages_time(costs) / ((nodes - 2) * costs.byte))
                          : kWithoutDelay;
  return bounded_power_of_two(best, most_bytes(bytes, kLargestPiece));
}

double chain_seconds(std::uint64_t bytes, int nodes, std::uint64_t piece, const TransportCosts& costs) {
  const auto rounds = static_cast<double>(count_pieces(bytes, piece) + static_cast<std::uint64_t>(nodes) - 2);
  return rounds * (messages_time(costs) + static_cast<double>(std::min(piece, bytes)) * costs.byte);
}

std::vector<StagePlan> plan_staging(const Communicator& movers, std::uint64_t bytes, const std::string& algorithm,
                                    std::uint64_t piece_bytes) {
  if (movers.size() == 1) {
    const std::uint64_t piece = piece_bytes != 0 ? piece_bytes : bounded_power_of_two(4 << 20, 4 << 20);
    return {{.algorithm = "copy", .piece_bytes = piece}};
  }
  std::vector<StagePlan> plans;
  const auto wants = [&](const char* name) { return algorithm == "auto" || algorithm == name; };
  if (wants("chain")) plans.push_back(chain_plan(movers, bytes, piece_bytes));
  if (wants("tree")) {
    const StagePlan one = broadcast_plan(movers, bytes, piece_bytes, "tree", "knomial");
    const StagePlan two = broadcast_plan(movers, bytes, piece_bytes, "tree", "double_tree");
    plans.push_back(two.seconds < one.seconds ? two : one);
  }
  if (wants("scatter_allgather"))
    plans.push_back(broadcast_plan(movers, bytes, piece_bytes, "scatter_allgather", "scatter_allgather"));
  std::stable_sort(plans.begin(), plans.end(),
                   [](const StagePlan& a, const StagePlan& b) { return a.seconds < b.seconds; });
  // Among those that are as good a chain: it copies nothing, and every node sends to one other alone.
  const auto chain =
      std::find_if(plans.begin(), plans.end(), [](const StagePlan& plan) { return plan.algorithm == "chain"; });
  if (chain != plans.end() && chain->seconds <= kAsGood * plans.front().seconds)
    std::rotate(plans.begin(), chain, chain + 1);
  return plans;
}

}  // namespace tutti::tools::data
