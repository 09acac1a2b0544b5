// How long the kernels of kernels/codecs/ take on one core for 64 MiB of f32, as multiples of the time of memcpy for
// the same input.
//
// Column of_memcpy is the median time of a call divided by the median time of a memcpy of the values, both in this
// benchmark, by turns; processor time, so that other programs count less. `feedback` has a residual; `decode_add` adds
// to the values, as the owner of a sum does.
#include <benchmark/benchmark.h>
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

#include <tutti/kernels/codecs/half_codes.hpp>
#include <tutti/kernels/codecs/integer_codes.hpp>
#include <tutti/kernels/codecs/power_codes.hpp>
#include <tutti/kernels/codecs/sign_codes.hpp>
#include <tutti/kernels/codecs/small_floats.hpp>
#include <tutti/kernels/philox.hpp>

namespace tutti {
namespace {

constexpr std::size_t kCount = (64U << 20) / sizeof(float);

enum class Work : std::uint8_t { encode, encode_with_feedback, decode, decode_add };

struct Memory {
  std::vector<float> values = std::vector<float>(kCount);
  std::vector<float> residual = std::vector<float>(kCount);
  std::vector<float> copy = std::vector<float>(kCount, 1.0F);
  std::vector<std::byte> codes = {};
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

template <class Code>
void bench_code(benchmark::State& state, const Code& code, Work work) {
  Memory& m = memory();
  m.codes.resize(encoded_bytes(code, kCount));
  std::fill(m.residual.begin(), m.residual.end(), 0.0F);
  encode(code, m.values, m.residual, {}, m.codes);
  std::vector<double> times, copies;
  for (auto _ : state) {
    copies.push_back(seconds_of([&] { std::memcpy(m.copy.data(), m.values.data(), kCount * sizeof(float)); }));
    const double seconds = seconds_of([&] {
      switch (work) {
        case Work::encode:
          return benchmark::DoNotOptimize(encode(code, m.values, {}, {}, m.codes));
        case Work::encode_with_feedback:
          return benchmark::DoNotOptimize(encode(code, m.values, m.residual, {}, m.codes));
        case Work::decode:
          return decode(code, m.codes, m.copy);
        case Work::decode_add:
          return decode(code, m.codes, m.copy, true);
      }
    });
    times.push_back(seconds);
    state.SetIterationTime(seconds);
  }
  state.counters["of_memcpy"] = median(times) / median(copies);
  state.counters["bytes_per_value"] = static_cast<double>(m.codes.size()) / kCount;
}

template <class Code>
void add_code(const std::string& name, const Code& code) {
  const std::pair<const char*, Work> works[] = {{"encode", Work::encode},
                                                {"encode/feedback", Work::encode_with_feedback},
                                                {"decode", Work::decode},
                                                {"decode_add", Work::decode_add}};
  for (const auto& [label, work] : works)
    benchmark::RegisterBenchmark((name + "/" + label).c_str(),
                                 [=, work = work](benchmark::State& state) { bench_code(state, code, work); })
        ->UseManualTime()
        ->Iterations(15)
        ->Unit(benchmark::kMillisecond);
}

void add_codes() {
  using Scale = IntegerCode::Scale;
  add_code("bf16", HalfCode{.format = DType::bf16});
  add_code("bf16:rounding=stochastic", HalfCode{.format = DType::bf16, .stochastic = true});
  add_code("f16", HalfCode{.format = DType::f16});
  add_code("fp8", SmallFloatCode{});
  add_code("fp8:format=e5m2", SmallFloatCode{.format = SmallFloatCode::Format::e5m2});
  add_code("block8", IntegerCode{.block = 128});
  add_code("block8:rounding=stochastic", IntegerCode{.block = 128, .stochastic = true});
  add_code("block4", IntegerCode{.block = 128, .levels = 7});
  add_code("block4:rounding=stochastic", IntegerCode{.block = 128, .levels = 7, .stochastic = true});
  add_code("qsgd", IntegerCode{.block = 128, .scale = Scale::norm, .stochastic = true});
  add_code("terngrad", IntegerCode{.levels = 1, .stochastic = true, .clip = 2.5});
  add_code("natural", PowerCode{});
  add_code("sign", SignCode{});
}

}  // namespace
}  // namespace tutti

int main(int argc, char** argv) {
  tutti::add_codes();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
