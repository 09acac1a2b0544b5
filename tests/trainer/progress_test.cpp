// What rank 0 shows.
#include <gtest/gtest.h>

#include <string>

#include <tutti/trainer/run/progress.hpp>

namespace tutti::trainer::test {

namespace {

TEST(ProgressText, SaysAllThere) {
  const std::string line = progress_text({.step = 50,
                                          .steps = 100,
                                          .epoch = 2,
                                          .epochs = 3,
                                          .loss = 0.25,
                                          .samples_per_s = 1234,
                                          .comm_share = 0.031,
                                          .seconds_left = 62},
                                         true);
  EXPECT_EQ(line,
            "epoch 2/3  step 50/100  [############............] 1234 samples/s  1:02 left  comm 3.1%  loss 0.2500");
}

}  // namespace

}  // namespace tutti::trainer::test
