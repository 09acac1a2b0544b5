// Collectives in each other's memory with threads as ranks: the same code under ThreadSanitizer, which sees one address
// space.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <map>
#include <memory>
#include <ostream>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <tutti/collectives/node/node_collective.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti {
namespace {

using namespace detail;

constexpr unsigned kSeed = 20261122;

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr int kSlower = 5;  // ThreadSanitizer takes 40 times as long
#else
constexpr int kSlower = 1;
#endif

/// How others reach memory.
enum class Reach { mapped, read, staged };

/// A thread as a rank, whose memory the others reach as the test says.
class ThreadRanks final : public LocalRanks {
 public:
  using LocalRanks::LocalRanks;
  std::map<const void*, Reach> reach;

  BufferHandle handle_of(const void* data, std::size_t bytes) override {
    const Reach how = bytes == 0 ? Reach::staged : reach.at(data);
    const auto address = reinterpret_cast<std::uintptr_t>(data);
    if (how == Reach::read) return {.address = address};
    if (how == Reach::mapped) return {.allocation = 1, .offset = address, .bytes = bytes, .fd = 0};
    return {};
  }
  int read(int /*number*/, std::uint64_t address, void* to, std::size_t bytes) const override {
    std::memcpy(to, reinterpret_cast<const void*>(address), bytes);  // NOLINT(performance-no-int-to-ptr): it was one
    return 0;
  }
  std::byte* address_of(int /*number*/, const BufferHandle& place) override {
    return reinterpret_cast<std::byte*>(place.offset);  // NOLINT(performance-no-int-to-ptr): it was a pointer
  }
  void forget_freed() override {}
};

/// What ranks have in common.
struct Node {
  std::vector<std::unique_ptr<RankBlock>> rank_blocks;
  std::vector<std::unique_ptr<Staging>> staging;

  explicit Node(int size) {
    for (int r = 0; r < size; ++r) {
      rank_blocks.push_back(std::make_unique<RankBlock>());
      staging.push_back(std::make_unique<Staging>());
    }
  }
  std::unique_ptr<ThreadRanks> peers(int number) const {
    std::vector<RankBlock*> all_blocks;
    std::vector<Staging*> all_staging;
    for (const auto& rank_block : rank_blocks) all_blocks.push_back(rank_block.get());
    for (const auto& stage : staging) all_staging.push_back(stage.get());
    return std::make_unique<ThreadRanks>(number, std::move(all_blocks), std::move(all_staging));
  }
};

/// A call as all ranks make it.
struct Draw {
  Collective collective;
  int root;
  bool in_place;
  std::vector<std::size_t> blocks;  // elements of each; where there are no blocks, of the data in shares
  bool uneven;                      // counts of every rank's own
  std::vector<Reach> input;         // of every rank
  std::vector<Reach> output;
  int refuses = -1;  // the rank that cannot

  std::size_t total() const {
    std::size_t sum = 0;
    for (const std::size_t block : blocks) sum += block;
    return sum;
  }
  std::size_t before(int block) const {
    std::size_t sum = 0;
    for (int b = 0; b < block; ++b) sum += blocks[static_cast<std::size_t>(b)];
    return sum;
  }
};

/// Of several `domains` every other is one that goes by domain, some of them of more chunks than can be staged at once.
std::vector<Draw> draws(int size, int domains, int how_many) {
  constexpr Collective kByDomain[] = {Collective::allreduce, Collective::reduce, Collective::reduce_scatter,
                                      Collective::broadcast, Collective::all_gather};
  std::mt19937 generator(kSeed + static_cast<unsigned>(size + 1000 * (domains - 1)));
  std::vector<Draw> all;
  for (int i = 0; i < how_many; ++i) {
    constexpr std::size_t kLargest[] = {1, 12, 1024, 1025, 20'000, 200'000};
    std::uniform_int_distribution<std::size_t> draw_count(0, kLargest[generator() % std::size(kLargest)]);
    Draw draw{};
    const bool by_domain = domains > 1 && i % 2 == 0;
    draw.collective = by_domain ? kByDomain[generator() % std::size(kByDomain)]
                                : kAllCollectives[generator() % std::size(kAllCollectives)];
    draw.root = static_cast<int>(generator() % static_cast<unsigned>(size));
    draw.in_place = generator() % 2 == 0 && draw.collective != Collective::all_to_all;
    draw.uneven = generator() % 3 == 0 && (has_own_input(draw.collective) || has_own_output(draw.collective));
    const bool is_long = by_domain && i % 4 == 0;
    const std::size_t even = (is_long ? 400'000 : draw_count(generator)) / static_cast<std::size_t>(size);
    constexpr Reach kReaches[] = {Reach::mapped, Reach::read, Reach::staged};
    const auto kind = by_domain ? 0 : generator() % 4;  // all alike, or not
    const auto reach = [&] { return kReaches[kind < 3 ? kind : generator() % 3]; };
    for (int r = 0; r < size; ++r) {
      draw.blocks.push_back(draw.uneven ? draw_count(generator) / static_cast<std::size_t>(size) : even);
      draw.input.push_back(reach());
      draw.output.push_back(reach());
    }
    if (!by_domain && generator() % 8 == 0) draw.refuses = static_cast<int>(generator() % static_cast<unsigned>(size));
    all.push_back(std::move(draw));
  }
  return all;
}

std::int32_t contribution(int rank, std::size_t operation, std::size_t i) {
  return static_cast<std::int32_t>(static_cast<std::size_t>(rank + 1) * (operation + 3) + i * 7);
}

std::int32_t sum(int size, std::size_t operation, std::size_t i) {
  std::int32_t all = 0;
  for (int r = 0; r < size; ++r) all += contribution(r, operation, i);
  return all;
}

/// What the output of `rank` has to hold; empty if it has none.
std::vector<std::int32_t> expected(const Draw& draw, std::size_t operation, int rank, int size) {
  std::vector<std::int32_t> out;
  const auto own = draw.blocks[static_cast<std::size_t>(rank)];
  const std::size_t first = draw.before(rank);
  switch (draw.collective) {
    case Collective::allreduce:
    case Collective::reduce:
      if (draw.collective == Collective::reduce && rank != draw.root) break;
      for (std::size_t i = 0; i < draw.total(); ++i) out.push_back(sum(size, operation, i));
      break;
    case Collective::broadcast:
      for (std::size_t i = 0; i < draw.total(); ++i) out.push_back(contribution(draw.root, operation, i));
      break;
    case Collective::all_gather:
    case Collective::gather:
      if (draw.collective == Collective::gather && rank != draw.root) break;
      for (int r = 0; r < size; ++r) {
        for (std::size_t i = 0; i < draw.blocks[static_cast<std::size_t>(r)]; ++i) {
          out.push_back(contribution(r, operation, i));
        }
      }
      break;
    case Collective::reduce_scatter:
      for (std::size_t i = 0; i < own; ++i) out.push_back(sum(size, operation, first + i));
      break;
    case Collective::scatter:
      for (std::size_t i = 0; i < own; ++i) out.push_back(contribution(draw.root, operation, first + i));
      break;
    case Collective::all_to_all:
      for (int r = 0; r < size; ++r) {
        for (std::size_t i = 0; i < own; ++i) out.push_back(contribution(r, operation, first + i));
      }
      break;
    case Collective::barrier:
      break;
  }
  return out;
}

/// One operation of one rank, and its memory: an input of its own, or a part of the output's memory.
struct Request {
  std::vector<std::int32_t> input;
  std::vector<std::int32_t> output;
  ConstBuffer in;
  Buffer out;
  Call call{};
  std::unique_ptr<NodeCollective> work;
  bool complete = false;

  Request() = default;
  Request(const Draw& draw, std::size_t number, int rank, ThreadRanks& peers) {
    const auto own = draw.blocks[static_cast<std::size_t>(rank)];
    const bool is_block = has_own_input(draw.collective);
    const bool has_input = draw.collective != Collective::broadcast && draw.collective != Collective::barrier &&
                           (draw.collective != Collective::scatter || rank == draw.root);
    const bool has_output =
        draw.collective != Collective::barrier &&
        ((draw.collective != Collective::reduce && draw.collective != Collective::gather) || rank == draw.root);
    if (has_input) fill(input, is_block ? own : draw.total(), rank, number);
    if (has_output) output.assign(has_own_output(draw.collective) ? own : draw.total(), -1);
    if (draw.collective == Collective::broadcast && rank == draw.root) fill(output, draw.total(), rank, number);
    in = ConstBuffer(input.data(), input.size(), DType::i32);
    out = Buffer(output.data(), output.size(), DType::i32);
    if (draw.in_place && has_input && has_output) share(draw, rank);
    const auto index = static_cast<std::size_t>(rank);
    peers.reach[out.data] = draw.output[index];
    peers.reach[in.data] = draw.input[index];
  }

  void start(const Draw& draw, ThreadRanks& peers) {
    call = {.collective = draw.collective,
            .input = in,
            .output = out,
            .data_count = draw.total(),
            .dtype = DType::i32,
            .root = draw.root};
    if (draw.uneven) set_counts(call, draw.blocks);
    const Participation consent = draw.refuses == -1               ? Participation::given
                                  : draw.refuses == peers.number() ? Participation::refused
                                                                   : Participation::asked;
    work = std::make_unique<NodeCollective>(peers, call, nullptr, 42, consent);
    complete = work->advance() == Task::Progress::complete;
  }

 private:
  static void fill(std::vector<std::int32_t>& data, std::size_t count, int rank, std::size_t number) {
    data.resize(count);
    for (std::size_t i = 0; i < count; ++i) data[i] = contribution(rank, number, i);
  }

  /// In place: the smaller of the two is a part of the larger.
  void share(const Draw& draw, int rank) {
    const std::size_t first = draw.before(rank);
    if (has_own_input(draw.collective)) {
      std::copy(input.begin(), input.end(), output.begin() + static_cast<std::ptrdiff_t>(first));
      in = ConstBuffer(output.data() + first, input.size(), DType::i32);
    } else if (has_own_output(draw.collective)) {
      out = Buffer(input.data() + first, output.size(), DType::i32);
    } else {
      output = input;
      in = out = Buffer(output.data(), output.size(), DType::i32);
    }
  }
};

bool advance(std::vector<Request>& underway) {
  bool all = true;
  for (Request& operation : underway) {
    operation.complete = operation.complete || operation.work->advance() == Task::Progress::complete;
    all = all && operation.complete;
  }
  return all;
}

/// What is wrong with an operation that is complete; empty if nothing is.
std::string find_mistake(const Draw& draw, std::size_t number, const Request& operation, int rank, int size) {
  const std::string what = text(name(draw.collective), " #", number, " on rank ", rank, ": ");
  const bool asked = draw.refuses != -1;
  if (operation.work->refused() != asked) return text(what, "refused: ", operation.work->refused());
  if (asked) return {};
  const std::vector<std::int32_t> wanted = expected(draw, number, rank, size);
  const auto* const got = static_cast<const std::int32_t*>(operation.out.data);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (got[i] != wanted[i])
      return text(what, "element ", i, " of ", wanted.size(), " is ", got[i], ", not ", wanted[i]);
  }
  return {};
}

/// Ranks, and in how many NUMA domains they are: one after the other, or rank 0 in the first, 1 in the second, and so
/// on.
struct Ranks {
  int size;
  int domains = 1;
  bool in_turn = false;
  int calls = 300 / (domains > 1 ? kSlower : 1);

  friend std::ostream& operator<<(std::ostream& out, const Ranks& ranks) {
    return out << ranks.size << " ranks, " << ranks.domains << " domains" << (ranks.in_turn ? " in turn" : "");
  }

  Domains made() const {
    std::vector<std::int32_t> domain_of;
    for (int r = 0; r < size; ++r) domain_of.push_back(in_turn ? r % domains : r * domains / size);
    return Domains(domain_of);
  }
};

class NodeThreads : public testing::TestWithParam<Ranks> {};

TEST_P(NodeThreads, CollectivesOfAllKindsAndSizesSeveralUnderWay) {
  const int size = GetParam().size;
  const Domains domains = GetParam().made();
  const Node node(size);
  const std::vector<Draw> all = draws(size, GetParam().domains, GetParam().calls);
  std::vector<std::string> mistakes(static_cast<std::size_t>(size));
  std::atomic<bool> late{false};
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  const auto rank = [&](int number) {
    const std::unique_ptr<ThreadRanks> made = node.peers(number);
    ThreadRanks& peers = *made;
    peers.set_domains(domains, true);
    std::mt19937 generator(kSeed * 7 + static_cast<unsigned>(number));
    for (std::size_t first = 0; first < all.size() && !late; first += 3) {
      std::vector<Request> underway(std::min<std::size_t>(3, all.size() - first));
      peers.reach.clear();
      for (std::size_t k = 0; k < underway.size(); ++k) {
        underway[k] = Request(all[first + k], first + k, number, peers);
        underway[k].start(all[first + k], peers);
        if (generator() % 8 == 0) std::this_thread::sleep_for(std::chrono::microseconds(generator() % 200));
      }
      while (!advance(underway) && !late) {
        if (std::chrono::steady_clock::now() > limit) late = true;
        std::this_thread::yield();
      }
      for (std::size_t k = 0; k < underway.size() && !late; ++k) {
        std::string mistake = find_mistake(all[first + k], first + k, underway[k], number, size);
        if (mistakes[static_cast<std::size_t>(number)].empty()) mistakes[static_cast<std::size_t>(number)] = mistake;
      }
    }
  };
  std::vector<std::thread> threads;
  threads.reserve(static_cast<std::size_t>(size));
  for (int r = 0; r < size; ++r) threads.emplace_back(rank, r);
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(late) << "seed " << kSeed;
  for (const std::string& mistake : mistakes) EXPECT_EQ(mistake, "") << "seed " << kSeed;
}

INSTANTIATE_TEST_SUITE_P(Ranks, NodeThreads,
                         testing::Values(Ranks{2}, Ranks{3}, Ranks{5}, Ranks{8}, Ranks{4, 2}, Ranks{6, 3, true},
                                         Ranks{8, 2}, Ranks{8, 4, true}));
INSTANTIATE_TEST_SUITE_P(AsManyAsANodeHas, NodeThreads,
                         testing::Values(Ranks{64, 4, false, 30 / kSlower}, Ranks{256, 8, true, 12 / kSlower}));

}  // namespace
}  // namespace tutti
