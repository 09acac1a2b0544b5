#include <tutti/compression/sparse/slices.hpp>

#include <algorithm>

namespace tutti::detail {

void deal(const Elements& elements, const DealtSlices& slices, const Elements& out, std::span<std::size_t> ends) {
  std::fill(ends.begin(), ends.end(), 0);
  for (const std::uint32_t index : elements.indices) ++ends[slices.owner(index)];
  std::size_t begin = 0;
  for (std::size_t& end : ends) {  // where the next element of each owner goes
    const std::size_t count = end;
    end = begin;
    begin += count;
  }
  for (std::size_t i = 0; i < elements.indices.size(); ++i) {
    const std::size_t to = ends[slices.owner(elements.indices[i])]++;
    out.indices[to] = static_cast<std::uint32_t>(slices.within(elements.indices[i]));
    out.values[to] = elements.values[i];
  }
}

}  // namespace tutti::detail
