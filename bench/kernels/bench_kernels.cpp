// How fast the kernels are on one core, at sizes that fit the first-level cache, the second-level cache and neither.
//
// bytes_per_second counts every byte that a kernel reads and writes, as the table in kernels/README.md states them, so
// that all rows can be held against memcpy (which is counted likewise: n read, n written). The size in a name is that
// of the output in bytes (of the f32 side for casts).
#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <tutti/kernels/cast.hpp>
#include <tutti/kernels/copy.hpp>
#include <tutti/kernels/crc32c.hpp>
#include <tutti/kernels/crc32c_versions.hpp>
#include <tutti/kernels/gradients.hpp>
#include <tutti/kernels/integer_sums.hpp>
#include <tutti/kernels/pack.hpp>
#include <tutti/kernels/reduce.hpp>
#include <tutti/kernels/sgd.hpp>
#include <tutti/kernels/update/adagrad.hpp>
#include <tutti/kernels/update/adam.hpp>
#include <tutti/kernels/update/lamb.hpp>
#include <tutti/kernels/update/lars.hpp>
#include <tutti/kernels/update/rmsprop.hpp>

namespace tutti {
namespace {

constexpr std::int64_t kSizes[] = {4 << 10, 256 << 10, 16 << 20};

/// Memory full of elements that are 1, for which no operator is slow (0, NaN and subnormal numbers may be).
class Ones {
 public:
  Ones(std::size_t bytes, DType dtype) : bytes_(bytes), buffer_(bytes_.data(), bytes / size_of(dtype), dtype) {
    const float16 half{0x3c00};
    const bfloat16 brain{0x3f80};
    const float single = 1;
    const double wide = 1;
    const std::int64_t integer = 1;  // its first bytes are a little-endian 1 of every width
    const void* one = dtype == DType::f16    ? static_cast<const void*>(&half)
                      : dtype == DType::bf16 ? static_cast<const void*>(&brain)
                      : dtype == DType::f32  ? static_cast<const void*>(&single)
                      : dtype == DType::f64  ? static_cast<const void*>(&wide)
                                             : static_cast<const void*>(&integer);
    for (std::size_t i = 0; i < bytes; i += size_of(dtype)) std::memcpy(bytes_.data() + i, one, size_of(dtype));
  }
  Buffer buffer() const { return buffer_; }

 private:
  std::vector<std::byte> bytes_;
  Buffer buffer_;
};

std::size_t bytes_of(const benchmark::State& state) { return static_cast<std::size_t>(state.range(0)); }

void count_bytes(benchmark::State& state, std::size_t bytes_an_iteration) {
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes_an_iteration));
}

/// The input begins at a page, the output `shift` bytes behind one.
template <class Copy>
void bench_copy(benchmark::State& state, Copy copy, std::size_t shift) {
  constexpr std::size_t kPage = 4096;
  const Ones from(bytes_of(state) + kPage, DType::u8), to(bytes_of(state) + 2 * kPage, DType::u8);
  const auto aligned = [&](const Ones& memory) {
    auto* bytes = static_cast<std::byte*>(memory.buffer().data);
    return bytes + (kPage - reinterpret_cast<std::uintptr_t>(bytes) % kPage);
  };
  for (auto _ : state) {
    copy(aligned(to) + shift, aligned(from), bytes_of(state));
    benchmark::ClobberMemory();
  }
  count_bytes(state, 2 * bytes_of(state));
}

void bench_reduce_local(benchmark::State& state, ReduceOp op, DType dtype, bool in_place) {
  const Ones left(bytes_of(state), dtype), right(bytes_of(state), dtype), out(bytes_of(state), dtype);
  const Buffer target = in_place ? left.buffer() : out.buffer();
  for (auto _ : state) {
    reduce_local(op, left.buffer(), right.buffer(), target);
    benchmark::ClobberMemory();
  }
  count_bytes(state, 3 * bytes_of(state));
}

/// Two inputs, two targets: what a rank of two does for its share of an allreduce in shared memory.
void bench_reduce_into(benchmark::State& state, DType dtype, bool streams) {
  const Ones left(bytes_of(state), dtype), right(bytes_of(state), dtype);
  const Ones out(bytes_of(state), dtype), also_out(bytes_of(state), dtype);
  const ConstBuffer inputs[] = {left.buffer(), right.buffer()};
  std::byte* const targets[] = {static_cast<std::byte*>(out.buffer().data),
                                static_cast<std::byte*>(also_out.buffer().data)};
  for (auto _ : state) {
    reduce_into(ReduceOp::sum, inputs, targets, 2, streams);
    end_streams();
    benchmark::ClobberMemory();
  }
  count_bytes(state, 4 * bytes_of(state));
}

void bench_average(benchmark::State& state, DType dtype) {
  const Ones data(bytes_of(state), dtype);
  for (auto _ : state) {
    finish_reduction(ReduceOp::avg, data.buffer(), 1);
    benchmark::ClobberMemory();
  }
  count_bytes(state, 2 * bytes_of(state));
}

void bench_cast(benchmark::State& state, DType from, DType to) {
  const std::size_t count = bytes_of(state) / sizeof(float);
  const Ones in(count * size_of(from), from), out(count * size_of(to), to);
  for (auto _ : state) {
    cast(in.buffer(), out.buffer());
    benchmark::ClobberMemory();
  }
  count_bytes(state, count * (size_of(from) + size_of(to)));
}

void bench_sgd(benchmark::State& state, const SgdStep& step) {
  const Ones parameters(bytes_of(state), DType::f32), gradients(bytes_of(state), DType::f32);
  const Ones velocity(bytes_of(state), DType::f32);
  for (auto _ : state) {
    sgd_update(parameters.buffer(), gradients.buffer(), velocity.buffer(), step);
    benchmark::ClobberMemory();
  }
  count_bytes(state, (step.momentum == 0.0 ? 3 : 5) * bytes_of(state));
}

/// An optimizer's update: parameters, gradients and up to three slots. `passes` counts arrays read and written.
template <class Update>
void bench_update(benchmark::State& state, Update update, std::size_t passes) {
  const Ones parameters(bytes_of(state), DType::f32), gradients(bytes_of(state), DType::f32);
  const Ones a(bytes_of(state), DType::f32), b(bytes_of(state), DType::f32), c(bytes_of(state), DType::f32);
  for (auto _ : state) {
    update(parameters.buffer(), gradients.buffer(), a.buffer(), b.buffer(), c.buffer());
    benchmark::ClobberMemory();
  }
  count_bytes(state, passes * bytes_of(state));
}

/// One pass of the gradient of a shard; and the way back.
void bench_integer_sums(benchmark::State& state, bool back) {
  const Ones values(bytes_of(state), DType::f32), sums(bytes_of(state), DType::i32);
  const std::size_t count = values.buffer().count;
  const std::span integers(static_cast<std::int32_t*>(sums.buffer().data), count);
  std::vector<std::uint8_t> scales((count + kNormBlock - 1) / kNormBlock, 140), largest(scales.size());
  const int bits = integer_bits(8);
  for (auto _ : state) {
    if (back)
      integers_to_values(integers, values.buffer(), scales, bits);
    else
      add_as_integers(values.buffer(), integers, scales, largest, bits);
    benchmark::ClobberMemory();
  }
  count_bytes(state, (back ? 2 : 3) * bytes_of(state));
}

template <class Crc>
void bench_crc(benchmark::State& state, Crc crc) {
  const Ones data(bytes_of(state), DType::u8);
  const std::span bytes(static_cast<const std::byte*>(data.buffer().data), bytes_of(state));
  for (auto _ : state) benchmark::DoNotOptimize(crc(bytes, 0));
  count_bytes(state, bytes_of(state));
}

/// Sixteen pieces of unequal size, as the parameters of a small network are.
void bench_pack(benchmark::State& state) {
  constexpr std::size_t kPieces = 16;
  const Ones from(bytes_of(state), DType::f32), to(bytes_of(state), DType::f32);
  const std::size_t unit = from.buffer().count / (kPieces * (kPieces + 1) / 2);
  std::vector<ConstBuffer> pieces;
  std::size_t first = 0;
  for (std::size_t i = 0; i < kPieces; ++i) {
    const std::size_t count = i + 1 < kPieces ? unit * (i + 1) : from.buffer().count - first;
    pieces.push_back(ConstBuffer(from.buffer()).slice(first, count));
    first += count;
  }
  for (auto _ : state) {
    pack(pieces, to.buffer());
    benchmark::ClobberMemory();
  }
  count_bytes(state, 2 * bytes_of(state));
}

template <class Function, class... Arguments>
void add(const std::string& label, Function function, Arguments... arguments) {
  auto* bench =
      benchmark::RegisterBenchmark(label.c_str(), [=](benchmark::State& state) { function(state, arguments...); });
  for (const std::int64_t size : kSizes) bench->Arg(size);
}

template <class Update>
void add_update(const std::string& label, Update update, std::size_t passes) {
  add(label, bench_update<Update>, update, passes);
}

void add_updates() {
  const AdamStep adam{.learning_rate = 1e-9, .number = 10};
  const AdamStep adamw{.learning_rate = 1e-9, .weight_decay = 0.01, .decoupled = true, .number = 10};
  using Memory = const Buffer&;
  add_update(
      "adam", [=](Memory p, Memory g, Memory a, Memory b, Memory) { adam_update(p, g, a, b, {}, adam); }, 7);
  add_update(
      "adamw", [=](Memory p, Memory g, Memory a, Memory b, Memory) { adam_update(p, g, a, b, {}, adamw); }, 7);
  add_update(
      "adam/amsgrad", [=](Memory p, Memory g, Memory a, Memory b, Memory c) { adam_update(p, g, a, b, c, adam); }, 9);
  add_update(
      "adagrad",
      [](Memory p, Memory g, Memory a, Memory, Memory) {
        adagrad_update(p, g, a, {.learning_rate = 1e-9, .number = 10});
      },
      5);
  add_update(
      "rmsprop",
      [](Memory p, Memory g, Memory a, Memory, Memory) { rmsprop_update(p, g, a, {}, {}, {.learning_rate = 1e-9}); },
      5);
  add_update(
      "rmsprop/centered_momentum",
      [](Memory p, Memory g, Memory a, Memory b, Memory c) {
        rmsprop_update(p, g, a, b, c, {.learning_rate = 1e-9, .momentum = 0.9});
      },
      9);
  add_update(
      "lars",
      [](Memory p, Memory g, Memory a, Memory, Memory) {
        std::vector<double> squares(p.count / kNormBlock + 1);
        const std::span<double> blocks(squares.data(), (p.count + kNormBlock - 1) / kNormBlock);
        block_sums_of_squares(p, blocks);
        block_sums_of_squares(g, blocks);
        lars_update(p, g, a, {.learning_rate = 1e-9, .weight_decay = 1e-4});
      },
      7);
  add_update(
      "lamb",
      [](Memory p, Memory g, Memory a, Memory b, Memory) {
        const LambStep step{.learning_rate = 1e-9, .weight_decay = 0.01, .number = 10};
        std::vector<double> squares(p.count / kNormBlock + 1);
        const std::span<double> blocks(squares.data(), (p.count + kNormBlock - 1) / kNormBlock);
        lamb_moments(p, g, a, b, step, blocks, blocks);
        lamb_update(p, a, b, step);
      },
      10);
  add_update(
      "sum_of_squares", [](Memory p, Memory, Memory, Memory, Memory) { benchmark::DoNotOptimize(sum_of_squares(p)); },
      1);
  add_update(
      "scale", [](Memory p, Memory, Memory, Memory, Memory) { scale(p, 1.0); }, 2);
  add_update(
      "clamp", [](Memory p, Memory, Memory, Memory, Memory) { clamp(p, 2.0); }, 2);
  add_update(
      "moving_average", [](Memory p, Memory, Memory a, Memory, Memory) { update_average(a, p, 0.999); }, 3);
}

void add_all() {
  const auto plain = [](void* to, const void* from, std::size_t bytes) { std::memcpy(to, from, bytes); };
  for (const std::size_t shift : {0, 4}) {
    const std::string suffix = shift == 0 ? "" : "/shifted";
    add("memcpy" + suffix, bench_copy<decltype(plain)>, plain, shift);
    add("copy_bytes" + suffix, bench_copy<decltype(&copy_bytes)>, &copy_bytes, shift);
  }
  add("pack/16_pieces", bench_pack);
  add("add_as_integers", bench_integer_sums, false);
  add("integers_to_values", bench_integer_sums, true);
  for (const DType dtype : kAllDTypes) {
    add("reduce_local/sum/" + std::string(name(dtype)), bench_reduce_local, ReduceOp::sum, dtype, false);
  }
  for (const bool streams : {false, true})
    add(streams ? "reduce_into/sum/f32/streamed" : "reduce_into/sum/f32", bench_reduce_into, DType::f32, streams);
  add("reduce_local/sum/f32/in_place", bench_reduce_local, ReduceOp::sum, DType::f32, true);
  for (const ReduceOp op : kAllReduceOps) {
    if (op == ReduceOp::sum || op == ReduceOp::avg) continue;
    for (const DType dtype : {DType::f32, DType::i64, DType::i8}) {
      if (!is_supported(op, dtype)) continue;
      add("reduce_local/" + std::string(name(op)) + "/" + std::string(name(dtype)), bench_reduce_local, op, dtype,
          false);
    }
  }
  for (const DType dtype : {DType::f32, DType::bf16, DType::i32}) {
    add("average/" + std::string(name(dtype)), bench_average, dtype);
  }
  add("cast/f32_to_bf16", bench_cast, DType::f32, DType::bf16);
  add("cast/bf16_to_f32", bench_cast, DType::bf16, DType::f32);
  add("cast/f32_to_f16", bench_cast, DType::f32, DType::f16);
  add("cast/f16_to_f32", bench_cast, DType::f16, DType::f32);
  add("sgd/plain", bench_sgd, SgdStep{.learning_rate = 1e-9});
  add("sgd/momentum_decay_nesterov", bench_sgd,
      SgdStep{.learning_rate = 1e-9, .momentum = 0.9, .weight_decay = 1e-4, .nesterov = true});
  add_updates();
  add("crc32c", bench_crc<decltype(&crc32c)>, &crc32c);
  add("crc32c/portable", bench_crc<decltype(&crc32c_versions::portable)>, &crc32c_versions::portable);
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
