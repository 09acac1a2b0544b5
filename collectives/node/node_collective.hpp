// Collectives among the ranks of a node by loads and stores in each other's memory.
//
// Before: every rank has its input, and memory for its output, that its local ranks can map (Communicator::allocate) or
// cannot. After: every rank has its output, and nobody touches the memory of another any more.
//
// Every rank posts what it brings (rank_block.hpp). Small data are in the post, and every rank takes from the posts
// what its output needs: one that needs nothing waits for nobody. For large data the ranks learn from each other's
// posts whose memory can be mapped, and move pieces of them (copy_pipeline.hpp). Where all data come from a root that
// has to stage them, the root waits for nobody to call, and the others for nobody else to. Of an allreduce of n bytes
// each rank reads and writes 2n bytes where all memory is mapped, the fewest there are, and 5n - 2n/P where nothing is.
//
// Bits: those of a reduction of all ranks at once, from left to right, for every size and kind of memory; but where
// NUMA domains matter and reductions may go by them (work_split.hpp), of each domain's ranks first.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include <tutti/collectives/node/copy_pipeline.hpp>
#include <tutti/collectives/node/local_ranks.hpp>
#include <tutti/collectives/node/node_plan.hpp>
#include <tutti/collectives/system/task.hpp>

namespace tutti::detail {

/// Whether all ranks have to agree that a collective is made here. Those that are asked may also let it pass.
enum class Participation : std::uint8_t { given, asked, refused };

/// One collective of one rank. Knows nothing of MPI: it advances when it is told to, and never waits. May be moved at
/// any time.
class NodeCollective {
 public:
  /// `call` stays. `digest` is of what all ranks must have in common, and `header`, which stays until it is posted,
  /// tells people of it; or null. A call of which any rank refuses participation is complete with nothing done; the
  /// others must have asked.
  NodeCollective(LocalRanks& peers, const Call& call, const KeptHeader* header, std::uint64_t digest,
                 Participation participation = Participation::given)
      : NodeCollective(peers, call, plan_in_node(call, peers.number(), peers.size()), header, digest, participation) {}

  /// With the plan of the call, for this rank.
  NodeCollective(LocalRanks& peers, const Call& call, const NodePlan& plan, const KeptHeader* header,
                 std::uint64_t digest, Participation participation);

  /// The same in a place that was taken before, by chunks whatever the size.
  NodeCollective(LocalRanks& peers, const Call& call, const KeptHeader* header, std::uint64_t digest,
                 const ReservedSlot& slot);

  /// Does what can be done now. \throws std::bad_alloc if memory of a peer cannot be mapped, Unreadable
  Task::Progress advance();

  /// Once it is complete: whether a rank refused.
  bool refused() const noexcept { return participation_ == Participation::refused; }

  /// A peer that calls otherwise, of which advance() then does no more: its number.
  std::optional<int> differing() const noexcept { return differs_ ? std::optional(met_) : std::nullopt; }
  const Header& header_of(int number) const noexcept { return published_call_of(number).header.header; }

  /// What it was made with; another place of the same header.
  const Call& call() const noexcept { return *call_; }
  const KeptHeader* header() const noexcept { return header_; }
  void set_header(const KeptHeader& header) noexcept { header_ = &header; }

  /// Numbers of the peers that this rank waits for.
  std::vector<int> awaited() const;

  /// Whether this rank may keep one that it waits for from running: that was last seen on this rank's processor.
  bool is_in_the_way() const noexcept;

 private:
  enum class Stage : std::uint8_t { posting, meeting, copying, over };

  bool awaits(int peer) const noexcept;
  bool has_let_pass(int peer) const noexcept;
  Who first_awaited(const BufferHandles& own) const noexcept;
  void post();
  bool meet();
  void take_from_posts();
  void reduce_published();
  void begin_pipeline();
  void finish();

  bool is_among(Who who, int rank) const noexcept { return detail::is_among(who, rank, peers_->number(), call_->root); }
  PublishedCall& published_call_of(int number) const noexcept {
    return peers_->rank_block(number).posts[number_ % kPublishedCalls];
  }
  const std::byte* posted(int number) const noexcept;

  LocalRanks* peers_;
  const Call* call_;
  std::uint64_t digest_;
  std::uint64_t number_;
  std::uint64_t turn_ = 0;
  Stage stage_ = Stage::posting;
  Participation participation_;
  NodePlan plan_;
  bool differs_ = false;
  int met_ = 0;  // peers below this number have posted, as far as they are awaited
  std::unique_ptr<CopyPipeline> moving_;
  const KeptHeader* header_;
};

}  // namespace tutti::detail
