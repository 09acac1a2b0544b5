// bench_mixing: how well orders mix a data set that is sorted by class, as a table in Markdown. 120 shards of 100
// samples, 10 classes, batches of 100, means of 10 seeds; io/README.md tells what the columns mean.
#include <fmt/core.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <tutti/io/sampler.hpp>

#include "tests/io/mixing.hpp"

namespace {

using tutti::io::Order;
using tutti::io::Sampler;

constexpr std::uint64_t kSize = 12'000;
constexpr std::uint64_t kBlock = 100;
constexpr std::uint64_t kClasses = 10;
constexpr std::uint64_t kBatch = 100;
constexpr int kSeeds = 10;

void row(const std::string& name, const std::string& bound, const std::function<Sampler(std::uint64_t)>& sampler) {
  tutti::io::test::Mixing sum;
  std::vector<std::uint64_t> order(kSize);
  for (int seed = 1; seed <= kSeeds; ++seed) {
    sampler(static_cast<std::uint64_t>(seed)).samples(0, 0, order);
    sum += tutti::io::test::mixing_of(order, kClasses, kBlock, kBatch);
  }
  const tutti::io::test::Mixing mean = sum.over(kSeeds);
  fmt::print("| {} | {:.3f} | {:.4f} | {:.2f} | {:.2f} | {} |\n", name, mean.correlation, mean.same_block, mean.runs,
             mean.chi2_of_batch, bound);
}

}  // namespace

int main() {
  fmt::print(
      "| order | correlation | same block | class runs | chi2/dof | 1 + (b-1)/k |\n"
      "| --- | --- | --- | --- | --- | --- |\n");
  row("contiguous", "", [](std::uint64_t seed) { return Sampler(kSize, Order::contiguous, seed); });
  row("shuffled", "", [](std::uint64_t seed) { return Sampler(kSize, Order::shuffled, seed); });
  row("bootstrap", "", [](std::uint64_t seed) { return Sampler(kSize, Order::bootstrap, seed); });
  for (const std::uint64_t lanes : {1, 5})
    for (const std::uint64_t k : {5, 20, 60}) {
      const double bound = 1 + static_cast<double>(kBatch - 1) / static_cast<double>(k);
      row(fmt::format("two_level, {} blocks in {} window{}", k, lanes, lanes == 1 ? "" : "s"),
          fmt::format("{:.2f}", bound), [&](std::uint64_t seed) {
            return Sampler(kSize, seed,
                           {.batch = kBatch, .lanes = lanes, .block = kBlock, .window = k * kBlock / lanes});
          });
    }
}
