// The scale of the loss by itself.
#include <gtest/gtest.h>

#include <string>

#include <tutti/kernels/error.hpp>
#include <tutti/trainer/exchange/loss_scale.hpp>

namespace tutti::trainer::test {

namespace {

TEST(LossScale, IsHalvedByASkippedStepAndDoubledAfterManyGoodOnes) {
  LossScale scale("dynamic");
  EXPECT_TRUE(scale.is_on());
  EXPECT_EQ(scale.scale(), 65536.0);
  EXPECT_TRUE(scale.skip());
  EXPECT_EQ(scale.scale(), 32768.0);
  for (int i = 0; i < 1999; ++i) scale.step_was_made();
  EXPECT_EQ(scale.scale(), 32768.0);
  scale.step_was_made();
  EXPECT_EQ(scale.scale(), 65536.0);
  for (int i = 0; i < 1999; ++i) scale.step_was_made();
  EXPECT_TRUE(scale.skip());
  for (int i = 0; i < 1999; ++i) scale.step_was_made();
  EXPECT_EQ(scale.scale(), 32768.0) << "the count begins anew after a skipped step";
  EXPECT_EQ(scale.state().skipped, 2U);
}

TEST(LossScale, IsNotHalvedBelowOne) {
  LossScale scale("dynamic");
  for (int i = 0; i < 16; ++i) EXPECT_TRUE(scale.skip()) << i;
  EXPECT_EQ(scale.scale(), 1.0);
  EXPECT_FALSE(scale.skip());
  EXPECT_EQ(scale.state().skipped, 16U);
}

TEST(LossScale, GoesOnWhereItStood) {
  LossScale before("dynamic");
  before.skip();
  for (int i = 0; i < 1500; ++i) before.step_was_made();
  LossScale after("dynamic");
  after.restore(before.state());
  for (int i = 0; i < 500; ++i) after.step_was_made();
  EXPECT_EQ(after.scale(), 65536.0);
  EXPECT_EQ(after.state().skipped, 1U);

  LossScale fixed("1024");
  fixed.restore(before.state());
  EXPECT_EQ(fixed.scale(), 1024.0);
  EXPECT_EQ(fixed.state().skipped, 1U) << "the optimizer has made fewer steps than the run";
  LossScale anew("dynamic");
  anew.restore(fixed.state());
  EXPECT_EQ(anew.scale(), 32768.0 * 2.0);
}

TEST(LossScale, IsAPowerOfTwoOrAName) {
  EXPECT_FALSE(LossScale("none").is_on());
  EXPECT_EQ(LossScale("none").scale(), 1.0);
  EXPECT_EQ(LossScale("1").scale(), 1.0);
  EXPECT_EQ(LossScale("4096").scale(), 4096.0);
  EXPECT_FALSE(LossScale("4096").is_dynamic());
  EXPECT_FALSE(LossScale("4096").skip());
  for (const char* wrong : {"", "0", "-2", "3", "0.5", "1000", "2x", "inf", "nan", "1e30", "on", " 2"}) {
    try {
      const LossScale scale(wrong);
      ADD_FAILURE() << wrong;
    } catch (const InvalidArgument& error) {
      EXPECT_EQ(error.what(), "numerics.loss_scale = \"" + std::string(wrong) +
                                  "\" is neither none nor dynamic nor a power of two from 1 to 2^64");
    }
  }
}

}  // namespace

}  // namespace tutti::trainer::test
