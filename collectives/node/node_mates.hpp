// The ranks of a communicator that share a node: their boards, and each other's memory.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <tutti/collectives/exchange.hpp>
#include <tutti/collectives/node/board.hpp>
#include <tutti/collectives/node/domains.hpp>
#include <tutti/collectives/node/node_memory.hpp>

namespace tutti::detail {

class Moving;

/// The place of a collective among those of its node.
struct Ticket {
  std::uint64_t number;
  std::uint64_t turn;
};

/// What collectives see of a node: `size` ranks, of which this one has number `number`, in rank order. The boards and
/// what is staged lie where the caller says, so that threads of one process can be ranks.
class NodeMates {
 public:
  NodeMates(int number, std::vector<Board*> boards, std::vector<Staging*> staging);
  NodeMates(const NodeMates&) = delete;
  NodeMates& operator=(const NodeMates&) = delete;
  virtual ~NodeMates();

  int size() const noexcept { return static_cast<int>(boards_.size()); }
  int number() const noexcept { return number_; }
  Board& board(int number) const noexcept { return *boards_[static_cast<std::size_t>(number)]; }
  Board& own() const noexcept { return board(number_); }
  Staging& staging(int number) const noexcept { return *staging_[static_cast<std::size_t>(number)]; }

  /// Where the bytes lie for the others, who reach them only if the place says so.
  virtual Place place_of(const void* data, std::size_t bytes) = 0;

  /// Where bytes of another rank lie for this one. \throws std::bad_alloc if they cannot be mapped.
  virtual std::byte* address_of(int number, const Place& place) = 0;

  /// Copies bytes of another rank, at an address of its own, to `to`. Zero, or what errno says.
  virtual int read(int number, std::uint64_t address, void* to, std::size_t bytes) const = 0;

  /// Whether large data that cannot be mapped are read in the memory of their rank, and not staged.
  bool has_single_copies() const noexcept { return has_single_copies_; }
  void set_single_copies(bool on) noexcept { has_single_copies_ = on; }

  /// Their NUMA domains, where these matter, and whether reductions may combine domain by domain, which are other bits
  /// than those of rank order. The same on all ranks, and before the first collective.
  const Domains& domains() const noexcept { return domains_; }
  bool combines_by_domain() const noexcept { return combines_by_domain_; }
  void set_domains(Domains domains, bool combines) noexcept {
    domains_ = std::move(domains);
    combines_by_domain_ = combines;
  }

  /// The number of the next collective. All ranks take them in one order.
  std::uint64_t take_number() noexcept { return next_++; }

  /// Takes the number of a collective in which this rank has no part, and says so to those that await it.
  void pass() noexcept {
    const std::uint64_t number = take_number();
    own().passed.store(number + 1, std::memory_order_release);
    leave(number, true);
  }

  /// Whether a mate that has not posted in the collective never will.
  bool has_passed(int mate, std::uint64_t number) const noexcept {
    return board(mate).passed.load(std::memory_order_acquire) > number;
  }

  /// Collectives with chunks move them one after the other, in the order in which they took their turns here. Their
  /// chunks are numbered from first_chunk() on, when it is their turn: the same on all ranks.
  std::uint64_t take_turn() noexcept { return next_turn_++; }

  /// Numbers and turns of the next `count` collectives, for stages of another, which begin when they can. The first of
  /// them; the others follow it.
  Ticket take_tickets(std::uint64_t count) noexcept {
    const Ticket first = {next_, next_turn_};
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
  std::unique_ptr<Moving> take_moving();
  void give_back(std::unique_ptr<Moving> moving);

  /// Whether everyone has left the collective that used the place of this one's post.
  bool may_post(std::uint64_t number) noexcept { return number < all_left_ + kPosts || have_left(number); }

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

  /// Whether what was read of the data of `mate` may have been something else, because it has given the collective up.
  bool may_have_deceived(int mate, std::uint64_t number) const noexcept;

 protected:
  virtual void forget_freed() = 0;

 private:
  bool have_left(std::uint64_t number) noexcept;
  void leave_out_of_order(std::uint64_t number) noexcept;

  int number_;
  std::vector<Board*> boards_;
  std::vector<Staging*> staging_;
  std::vector<std::unique_ptr<Moving>> idle_;
  bool has_single_copies_ = false;
  Domains domains_;
  bool combines_by_domain_ = false;
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
/// if one of them cannot map the memory of another of its node, or has no `memory`. `combines_by_domain`: where NUMA
/// domains matter reductions may go by them.
std::unique_ptr<NodeMates> open_node(Exchange& ranks, std::span<const int> node_of,
                                     const std::shared_ptr<NodeMemory>& memory, bool combines_by_domain);

}  // namespace tutti::detail
