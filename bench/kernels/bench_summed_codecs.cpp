// How long the kernels of codecs whose sums are formed without decoding take on one core, for 64 MiB of f32: as
// multiples of the time of memcpy for the same input.
//
// Column of_memcpy is the median time of a call divided by the median time of a memcpy of the values, both in this
// benchmark, by turns; processor time, so that other programs count less. `encode` of an integer codec is what comes
// after `largest`, with feedback.
#include <benchmark/benchmark.h>
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

#include <tutti/kernels/buffer.hpp>
#include <tutti/kernels/codecs/low_rank.hpp>
#include <tutti/kernels/codecs/shared_scale.hpp>
#include <tutti/kernels/philox.hpp>

namespace tutti {
namespace {

constexpr std::size_t kSide = 4096;
constexpr std::size_t kCount = kSide * kSide;  // 64 MiB
constexpr std::size_t kBlock = 1024;

struct Memory {
  std::vector<float> values = std::vector<float>(kCount);
  std::vector<float> residual = std::vector<float>(kCount);
  std::vector<float> copy = std::vector<float>(kCount, 1.0F);
  std::vector<std::uint32_t> largest = std::vector<std::uint32_t>(kCount / kBlock);
  std::vector<std::uint32_t> held = std::vector<std::uint32_t>(kCount / kBlock);
  std::vector<std::byte> codes = std::vector<std::byte>(2 * kCount);
  std::vector<std::byte> sums = std::vector<std::byte>(4 * kCount);
};

/// Normal values, one for all benchmarks.
Memory& memory() {
  static Memory kMemory = [] {
    Memory made;
    for (std::size_t i = 0; i < kCount; i += 2) {
      const double radius = std::sqrt(-2.0 * std::log(1.0 - random_uniform(1, 0, i)));
      const double angle = 6.283185307179586 * random_uniform(1, 0, i + 1);
      made.values[i] = static_cast<float>(radius * std::cos(angle));
      made.values[i + 1] = static_cast<float>(radius * std::sin(angle));
    }
    return made;
  }();
  return kMemory;
}

double median(std::vector<double> times) {
  std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2), times.end());
  return times[times.size() / 2];
}

template <class Action>
double seconds_of(Action action) {
  const auto now = [] {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  };
  const double begin = now();
  action();
  benchmark::ClobberMemory();
  return now() - begin;
}

void add_bench(const std::string& name, const std::function<void()>& before, const std::function<void()>& action) {
  const auto run = [=](benchmark::State& state) {
    Memory& m = memory();
    before();
    std::vector<double> times, copies;
    for (auto _ : state) {
      copies.push_back(seconds_of([&] { std::memcpy(m.copy.data(), m.values.data(), kCount * sizeof(float)); }));
      times.push_back(seconds_of(action));
      state.SetIterationTime(times.back());
    }
    state.counters["of_memcpy"] = median(times) / median(copies);
  };
  benchmark::RegisterBenchmark(name.c_str(), run)->UseManualTime()->Iterations(15)->Unit(benchmark::kMillisecond);
}

void add_integers(const std::string& name, DType codes, DType wide, const IntegerGrid& grid) {
  Memory& m = memory();
  const auto buffer_of = [&m](DType dtype, bool sums) {
    return Buffer(sums ? m.sums.data() : m.codes.data(), code_count(kCount, kBlock, dtype), dtype);
  };
  const auto encode = [=, &m](bool draws) {
    const Draw draw = {.seed = 1};
    benchmark::DoNotOptimize(
        encode_shared(m.values, m.residual, grid, m.largest, draws ? &draw : nullptr, buffer_of(codes, false), m.held));
  };
  const auto prepare = [=, &m] {
    std::fill(m.residual.begin(), m.residual.end(), 0.0F);
    largest_magnitudes(m.values, m.residual, grid.block, m.largest);
    encode(false);
    std::fill(m.sums.begin(), m.sums.end(), std::byte{0});
  };
  add_bench(name + "/largest", prepare, [=, &m] { largest_magnitudes(m.values, {}, grid.block, m.largest); });
  add_bench(name + "/encode", prepare, [=] { encode(false); });
  add_bench(name + ":rounding=stochastic/encode", prepare, [=] { encode(true); });
  add_bench(name + "/decode", prepare,
            [=, &m] { decode_shared(buffer_of(codes, false), grid, 1, m.largest, 1, m.copy); });
  add_bench(name + ":sums=wide/add", prepare, [=] { add_codes(buffer_of(codes, false), buffer_of(wide, true)); });
  add_bench(name + ":sums=wide/decode", prepare,
            [=, &m] { decode_shared(buffer_of(wide, true), grid, 1, m.largest, 4, m.copy); });
}

void add_low_rank(std::size_t rank) {
  Memory& m = memory();
  const LowRank shape = {.rows = kSide, .columns = kSide, .rank = rank};
  static std::vector<float> left(kSide * kMaxRank), right(kSide * kMaxRank, 1e-3F);
  static std::vector<double> scratch(kSide * kMaxRank);
  const auto thin = [=](std::vector<float>& all) { return std::span(all).first(kSide * rank); };
  const std::string name = "powersgd:rank=" + std::to_string(rank);
  const auto prepare = [=, &m] {
    std::fill(m.residual.begin(), m.residual.end(), 0.0F);
    for (std::size_t i = 0; i < left.size(); ++i) left[i] = static_cast<float>(random_uniform(2, 0, i));
  };
  add_bench(name + "/from_right", prepare, [=, &m] {
    benchmark::DoNotOptimize(multiply_from_right(shape, m.copy, m.residual, thin(right), thin(left)));
  });
  add_bench(name + "/orthonormalise", prepare, [=] {
    orthonormalise({.vectors = rank, .length = kSide, .interleaved = true}, thin(left),
                   std::span(scratch).first(kSide * rank));
  });
  add_bench(name + "/from_left", prepare, [=, &m] { multiply_from_left(shape, m.copy, thin(left), thin(right)); });
  add_bench(name + "/expand", prepare, [=, &m] {
    benchmark::DoNotOptimize(expand(shape, thin(left), thin(right), thin(right), m.copy, m.residual));
  });
}

void add_all() {
  add_integers("int16", DType::i16, DType::i32, {.block = kBlock, .limit = 8191});
  add_integers("int8", DType::i8, DType::i16, {.block = kBlock, .limit = 31});
  add_integers("int4", DType::u8, DType::u16, {.block = kBlock, .limit = 7});
  for (const std::size_t rank : {1, 4, 8, 32}) add_low_rank(rank);
}

}  // namespace
}  // namespace tutti

int main(int argc, char** argv) {
  tutti::add_all();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
