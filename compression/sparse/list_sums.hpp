// Adding up the lists of all ranks.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include <tutti/compression/sparse/sparse_list.hpp>

namespace tutti::detail {

/// \throws CommunicationError, naming the rank: one tells of a list of more bytes than any may have
void require_list_bytes(std::span<const std::size_t> bytes_of_ranks, std::size_t most);

/// Lists of ranks, one after another in memory. Their sums come block by block, so that each is added up in the cache.
class ListSums {
 public:
  /// Begins anew. \throws CommunicationError, naming the rank: its bytes are no list of such a universe
  void begin(std::span<const std::byte> lists, std::span<const std::size_t> bytes, std::size_t universe);

  /// Sets `sums`, kListBlock elements or what is left of the universe: 0 and what the lists have, added in rank order.
  /// \throws CommunicationError, naming the rank whose list is wrong
  void take_block(std::span<float> sums, ListScratch& scratch);

 private:
  std::vector<ListReader> readers_;
};

}  // namespace tutti::detail
