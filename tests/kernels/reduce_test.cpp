// reduce_local() and finish_reduction(): every dtype, operator and instruction set, to the bit.
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <span>
#include <utility>

#include <tutti/kernels/copy.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/reduce.hpp>

#include "reference.hpp"
#include "targets.hpp"

namespace tutti::test {
namespace {

constexpr std::uint64_t kReduceSeed = 20261121;
constexpr std::size_t kGuard = 80;
constexpr std::byte kGuardByte{0xa5};

/// A copy of `elements` that begins `shift` bytes after the beginning of a cache line, between guard bytes.
template <class T>
class Guarded {
 public:
  Guarded(std::span<const T> elements, std::size_t shift)
      : n_(elements.size()), bytes_(kGuard + kLine + shift + elements.size_bytes() + kGuard, kGuardByte) {
    const std::size_t behind = (reinterpret_cast<std::uintptr_t>(bytes_.data()) + kGuard) % kLine;
    begin_ = kGuard + (kLine - behind) % kLine + shift;
    if (n_ != 0) std::memcpy(bytes_.data() + begin_, elements.data(), elements.size_bytes());
  }
  Guarded(Guarded&&) noexcept = default;  // memory stays where it is
  Buffer buffer() { return Buffer(bytes_.data() + begin_, n_, dtype_of<T>); }
  std::vector<T> values() {
    std::vector<T> values(n_);
    if (n_ != 0) std::memcpy(values.data(), buffer().data, n_ * sizeof(T));
    return values;
  }
  bool guards_are_whole() const {
    const std::size_t end = begin_ + n_ * sizeof(T);
    for (std::size_t i = 0; i < bytes_.size(); ++i) {
      if ((i < begin_ || i >= end) && bytes_[i] != kGuardByte) return false;
    }
    return true;
  }

 private:
  static constexpr std::size_t kLine = 64;
  std::size_t n_;
  std::size_t begin_ = 0;
  std::vector<std::byte> bytes_;
};

enum class Place { elsewhere, left, right };

template <class T>
void expect_combine(ReduceOp op, const std::vector<T>& left, const std::vector<T>& right,
                    const std::vector<T>& expected, std::size_t first, std::size_t n, std::size_t shift, Place place) {
  const auto part = [&](const std::vector<T>& values) { return std::span(values).subspan(first, n); };
  Guarded<T> a(part(left), shift), b(part(right), shift / 2), c(part(left), 3 * shift % 16);
  Guarded<T>& out = place == Place::left ? a : place == Place::right ? b : c;
  reduce_local(op, a.buffer(), b.buffer(), out.buffer());
  const std::vector<T> result = out.values();
  const std::size_t i = first_difference(result.data(), expected.data() + first, n);
  ASSERT_EQ(i, n) << std::hex << "element " << i << ": " << bits_of(left[first + i]) << " " << name(op) << " "
                  << bits_of(right[first + i]) << " gave " << bits_of(result[i]) << ", expected "
                  << bits_of(expected[first + i]);
  ASSERT_TRUE(a.guards_are_whole() && b.guards_are_whole() && c.guards_are_whole()) << "wrote outside of `out`";
  ASSERT_TRUE(place == Place::left || first_difference(a.values().data(), left.data() + first, n) == n);
  ASSERT_TRUE(place == Place::right || first_difference(b.values().data(), right.data() + first, n) == n);
}

template <class T>
class ReduceTest : public testing::Test {};
using Elements = testing::Types<double, float, bfloat16, float16, std::int64_t, std::int32_t, std::int16_t, std::int8_t,
                                std::uint64_t, std::uint32_t, std::uint16_t, std::uint8_t>;
TYPED_TEST_SUITE(ReduceTest, Elements);

TYPED_TEST(ReduceTest, ReduceLocalIsTheReference) {
  using T = TypeParam;
  constexpr std::size_t kCount = 4099;
  const Operands<T> in = operands<T>(kCount, kReduceSeed);
  for (const ReduceOp op : kAllReduceOps) {
    if (!is_supported(op, dtype_of<T>)) continue;
    SCOPED_TRACE(testing::Message() << name(dtype_of<T>) << " " << name(op) << ", seed " << kReduceSeed);
    std::vector<T> expected(kCount);
    for (std::size_t i = 0; i < kCount; ++i) expected[i] = reference_combine(op, in.left[i], in.right[i]);
    for_each_target([&] {
      for (const Place place : {Place::elsewhere, Place::left, Place::right}) {
        expect_combine(op, in.left, in.right, expected, 0, kCount, 0, place);
        // Every tail up to more than two of the longest vectors, not even aligned to an element.
        for (std::size_t n = 0; n <= 160 / sizeof(T) + 3; ++n) {
          expect_combine(op, in.left, in.right, expected, 37 * n % 1000, n, n % 16, place);
          if (testing::Test::HasFatalFailure()) return;
        }
      }
    });
  }
}

/// From left to right; bf16 and f16 in f32, rounded once.
template <class T>
T reference_combine_all(ReduceOp op, const std::vector<std::vector<T>>& inputs, std::size_t i) {
  if constexpr (std::is_same_v<T, bfloat16> || std::is_same_v<T, float16>) {
    float result = reference_f32(inputs[0][i]);
    for (std::size_t k = 1; k < inputs.size(); ++k) result = reference_combine(op, result, reference_f32(inputs[k][i]));
    if constexpr (std::is_same_v<T, bfloat16>) {
      return reference_bf16(result);
    } else {
      return reference_f16(result);
    }
  } else {
    T result = inputs[0][i];
    for (std::size_t k = 1; k < inputs.size(); ++k) result = reference_combine(op, result, inputs[k][i]);
    return result;
  }
}

TYPED_TEST(ReduceTest, ReduceAllGoesFromLeftToRightAndRoundsOnce) {
  using T = TypeParam;
  for (const std::size_t count :
       {std::size_t{0}, std::size_t{1}, std::size_t{77}, std::size_t{2048}, std::size_t{5003}}) {
    for (const std::size_t many : {2, 3, 4, 7}) {
      std::vector<std::vector<T>> inputs;
      for (std::size_t k = 0; k < many; ++k) inputs.push_back(operands<T>(count, kReduceSeed + 10 + k).left);
      for (const ReduceOp op : kAllReduceOps) {
        if (!is_supported(op, dtype_of<T>)) continue;
        if (many == 2 && count > 77) continue;  // as reduce_local()
        std::vector<T> expected(count);
        for (std::size_t i = 0; i < count; ++i) expected[i] = reference_combine_all(op, inputs, i);
        for (std::size_t place = 0; place <= many; ++place) {  // the output is that input, or elsewhere
          std::vector<std::vector<T>> copies = inputs;
          std::vector<T> elsewhere(count);
          std::vector<T>& out = place == many ? elsewhere : copies[place];
          std::vector<ConstBuffer> views;
          views.reserve(many);
          for (const std::vector<T>& copy : copies) views.emplace_back(copy.data(), count, dtype_of<T>);
          reduce_all(op, views, Buffer(std::span(out)));
          const std::size_t i = first_difference(out.data(), expected.data(), count);
          ASSERT_EQ(i, count) << name(dtype_of<T>) << " " << name(op) << " of " << many << ", output at " << place
                              << ": element " << i << ", seed " << kReduceSeed;
        }
      }
    }
  }
}

/// Reduces `inputs` into targets of which the first `in_place` are the first inputs; target t begins shift + t *
/// spread bytes behind the beginning of a cache line.
template <class T>
void expect_combine_into(ReduceOp op, const std::vector<std::vector<T>>& inputs, const std::vector<T>& expected,
                         int contributions, std::size_t targets, std::size_t in_place, std::size_t shift,
                         std::size_t spread, bool streams) {
  const std::size_t count = expected.size();
  std::vector<Guarded<T>> sources;
  std::vector<Guarded<T>> outputs;
  std::vector<ConstBuffer> views;
  std::vector<std::byte*> to;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    sources.emplace_back(std::span(inputs[i]), i < in_place ? shift + i * spread : i);
    views.emplace_back(sources.back().buffer());
    if (i < in_place) to.push_back(static_cast<std::byte*>(sources.back().buffer().data));
  }
  const std::vector<T> blank(count);
  for (std::size_t t = in_place; t < targets; ++t) {
    outputs.emplace_back(std::span(blank), shift + t * spread);
    to.push_back(static_cast<std::byte*>(outputs.back().buffer().data));
  }
  reduce_into(op, views, to, contributions, streams);
  end_streams();
  for (std::size_t t = 0; t < targets; ++t) {
    std::vector<T> got(count);
    std::memcpy(got.data(), to[t], count * sizeof(T));
    const std::size_t i = first_difference(got.data(), expected.data(), count);
    ASSERT_EQ(i, count) << "target " << t;
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    ASSERT_TRUE(sources[i].guards_are_whole());
    if (i < in_place) continue;
    ASSERT_EQ(first_difference(sources[i].values().data(), inputs[i].data(), count), count) << i;
  }
  for (const Guarded<T>& output : outputs) ASSERT_TRUE(output.guards_are_whole());
}

TYPED_TEST(ReduceTest, ReduceIntoIsFoundAtAllTargets) {
  using T = TypeParam;
  for (const std::size_t count : {std::size_t{1}, 64 / sizeof(T) - 1, 64 / sizeof(T) * 2 + 1, std::size_t{2050}}) {
    for (const std::size_t many : {1, 2, 3, 5}) {
      std::vector<std::vector<T>> inputs;
      for (std::size_t k = 0; k < many; ++k) inputs.push_back(operands<T>(count, kReduceSeed + 30 + k).left);
      for (const ReduceOp op : kAllReduceOps) {
        if (!is_supported(op, dtype_of<T>)) continue;
        std::vector<T> expected(count);
        for (std::size_t i = 0; i < count; ++i)
          expected[i] = many == 1 ? inputs[0][i] : reference_combine_all(op, inputs, i);
        const int contributions = static_cast<int>(many == 3 ? 6 : many);  // of inputs that are of two each
        finish_reduction(op, Buffer(std::span(expected)), contributions);
        for (const std::size_t targets : {1, 2, 3}) {
          for (const bool streams : {false, true}) {
            // At the beginning of a line, of an element, in an element, and each target elsewhere.
            for (const auto& [shift, spread] : {std::pair{0, 0}, {48, 0}, {3, 0}, {0, 16}}) {
              for (const std::size_t in_place : {std::size_t{0}, std::min(many, targets)}) {
                SCOPED_TRACE(testing::Message()
                             << name(dtype_of<T>) << " x " << count << " " << name(op) << " of " << many << " at "
                             << targets << ", " << in_place << " in place, " << shift << " + " << spread
                             << " bytes behind a line" << (streams ? ", streamed" : "") << ", seed " << kReduceSeed);
                expect_combine_into(op, inputs, expected, contributions, targets, in_place, shift, spread, streams);
                if (testing::Test::HasFatalFailure()) return;
              }
            }
          }
        }
      }
    }
  }
}

TYPED_TEST(ReduceTest, ReduceAllOfOneIsACopy) {
  using T = TypeParam;
  const std::vector<T> input = operands<T>(1001, kReduceSeed + 20).left;
  std::vector<T> out(input.size());
  const ConstBuffer only(input.data(), input.size(), dtype_of<T>);
  reduce_all(ReduceOp::sum, {&only, 1}, Buffer(std::span(out)));
  EXPECT_EQ(first_difference(out.data(), input.data(), out.size()), out.size());
}

TYPED_TEST(ReduceTest, AverageIsDivided) {
  using T = TypeParam;
  constexpr std::size_t kCount = 1031;
  const std::vector<T> values = operands<T>(kCount, kReduceSeed + 1).left;
  for (const int n : {1, 2, 3, 7, 200, 40000}) {
    SCOPED_TRACE(testing::Message() << name(dtype_of<T>) << " divided by " << n << ", seed " << kReduceSeed + 1);
    std::vector<T> expected(kCount);
    for (std::size_t i = 0; i < kCount; ++i) expected[i] = reference_divide(values[i], n);
    for_each_target([&] {
      for (const std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{5}, std::size_t{33}, kCount}) {
        Guarded<T> data(std::span<const T>(values).first(count), 3);
        finish_reduction(ReduceOp::avg, data.buffer(), n);
        const std::size_t i = first_difference(data.values().data(), expected.data(), count);
        ASSERT_EQ(i, count) << std::hex << bits_of(values[i]) << " gave " << bits_of(data.values()[i]) << ", expected "
                            << bits_of(expected[i]);
        ASSERT_TRUE(data.guards_are_whole());
      }
    });
  }
}

TYPED_TEST(ReduceTest, OnlyAverageIsFinished) {
  using T = TypeParam;
  const std::vector<T> values = operands<T>(257, kReduceSeed + 2).left;
  for (const ReduceOp op : kAllReduceOps) {
    if (op == ReduceOp::avg || !is_supported(op, dtype_of<T>)) continue;
    std::vector<T> data = values;
    finish_reduction(op, Buffer(std::span(data)), 5);
    EXPECT_EQ(first_difference(data.data(), values.data(), data.size()), data.size()) << name(op);
  }
}

TEST(Reduce, EveryPairOfBytes) {
  std::vector<std::uint8_t> left(65536), right(65536), out(65536);
  for (std::size_t i = 0; i < left.size(); ++i) {
    left[i] = static_cast<std::uint8_t>(i);
    right[i] = static_cast<std::uint8_t>(i >> 8);
  }
  for (const ReduceOp op : kAllReduceOps) {
    for_each_target([&] {
      for (const DType dtype : {DType::u8, DType::i8}) {
        reduce_local(op, ConstBuffer(left.data(), left.size(), dtype), ConstBuffer(right.data(), right.size(), dtype),
                     Buffer(out.data(), out.size(), dtype));
        for (std::size_t i = 0; i < out.size(); ++i) {
          const std::uint8_t expected =
              dtype == DType::u8 ? reference_combine(op, left[i], right[i])
                                 : static_cast<std::uint8_t>(reference_combine(op, static_cast<std::int8_t>(left[i]),
                                                                               static_cast<std::int8_t>(right[i])));
          ASSERT_EQ(int{out[i]}, int{expected})
              << name(op) << " of " << name(dtype) << " " << int{left[i]} << ", " << int{right[i]};
        }
      }
    });
  }
}

TEST(Reduce, WorkedExamples) {
  // The documented corners, written out, so that the reference is not the only witness.
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> a = {0.0F, -0.0F, nan, 1.0F, 1.0F};
  const std::vector<float> b = {-0.0F, 0.0F, 1.0F, nan, 2.0F};
  std::vector<float> out(a.size());
  for_each_target([&] {
    reduce_local(ReduceOp::min, ConstBuffer(std::span(a)), ConstBuffer(std::span(b)), Buffer(std::span(out)));
    EXPECT_FALSE(std::signbit(out[0]));
    EXPECT_TRUE(std::signbit(out[1]));
    EXPECT_TRUE(std::isnan(out[2]) && std::isnan(out[3]));
    EXPECT_EQ(out[4], 1.0F);
    // 256 + 1 is a tie in bf16 (8 digits): to even. 256 + 3 lies between 258 and 260: to even as well.
    const std::vector<bfloat16> left = {{0x4380}, {0x4380}}, right = {{0x3f80}, {0x4040}};
    std::vector<bfloat16> sum(2);
    reduce_local(ReduceOp::sum, ConstBuffer(std::span(left)), ConstBuffer(std::span(right)), Buffer(std::span(sum)));
    EXPECT_EQ(sum[0].bits, 0x4380);
    EXPECT_EQ(sum[1].bits, 0x4382);
    std::vector<std::int32_t> thirds = {-7, 7};
    finish_reduction(ReduceOp::avg, Buffer(std::span(thirds)), 3);
    EXPECT_EQ(thirds[0], -2);
    EXPECT_EQ(thirds[1], 2);
  });
}

TEST(Reduce, Names) {
  for (const ReduceOp op : kAllReduceOps) EXPECT_EQ(reduce_op_from_name(name(op)), op);
  try {
    reduce_op_from_name("mean");
    FAIL() << "accepted";
  } catch (const InvalidArgument& error) {
    EXPECT_STREQ(error.what(),
                 "unknown reduction operator 'mean'; known are sum, avg, prod, min, max, bit_and, bit_or, bit_xor, "
                 "logical_and, logical_or");
  }
}

}  // namespace
}  // namespace tutti::test
