// How long codecs that send a few values take on one core, beside memcpy of the same values: 64 MiB of f32 as one
// tensor, 1 % of which are sent.
//
// Encoding is all that a rank does before it sends: the residual is added, the largest are selected, the rest becomes
// the residual, and the list is written. Decoding is adding the lists of some ranks to zeros, and dividing by the
// ranks.
#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <tutti/compression/codecs.hpp>
#include <tutti/compression/sparse/list_sums.hpp>
#include <tutti/compression/sparse/selection.hpp>
#include <tutti/compression/sparse/sparse_list.hpp>
#include <tutti/kernels/philox.hpp>
#include <tutti/kernels/reduce.hpp>

namespace tutti::detail {
namespace {

constexpr std::size_t kCount = std::size_t{16} << 20;

/// About Gaussian.
std::vector<float> gradient(std::uint64_t stream) {
  std::vector<float> values(kCount);
  for (std::size_t i = 0; i < kCount; i += 2) {
    std::uint64_t random = random_u64(1, stream, i);
    for (std::size_t j = i; j < i + 2; ++j, random >>= 32)
      values[j] =
          static_cast<float>((random & 255U) + (random >> 8 & 255U) + (random >> 16 & 255U) + (random >> 24 & 255U)) -
          510.0F + static_cast<float>(random & 4095U) * 0x1p-12F;
  }
  return values;
}

const std::vector<float>& first_gradient() {
  static const std::vector<float> kValues = gradient(0);
  return kValues;
}

void bench_memcpy(benchmark::State& state) {
  std::vector<float> to(kCount);
  for (auto _ : state) {
    std::memcpy(to.data(), first_gradient().data(), kCount * sizeof(float));
    benchmark::ClobberMemory();
  }
}

class Encoder {
 public:
  explicit Encoder(const std::string& codec) : settings_(codec_settings(codec)) {
    MemoryPlan sizes;
    selection_.plan(sizes);
    memory_.resize(sizes.bytes() / sizeof(float) + 16);
    auto* const begin = reinterpret_cast<std::byte*>(memory_.data());
    MemoryPlan arrays(begin + (64 - reinterpret_cast<std::uintptr_t>(begin) % 64));
    selection_.plan(arrays);
    list_.resize(most_list_bytes(selection_.most(), kCount, format().values));
  }

  ListFormat format() const {
    return {.values = dtype_from_name(settings_.values), .rice = settings_.indices == "rice"};
  }
  std::vector<std::byte> encode(std::vector<float>& data, std::uint64_t step) {
    list_.resize(list_.capacity());
    const Elements sent = selection_.select(data, step, facts_);
    list_.resize(write_list(sent.indices, sent.values, kCount, format(), list_));
    return {};
  }
  const std::vector<std::byte>& list() const { return list_; }
  double sent() const { return static_cast<double>(list_.size()); }

 private:
  CodecSettings settings_;
  std::vector<TensorPart> parts_ = {{.offset = 0, .count = kCount}};
  PartSelection selection_{parts_, settings_, 4, 0};
  std::vector<float> memory_;
  std::vector<std::byte> list_;
  std::vector<CompressionFacts> facts_ = {{}};
};

void bench_encode(benchmark::State& state, const std::string& codec) {
  Encoder encoder(codec);
  std::vector<float> data = first_gradient();
  std::uint64_t step = 0;
  for (; step < 3; ++step) encoder.encode(data, step);
  for (auto _ : state) {
    encoder.encode(data, step++);
    benchmark::ClobberMemory();
  }
  state.counters["bytes"] = encoder.sent();
}

void bench_decode(benchmark::State& state, const std::string& codec, std::size_t ranks) {
  std::vector<std::byte> lists;
  std::vector<std::size_t> bytes;
  for (std::size_t r = 0; r < ranks; ++r) {
    Encoder encoder(codec);
    std::vector<float> data = gradient(r);
    encoder.encode(data, 0);
    lists.insert(lists.end(), encoder.list().begin(), encoder.list().end());
    bytes.push_back(encoder.list().size());
  }
  std::vector<float> sums(kCount);
  ListSums list_sums;
  const auto scratch = std::make_unique<ListScratch>();
  for (auto _ : state) {
    list_sums.begin(lists, bytes, kCount);
    for (std::size_t first = 0; first < kCount; first += kListBlock) {
      const auto block = std::span(sums).subspan(first, kListBlock);
      list_sums.take_block(block, *scratch);
      finish_reduction(ReduceOp::avg, Buffer(block), static_cast<int>(ranks));
    }
    benchmark::ClobberMemory();
  }
}

}  // namespace
}  // namespace tutti::detail

int main(int argc, char** argv) {
  using namespace tutti::detail;
  const auto add = [](const std::string& name, auto function, auto... arguments) {
    benchmark::RegisterBenchmark(name.c_str(), function, arguments...)->Unit(benchmark::kMillisecond);
  };
  add("memcpy", bench_memcpy);
  for (const std::string codec :
       {"topk:select=sampled", "topk", "topk:select=sampled,indices=rice", "topk:select=sampled,values=f16",
        "dgc:density=0.01,select=sampled", "threshold:threshold=380,feedback=off"})
    add("encode " + codec, bench_encode, codec);
  for (const std::size_t ranks : {1, 4, 8})
    add("decode topk, ranks " + std::to_string(ranks), bench_decode, std::string("topk:select=sampled"), ranks);
  add("decode topk:indices=rice, ranks 4", bench_decode, std::string("topk:select=sampled,indices=rice"),
      std::size_t{4});
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
