// Optimizers alone, on memory made up here.
#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include <tutti/kernels/error.hpp>
#include <tutti/trainer/optimizers/optimizer.hpp>

namespace tutti::trainer::test {

namespace {

/// A bucket of two elements, with one slot.
struct MadeUp {
  std::vector<double> parameters{1.0, -2.0};
  std::vector<double> gradients{0.5, 0.25};
  std::vector<double> momentum{0.0, 0.0};

  void update(const Optimizer& optimizer, double rate, double decay = 0.0) {
    const std::array<Buffer, 1> slots{Buffer(std::span(momentum))};
    optimizer.update({Buffer(std::span(parameters)), ConstBuffer(std::span(gradients)), slots},
                     {.learning_rate = rate, .weight_decay = decay});
  }
};

TEST(Sgd, HasOneSlotWhateverTheMomentum) {
  for (const double momentum : {0.0, 0.5}) {
    const auto sgd = make_optimizer({.kind = "sgd", .momentum = momentum});
    ASSERT_EQ(sgd->slots().size(), 1U);
    EXPECT_EQ(sgd->slots()[0], "momentum");
  }
}

// All numbers are sums of few powers of two: no rounding.
TEST(Sgd, MomentumAddsUpInItsSlot) {
  MadeUp bucket;
  const auto sgd = make_optimizer({.kind = "sgd", .momentum = 0.5});
  bucket.update(*sgd, 1.0);
  EXPECT_EQ(bucket.momentum, (std::vector<double>{0.5, 0.25}));
  EXPECT_EQ(bucket.parameters, (std::vector<double>{0.5, -2.25}));
  bucket.update(*sgd, 2.0);
  EXPECT_EQ(bucket.momentum, (std::vector<double>{0.75, 0.375}));
  EXPECT_EQ(bucket.parameters, (std::vector<double>{-1.0, -3.0}));
}

TEST(Sgd, OptionsAreThoseOfTheConfiguration) {
  MadeUp decayed;
  decayed.update(*make_optimizer({.kind = "sgd", .momentum = 0.0}), 1.0, 0.5);
  EXPECT_EQ(decayed.parameters, (std::vector<double>{0.0, -1.25}));
  EXPECT_EQ(decayed.momentum, (std::vector<double>{0.0, 0.0}));

  MadeUp ahead;
  ahead.update(*make_optimizer({.kind = "sgd", .momentum = 0.5, .nesterov = true}), 1.0);
  EXPECT_EQ(ahead.parameters, (std::vector<double>{0.25, -2.375}));
}

// A rank that owns a part of a bucket updates that part: the same values as if it had updated all.
TEST(Sgd, APartIsUpdatedLikeTheWhole) {
  const auto sgd = make_optimizer({.kind = "sgd", .momentum = 0.5});
  MadeUp whole;
  MadeUp parts;
  for (int step = 0; step < 3; ++step) {
    whole.update(*sgd, 0.3);
    for (const std::size_t part : {1U, 0U}) {
      const std::array<Buffer, 1> slots{Buffer(std::span(parts.momentum)).slice(part, 1)};
      sgd->update({Buffer(std::span(parts.parameters)).slice(part, 1),
                   ConstBuffer(std::span(parts.gradients)).slice(part, 1), slots},
                  {.learning_rate = 0.3});
    }
  }
  EXPECT_EQ(parts.parameters, whole.parameters);
  EXPECT_EQ(parts.momentum, whole.momentum);
}

TEST(Optimizers, UnknownOnesAreNamed) {
  try {
    make_optimizer({.kind = "newton"});
    ADD_FAILURE();
  } catch (const InvalidArgument& error) {
    EXPECT_STREQ(error.what(), "unknown optimizer 'newton'; known: sgd, adam, adamw, adagrad, rmsprop, lars, lamb");
  }
}

}  // namespace

}  // namespace tutti::trainer::test
