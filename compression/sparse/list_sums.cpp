#include <tutti/compression/sparse/list_sums.hpp>

#include <algorithm>

#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::detail {
namespace {

template <class Action>
void naming_rank(std::size_t rank, Action&& action) {
  try {
    action();
  } catch (const CommunicationError& error) {
    throw CommunicationError(text("from rank ", rank, ": ", error.what()));
  }
}

}  // namespace

void require_list_bytes(std::span<const std::size_t> bytes_of_ranks, std::size_t most) {
  for (std::size_t r = 0; r < bytes_of_ranks.size(); ++r)
    if (bytes_of_ranks[r] > most)
      throw CommunicationError(
          text("from rank ", r, ": sparse list: it has ", bytes_of_ranks[r], " bytes, and none has more than ", most));
}

void ListSums::begin(std::span<const std::byte> lists, std::span<const std::size_t> bytes, std::size_t universe) {
  readers_.resize(bytes.size());
  std::size_t at = 0;
  for (std::size_t r = 0; r < bytes.size(); ++r) {
    naming_rank(r, [&] { readers_[r] = ListReader(lists.subspan(at, bytes[r]), universe); });
    at += bytes[r];
  }
}

void ListSums::take_block(std::span<float> sums, ListScratch& scratch) {
  std::fill(sums.begin(), sums.end(), 0.0F);
  for (std::size_t r = 0; r < readers_.size(); ++r) naming_rank(r, [&] { readers_[r].add_block(sums, scratch); });
}

}  // namespace tutti::detail
