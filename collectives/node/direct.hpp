// Collectives among the ranks of a node by loads and stores in each other's memory.
//
// Before: every rank has its input, and memory for its output, that its node-mates can map (Communicator::allocate) or
// cannot. After: every rank has its output, and nobody touches the memory of another any more.
//
// Every rank posts what it brings (board.hpp). Small data are in the post, and every rank takes from the posts what its
// output needs: one that needs nothing waits for nobody. For large data the ranks learn from each other's posts whose
// memory can be mapped, and move pieces of them (moving.hpp). Where all data come from a root that has to stage them,
// the root waits for nobody to call, and the others for nobody else to. Of an allreduce of n bytes each rank reads and
// writes 2n bytes where all memory is mapped, the fewest there are, and 5n - 2n/P where nothing is.
//
// Bits: those of a combination of all ranks at once, from left to right, for every size and kind of memory; but where
// NUMA domains matter and reductions may go by them (pieces.hpp), of each domain's ranks first.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include <tutti/collectives/node/direct_plan.hpp>
#include <tutti/collectives/node/moving.hpp>
#include <tutti/collectives/node/node_mates.hpp>
#include <tutti/collectives/request.hpp>

namespace tutti::detail {

/// Whether all ranks have to agree that a collective is made here. Those that are asked may also let it pass.
enum class Consent : std::uint8_t { given, asked, refused };

/// One collective of one rank. Knows nothing of MPI: it advances when it is told to, and never waits. May be moved at
/// any time.
class DirectCollective {
 public:
  /// `call` stays. `digest` is of what all ranks must have in common, and `header`, which stays until it is posted,
  /// tells people of it; or null. A call of which any rank refuses consent is complete with nothing done; the others
  /// must have asked.
  DirectCollective(NodeMates& mates, const Call& call, const KeptHeader* header, std::uint64_t digest,
                   Consent consent = Consent::given)
      : DirectCollective(mates, call, plan_direct(call, mates.number(), mates.size()), header, digest, consent) {}

  /// With the plan of the call, for this rank.
  DirectCollective(NodeMates& mates, const Call& call, const DirectPlan& plan, const KeptHeader* header,
                   std::uint64_t digest, Consent consent);

  /// The same in a place that was taken before, by chunks whatever the size.
  DirectCollective(NodeMates& mates, const Call& call, const KeptHeader* header, std::uint64_t digest,
                   const Ticket& ticket);

  /// Does what can be done now. \throws std::bad_alloc if memory of a mate cannot be mapped, Unreadable
  Task::Progress advance();

  /// Once it is complete: whether a rank refused.
  bool refused() const noexcept { return consent_ == Consent::refused; }

  /// A mate that calls otherwise, of which advance() then does no more: its number.
  std::optional<int> differing() const noexcept { return differs_ ? std::optional(met_) : std::nullopt; }
  const Header& header_of(int number) const noexcept { return post_of(number).header.header; }

  /// What it was made with; another place of the same header.
  const Call& call() const noexcept { return *call_; }
  const KeptHeader* header() const noexcept { return header_; }
  void set_header(const KeptHeader& header) noexcept { header_ = &header; }

  /// Numbers of the mates that this rank waits for.
  std::vector<int> awaited() const;

  /// Whether this rank may keep one that it waits for from running: that was last seen on this rank's processor.
  bool is_in_the_way() const noexcept;

 private:
  enum class Stage : std::uint8_t { posting, meeting, moving, over };

  bool awaits(int mate) const noexcept;
  bool has_let_pass(int mate) const noexcept;
  Who first_awaited(const Places& own) const noexcept;
  void post();
  bool meet();
  void take_from_posts();
  void combine_posts();
  void begin_moving();
  void finish();

  bool is_among(Who who, int rank) const noexcept { return detail::is_among(who, rank, mates_->number(), call_->root); }
  Post& post_of(int number) const noexcept { return mates_->board(number).posts[number_ % kPosts]; }
  const std::byte* posted(int number) const noexcept;

  NodeMates* mates_;
  const Call* call_;
  std::uint64_t digest_;
  std::uint64_t number_;
  std::uint64_t turn_ = 0;
  Stage stage_ = Stage::posting;
  Consent consent_;
  DirectPlan plan_;
  bool differs_ = false;
  int met_ = 0;  // mates below this number have posted, as far as they are awaited
  std::unique_ptr<Moving> moving_;
  const KeptHeader* header_;
};

}  // namespace tutti::detail
