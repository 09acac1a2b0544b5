// Elements of several parts, numbered one part after another.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include <tutti/compression/compressed_allreduce.hpp>

namespace tutti::detail {

class PartPlaces {
 public:
  explicit PartPlaces(std::span<const TensorPart> parts) : begins_(parts.size() + 1) {
    for (std::size_t p = 0; p < parts.size(); ++p) begins_[p + 1] = begins_[p] + parts[p].count;
  }

  std::size_t count() const noexcept { return begins_.back(); }

  struct Piece {
    std::size_t part = 0;
    std::size_t first = 0;   ///< element within the part
    std::size_t offset = 0;  ///< how many elements are in pieces before
    std::size_t count = 0;
  };

  /// Calls with the pieces of parts that elements [first, first + count) are.
  template <class Function>
  void visit(std::size_t first, std::size_t count, Function&& function) const {
    if (count == 0) return;
    auto part = static_cast<std::size_t>(std::upper_bound(begins_.begin(), begins_.end(), first) - begins_.begin()) - 1;
    for (std::size_t done = 0; done < count; ++part) {
      const std::size_t at = first + done - begins_[part];
      const std::size_t n = std::min(count - done, begins_[part + 1] - begins_[part] - at);
      if (n > 0) function(Piece{.part = part, .first = at, .offset = done, .count = n});
      done += n;
    }
  }

 private:
  std::vector<std::size_t> begins_;  // and the end of the last
};

}  // namespace tutti::detail
