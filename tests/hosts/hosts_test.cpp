// Ranks on several hosts, TUTTI_TEST_HOSTS by number: nodes are the hosts, though all of them see the same /dev/shm.
#include <gtest/gtest.h>
#include <mpi.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include <tutti/tutti.hpp>

namespace tutti {
namespace {

/// The host of every rank, by its name, without tutti.
std::vector<std::string> hosts_of_ranks(MPI_Comm comm) {
  constexpr std::size_t kLength = 256;
  std::array<char, kLength> own{};
  gethostname(own.data(), own.size() - 1);
  int size = 0;
  MPI_Comm_size(comm, &size);
  std::vector<char> all(static_cast<std::size_t>(size) * kLength);
  MPI_Allgather(own.data(), kLength, MPI_CHAR, all.data(), kLength, MPI_CHAR, comm);
  std::vector<std::string> names;
  for (std::size_t r = 0; r < static_cast<std::size_t>(size); ++r) names.emplace_back(&all[r * kLength]);
  return names;
}

/// World ranks of a communicator's ranks, in order.
std::vector<int> members(const Communicator& comm, int world_rank) {
  std::vector<int> all(static_cast<std::size_t>(comm.size()));
  all_gather(comm, std::span(&world_rank, 1), std::span(all));
  return all;
}

class Hosts : public testing::Test {
 protected:
  Communicator world_{MPI_COMM_WORLD, {.timeout = std::chrono::seconds(20)}};
  std::vector<std::string> hosts_ = hosts_of_ranks(MPI_COMM_WORLD);
  const std::string& own_ = hosts_.at(static_cast<std::size_t>(world_.rank()));

  /// Ranks of a host, ascending.
  std::vector<int> ranks_on(const std::string& host) const {
    std::vector<int> ranks;
    for (int r = 0; r < world_.size(); ++r) {
      if (hosts_[static_cast<std::size_t>(r)] == host) ranks.push_back(r);
    }
    return ranks;
  }

  /// Hosts in the order of their lowest ranks.
  std::vector<std::string> order() const {
    std::vector<std::string> seen;
    for (const std::string& host : hosts_) {
      if (std::find(seen.begin(), seen.end(), host) == seen.end()) seen.push_back(host);
    }
    return seen;
  }
};

TEST_F(Hosts, AreAsManyAsWereBroughtUp) {
  const char* wanted = std::getenv("TUTTI_TEST_HOSTS");
  ASSERT_NE(wanted, nullptr);
  EXPECT_EQ(order().size(), std::stoul(wanted));
}

TEST_F(Hosts, AreTheNodes) {
  const auto all = order();
  const auto mates = ranks_on(own_);
  const Topology place = world_.topology();
  EXPECT_EQ(place.nodes, static_cast<int>(all.size()));
  EXPECT_EQ(place.node, std::find(all.begin(), all.end(), own_) - all.begin());
  EXPECT_EQ(place.local_size, static_cast<int>(mates.size()));
  EXPECT_EQ(place.local_rank, std::find(mates.begin(), mates.end(), world_.rank()) - mates.begin());
}

TEST_F(Hosts, HaveGroupsOfTheirOwnAndAcross) {
  const Communicator node = world_.local_communicator();
  EXPECT_EQ(members(node, world_.rank()), ranks_on(own_));
  std::vector<int> across;
  for (const std::string& host : order()) {
    const auto ranks = ranks_on(host);
    const auto local = static_cast<std::size_t>(world_.topology().local_rank);
    if (local < ranks.size()) across.push_back(ranks[local]);
  }
  EXPECT_EQ(members(world_.cross_communicator(), world_.rank()), across);
}

TEST_F(Hosts, AddUpMessagesOfAllSizes) {
  const int size = world_.size();
  for (const std::size_t count : {2, 100, 10'000, 1'000'000}) {
    std::vector<int> data(count, world_.rank() + 1);
    data.back() = -world_.rank();
    allreduce(world_, std::span(data), ReduceOp::sum);
    std::vector<int> expected(count, size * (size + 1) / 2);
    expected.back() = -size * (size - 1) / 2;
    EXPECT_TRUE(data == expected) << count << " elements";
  }
}

}  // namespace
}  // namespace tutti
