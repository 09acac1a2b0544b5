// Sending messages over the links of a torus in thought; see link_use.hpp.
#include <algorithm>
#include <cstddef>
#include <cstdlib>

#include <tutti/collectives/selection/link_use.hpp>

namespace tutti {
namespace {

constexpr int kAllRounds = 64;

/// The links of a torus with what goes over them. Messages go the shorter way round, one dimension after another.
class Links {
 public:
  explicit Links(const NetworkDescription& network)
      : torus_(network.torus),
        ports_(network.ports),
        nodes_(static_cast<std::size_t>(network.torus.nodes())),
        carried_(nodes_ * static_cast<std::size_t>(network.torus.dimensions()) * 2),
        through_(nodes_) {}

  /// The number of links that it goes over.
  int send(int from, int to, double amount) noexcept {
    int links = 0;
    for (int dimension = 0, at = from; dimension < torus_.dimensions(); ++dimension) {
      const int side = torus_.side(dimension);
      const int ahead = (torus_.coordinate(to, dimension) - torus_.coordinate(at, dimension) + side) % side;
      const int step = ahead <= side / 2 ? 1 : -1;
      for (int left = std::min(ahead, side - ahead); left > 0; --left, ++links) {
        carried_[link(at, dimension, step)] += amount;
        through_[static_cast<std::size_t>(at)] += amount;
        at = torus_.moved(at, dimension, step);
        through_[static_cast<std::size_t>(at)] += amount;
      }
    }
    return links;
  }

  double busiest() const noexcept {
    const double link = *std::max_element(carried_.begin(), carried_.end());
    if (ports_ == 0) return link;
    return std::max(link, *std::max_element(through_.begin(), through_.end()) / (2 * ports_));  // in and out
  }

  void add(const Links& more, double times) noexcept {
    for (std::size_t i = 0; i < carried_.size(); ++i) carried_[i] += times * more.carried_[i];
    for (std::size_t i = 0; i < through_.size(); ++i) through_[i] += times * more.through_[i];
  }

  void clear() noexcept {
    std::fill(carried_.begin(), carried_.end(), 0);
    std::fill(through_.begin(), through_.end(), 0);
  }

 private:
  std::size_t link(int node, int dimension, int step) const noexcept {
    return (static_cast<std::size_t>(dimension) * 2 + (step > 0 ? 1 : 0)) * nodes_ + static_cast<std::size_t>(node);
  }

  Torus torus_;
  int ports_;
  std::size_t nodes_;
  std::vector<double> carried_;  // by link and direction
  std::vector<double> through_;  // by node: in and out
};

}  // namespace

LinkUse links_used(const Algorithm& algorithm, const Shape& shape, int ranks_per_node,
                   const NetworkDescription& network) {
  const int rounds = algorithm.rounds(shape);
  const double blocks = algorithm.blocks(shape);
  const int every = (rounds + kAllRounds - 1) / kAllRounds;
  LinkUse use;
  Links links(network);
  Links all(network);
  Round round;
  for (int index = 0; index < rounds; index += every) {
    links.clear();
    LinkUse::Ways schedule_plans;
    for (int rank = 0; rank < shape.size; ++rank) {
      round.clear();
      algorithm.round(position_of(rank, shape), index, round);
      int crossed = 0;
      for (const Send& send : round.sends) {
        crossed = links.send(rank / ranks_per_node, send.peer / ranks_per_node, send.blocks.count() / blocks);
      }
      schedule_plans.links = std::max(schedule_plans.links, crossed);
    }
    schedule_plans.moved = links.busiest();
    const int stands_for = std::min(every, rounds - index);
    all.add(links, stands_for);
    use.rounds.insert(use.rounds.end(), static_cast<std::size_t>(stands_for), schedule_plans);
  }
  use.moved = rounds > 0 ? all.busiest() : 0;
  return use;
}

}  // namespace tutti
