#include "tools/data/mpi_ranks.hpp"

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include <tutti/collectives/collectives.hpp>
#include <tutti/collectives/communicator.hpp>
#include <tutti/kernels/error.hpp>

#include "tools/command_line.hpp"
#include "tools/world.hpp"

namespace tutti::tools::data {

namespace {

class MpiRanks final : public io::Ranks {
 public:
  explicit MpiRanks(const Communicator& comm) : comm_(comm) {}

  int rank() const override { return comm_.rank(); }
  int size() const override { return comm_.size(); }

  std::vector<std::vector<std::uint64_t>> all_gather(const std::vector<std::uint64_t>& mine) override {
    const std::size_t ranks = static_cast<std::size_t>(size());
    const std::vector<std::uint64_t> own{mine.size()};
    std::vector<std::uint64_t> sizes(ranks);
    tutti::all_gather(comm_, std::span(own), std::span(sizes));
    const std::vector<std::size_t> counts(sizes.begin(), sizes.end());
    std::vector<std::uint64_t> all(std::accumulate(counts.begin(), counts.end(), std::size_t{0}));
    if (!all.empty()) tutti::all_gather_v(comm_, std::span(mine), std::span(all), counts);
    std::vector<std::vector<std::uint64_t>> by_rank;
    by_rank.reserve(ranks);
    auto next = all.begin();
    for (const std::size_t count : counts) {
      by_rank.emplace_back(next, next + static_cast<std::ptrdiff_t>(count));
      next += static_cast<std::ptrdiff_t>(count);
    }
    return by_rank;
  }

 private:
  const Communicator& comm_;
};

}  // namespace

void with_ranks(const std::function<void(io::Ranks&)>& body) {
  if (launched_ranks() == 1) {
    body(io::one_rank());
    return;
  }
  run_on_all_ranks({}, [&](const Communicator& comm) {
    MpiRanks ranks(comm);
    try {
      body(ranks);
    } catch (const DataError& error) {  // alike on all ranks, as InvalidArgument is
      throw InvalidArgument(error.what());
    }
  });
}

}  // namespace tutti::tools::data
