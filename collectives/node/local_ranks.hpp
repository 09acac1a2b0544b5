// The ranks of a communicator that share a node: their control blocks, and each other's memory.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <tutti/collectives/node/domains.hpp>
#include <tutti/collectives/node/node_memory.hpp>
#include <tutti/collectives/node/rank_block.hpp>
#include <tutti/collectives/transport/bootstrap.hpp>

namespace tutti::detail {

class CopyPipeline;

/// The place of a collective among those of its node.
struct ReservedSlot {
  std::uint64_t number;
  std::uint64_t turn;
};

/// What collectives see of a node: `size` ranks, of which this one has number `number`, in rank order. The control
/// blocks and what is staged lie where the caller says, so that threads of one process can be ranks.
class LocalRanks {
 public:
  LocalRanks(int number, std::vector<RankBlock*> rank_blocks, std::vector<Staging*> staging);
  LocalRanks(const LocalRanks&) = delete;
  LocalRanks& operator=(const LocalRanks&) = delete;
  virtual ~LocalRanks();

  int size() const noexcept { return static_cast<int>(rank_blocks_.size()); }
  int number() const noexcept { return number_; }
  RankBlock& rank_block(int number) const noexcept { return *rank_blocks_[static_cast<std::size_t>(number)]; }
  RankBlock& own() const noexcept { return rank_block(number_); }
  Staging& staging(int number) const noexcept { return *staging_[static_cast<std::size_t>(number)]; }

  /// Where the bytes lie for the others, who reach them only if the place says so.
  virtual BufferHandle handle_of(const void* data, std::size_t bytes) = 0;

  /// Where bytes of another rank lie for this one. \throws std::bad_alloc if they cannot be mapped.
  virtual std::byte* address_of(int number, const BufferHandle& handle) = 0;

  /// Copies bytes of another rank, at an address of its own, to `to`. Zero, or what errno says.
  virtual int read(int number, std::uint64_t address, void* to, std::size_t bytes) const = 0;

  /// Whether large data that cannot be mapped are read in the memory of their rank, and not staged.
  bool uses_cross_memory() const noexcept { return uses_cross_memory_; }
  void set_cross_memory(bool on) noexcept { uses_cross_memory_ = on; }

  /// Their NUMA domains, where these matter, and whether reductions may go domain by domain, which are other bits
  /// than those of rank order. The same on all ranks, and before the first collective.
  const Domains& domains() const noexcept { return domains_; }
  bool reduces_by_domain() const noexcept { return reduces_by_domain_; }
  void set_domains(Domains domains, bool reduces) noexcept {
    domains_ = std::move(domains);
    reduces_by_domain_ = reduces;
  }

  /// The number of the next collective. All ranks take them in one order.
  std::uint64_t take_number() noexcept { return next_++; }

  /// Takes the number of a collective in which this rank has no part, and says so to those that await it.
  void pass() noexcept {
    const std::uint64_t number = take_number();
    own().passed.store(number + 1, std::memory_order_release);
    leave(number, true);
  }

  /// Whether a peer that has not posted in the collective never will.
  bool has_passed(int peer, std::uint64_t number) const noexcept {
    return rank_block(peer).passed.load(std::memory_order_acquire) > number;
  }

  /// Collectives with chunks move them one after the other, in the order in which they took their turns here. Their
  /// chunks are numbered from first_chunk() on, when it is their turn: the same on all ranks.
  std::uint64_t take_turn() noexcept { return next_turn_++; }

  /// Numbers and turns of the next `count` collectives, for stages of another, which begin when they can. The first of
  /// them; the others follow it.
  ReservedSlot reserve_slots(std::uint64_t count) noexcept {
    const ReservedSlot first = {next_, next_turn_};
    next_ += count;
    next_turn_ += count;
    return first;
  }
  bool is_turn(std::uint64_t turn) const noexcept { return turn == turn_; }
  std::uint64_t first_chunk() const noexcept { return first_chunk_; }
  void end_turn(std::uint64_t chunks) noexcept {
    ++turn_;
    first_chunk_ += chunks;
  }

  /// What moves large data, and may know addresses of others' memory until it is given back. When nobody has one,
  /// memory that others have freed is let go of.
  std::unique_ptr<CopyPipeline> take_pipeline();
  void give_back(std::unique_ptr<CopyPipeline> pipeline);

  /// Whether everyone has left the collective that used the place of this one's post.
  bool may_publish(std::uint64_t number) noexcept { return number < all_left_ + kPublishedCalls || have_left(number); }

  /// This rank reads no post of the collective any more, and nothing else of others if it is small.
  void leave(std::uint64_t number, bool is_small) noexcept {
    if (number != left_ || left_early_ != 0) return leave_out_of_order(number);
    ++left_;
    if (!is_small || left_ % kToldTogether == 0) own().left.store(left_, std::memory_order_release);
  }

  /// This rank gives up what it has under way: others that read its data may find anything from now on.
  void fail() noexcept { own().has_failed.store(true, std::memory_order_seq_cst); }

  /// This rank will call nothing more, and whether that is so of all.
  void part() noexcept { own().has_parted.store(true, std::memory_order_release); }
  bool have_all_parted() const noexcept;

  /// Whether what was read of the data of `peer` may have been something else, because it has given the collective up.
  bool may_have_deceived(int peer, std::uint64_t number) const noexcept;

 protected:
  virtual void forget_freed() = 0;

 private:
  bool have_left(std::uint64_t number) noexcept;
  void leave_out_of_order(std::uint64_t number) noexcept;

  int number_;
  std::vector<RankBlock*> rank_blocks_;
  std::vector<Staging*> staging_;
  std::vector<std::unique_ptr<CopyPipeline>> idle_;
  bool uses_cross_memory_ = false;
  Domains domains_;
  bool reduces_by_domain_ = false;
  int moving_ = 0;  // taken and not given back
  std::uint64_t next_ = 0;
  std::uint64_t next_turn_ = 0;
  std::uint64_t turn_ = 0;
  std::uint64_t first_chunk_ = 0;
  std::uint64_t all_left_ = 0;    // what all ranks have left, when last looked
  std::uint64_t left_ = 0;        // collectives before this number are left here
  std::uint64_t left_early_ = 0;  // bit i: so is left_ + 1 + i
};

/// What the option says, or else the environment variable TUTTI_SHARED_MEMORY. \throws InvalidArgument
bool wants_shared_memory(std::optional<bool> option);

/// The ranks of this one's node, `node_of` having the node of every rank. Collective over `ranks`; null on every rank
/// if one of them cannot map the memory of another of its node, or has no `memory`. `reduces_by_domain`: where NUMA
/// domains matter reductions may go by them.
std::unique_ptr<LocalRanks> open_node(Bootstrap& ranks, std::span<const int> node_of,
                                      const std::shared_ptr<NodeMemory>& memory, bool reduces_by_domain);

}  // namespace tutti::detail
