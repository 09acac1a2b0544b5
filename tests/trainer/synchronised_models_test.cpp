// The deep models, normalised over all ranks, make the steps of one rank: as synchronised_steps_test.cpp for the mlp,
// but seconds long. VGG-11 also without batch normalisation.
#include <gtest/gtest.h>

#include "tests/trainer/synchronised_steps.hpp"

namespace tutti::trainer::test {

namespace {

TEST_F(SynchronisedSteps, OfResnet18AreThoseOfOneRank) {
  config_.model = {.name = "resnet18", .dtype = "f64", .batch_norm_statistics = "synchronised"};
  config_.exchange.bucket_bytes = 4 << 20;
  input_ = {1, 8, 8};
  expect_the_steps_of_one_rank({{6}, {2, 3}});
}

TEST_F(SynchronisedSteps, OfVgg11AreThoseOfOneRank) {
  config_.model = {.name = "vgg11", .dtype = "f64", .batch_norm = true, .batch_norm_statistics = "synchronised"};
  config_.exchange.bucket_bytes = 4 << 20;
  input_ = {1, 32, 32};
  expect_the_steps_of_one_rank({{4}, {2}});
}

TEST_F(SynchronisedSteps, OfPlainVgg11AreThoseOfOneRank) {
  config_.model = {.name = "vgg11", .dtype = "f64"};
  config_.exchange.bucket_bytes = 4 << 20;
  input_ = {1, 32, 32};
  expect_the_steps_of_one_rank({{4}});
}

}  // namespace

}  // namespace tutti::trainer::test
