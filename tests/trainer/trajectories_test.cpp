// Known trajectories of optimizers, and the papers' formulas written out.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <tutti/trainer/optimizers/optimizer.hpp>

#include "tests/trainer/quadratic.hpp"

namespace tutti::trainer::test {

namespace {

void expect_near(const Point& w, const Point& expected, double tolerance, const std::string& what) {
  for (std::size_t i = 0; i < w.size(); ++i)
    EXPECT_NEAR(w[i], expected[i], tolerance * std::max(1.0, std::abs(expected[i]))) << what << ", element " << i;
}

/// Three steps, as torch.optim of version 1.13 makes them in f64 (printed with twelve digits).
struct Known {
  const char* name;
  OptimizerOptions options;
  double rate;
  std::array<Point, 3> w;
};

const std::vector<Known>& known_trajectories() {
  static const std::vector<Known> known{
      {"sgd", {.momentum = 0}, 0.1, {{{1.025, -.25}, {1.035, -.25125}, {1.0440625, -.25175}}}},
      {"sgd, momentum", {.momentum = .9}, 0.1, {{{1.025, -.25}, {1.0575, -.02625}, {1.0823125, -.0515}}}},
      {"sgd, momentum and decay",
       {.momentum = .9, .weight_decay = .01},
       0.1,
       {{{1.024, -.2495}, {1.054651, -.0255005}, {1.076992174, -.0511074995}}}},
      {"sgd, nesterov",
       {.momentum = .9, .nesterov = true, .weight_decay = .01},
       0.1,
       {{{1.0456, -.02405}, {1.05667411, -.254736305}, {1.08202778627, -.252869686471}}}},
      {"adam",
       {.kind = "adam"},
       0.1,
       {{{1.099999996, -.4000000004}, {1.18985751238, -.304696506242}, {1.24983009348, -.222032976609}}}},
      {"adam, epsilon",
       {.kind = "adam", .epsilon = .1},
       0.1,
       {{{1.07142857143, -.403846153846}, {1.13392484788, -.312502668495}, {1.18189932624, -.232447547325}}}},
      {"adam, decay",
       {.kind = "adam", .weight_decay = .1},
       0.1,
       {{{1.09999999333, -.400000000392}, {1.1619048711, -.304597965467}, {1.15756919673, -.221291563829}}}},
      {"adam, beta2",
       {.kind = "adam", .beta2 = .5},
       0.1,
       {{{1.099999996, -.4000000004}, {1.20314860794, -.295685008288}, {1.27838497828, -.187005729124}}}},
      {"adam, amsgrad",
       {.kind = "adam", .beta2 = .5, .amsgrad = true},
       0.1,
       {{{1.099999996, -.4000000004}, {1.18379832628, -.304598821257}, {1.23476097828, -.230711304467}}}},
      {"adamw",
       {.kind = "adamw", .weight_decay = .1},
       0.1,
       {{{1.089999996, -.3950000004}, {1.17005925365, -.296172539765}, {1.22329593269, -.212169088739}}}},
      {"adamw, amsgrad",
       {.kind = "adamw", .weight_decay = .1, .beta2 = .5, .amsgrad = true},
       0.1,
       {{{1.089999996, -.3950000004}, {1.16483213392, -.296809105862}, {1.20840726323, -.222080136461}}}},
      {"rmsprop",
       {.kind = "rmsprop", .momentum = 0},
       0.1,
       {{{1.9999996, .49999996}, {1.01923038619, -.454904874583}, {1.18125804432, -.217254664427}}}},
      {"rmsprop, centered",
       {.kind = "rmsprop", .momentum = 0, .alpha = .9, .centered = true},
       0.1,
       {{{1.33333328889, -.166666671111}, {1.10385720018, -.29100063715}, {1.14382252237, -.244266964474}}}},
      {"rmsprop, momentum and decay",
       {.kind = "rmsprop", .momentum = .9, .weight_decay = .01, .alpha = .9},
       0.1,
       {{{1.31622772435, -.183772237975}, {1.37255652468, -.00215196529094}, {1.17755763267, -.0743486133619}}}},
      {"rmsprop, centered and momentum",
       {.kind = "rmsprop", .momentum = .9, .alpha = .9, .centered = true},
       0.1,
       {{{1.33333328889, -.166666671111}, {1.40385716018, .00899935885012}, {1.21163904047, -.0733745644797}}}},
      {"adagrad",
       {.kind = "adagrad", .epsilon = 1e-10},
       0.1,
       {{{1.09999999996, -.400000000004}, {1.1371390676, -.349828191027}, {1.1510323029, -.31920453791}}}},
      {"adagrad, all keys",
       {.kind = "adagrad", .weight_decay = .01, .epsilon = 1e-10, .rate_decay = .1, .initial_accumulator = .5},
       0.1,
       {{{1.03214029504, -.40376073908}, {1.05112076197, -.357791978874}, {1.06377050783, -.330263225557}}}},
      {"lars",
       {.kind = "lars", .momentum = .9, .weight_decay = .01, .trust_coefficient = .001},
       1.0,
       {{{1.00010632546, -.498890228051}, {1.00030848345, -.496782094332}, {1.00059716016, -.493776255618}}}},
      {"lamb",
       {.kind = "lamb", .weight_decay = .01, .epsilon = 1e-6},
       0.1,
       {{{1.07846016563, -.420350753869}, {1.15833015323, -.336574289803}, {1.23521710811, -.243630725555}}}},
  };
  return known;
}

TEST(Trajectories, AreThoseOfTorchAndOfThePapers) {
  for (const Known& known : known_trajectories()) {
    const auto optimizer = make_optimizer(known.options);
    Quadratic quadratic;
    for (const Point& expected : known.w) {
      quadratic.step(*optimizer, known.rate, known.options.weight_decay);
      expect_near(quadratic.w, expected, 1e-11, std::string(known.name) + ", step " + std::to_string(quadratic.steps));
    }
  }
}

// The rate is inside the velocity: where it falls, the old part of the velocity does not.
TEST(Trajectories, LarsKeepsTheRateInItsVelocity) {
  const auto lars = make_optimizer({.kind = "lars", .momentum = .9, .weight_decay = .01, .trust_coefficient = .02});
  Quadratic quadratic;
  const std::array<Point, 3> expected{
      {{1.00212650912, -.477804561017}, {1.00513473396, -.446816393416}, {1.00841799289, -.413478655211}}};
  const std::array<double, 3> rates{1, 0.5, 0.25};
  for (std::size_t i = 0; i < rates.size(); ++i) {
    quadratic.step(*lars, rates[i], .01);
    expect_near(quadratic.w, expected[i], 1e-11, "step " + std::to_string(i + 1));
  }
}

TEST(Trajectories, AdamOfAZeroGradientDecays) {
  Quadratic quadratic{.a = {Point{0, 0}, Point{0, 0}}, .b = {0, 0}, .w = {1, 1}};
  quadratic.step(*make_optimizer({.kind = "adam"}), 0.1, 0.1);
  expect_near(quadratic.w, {.900000009999999, .900000009999999}, 1e-14, "adam");
}

double norm(const Point& p) { return std::sqrt(p[0] * p[0] + p[1] * p[1]); }

// Algorithm 1 of arXiv 1708.03888, and algorithm 2 of arXiv 1904.00962 with phi the identity.
TEST(Trajectories, LarsAndLambAreThePapersFormulas) {
  constexpr double kRate = 0.05;
  constexpr double kDecay = 0.02;
  const auto lars = make_optimizer({.kind = "lars", .momentum = .8, .weight_decay = kDecay, .trust_coefficient = .1});
  const auto lamb =
      make_optimizer({.kind = "lamb", .weight_decay = kDecay, .beta1 = .8, .beta2 = .95, .epsilon = 1e-6});
  Quadratic by_lars, lars_formula, by_lamb, lamb_formula;
  Point velocity{}, mean{}, square{};
  for (int t = 1; t <= 20; ++t) {
    by_lars.step(*lars, kRate, kDecay);
    Point& w = lars_formula.w;
    const Point g = lars_formula.gradient();
    const double local = .1 * norm(w) / (norm(g) + kDecay * norm(w));
    for (std::size_t i = 0; i < 2; ++i) {
      velocity[i] = .8 * velocity[i] + kRate * local * (g[i] + kDecay * w[i]);
      w[i] -= velocity[i];
    }
    expect_near(by_lars.w, w, 1e-12, "lars, step " + std::to_string(t));

    by_lamb.step(*lamb, kRate, kDecay);
    Point& x = lamb_formula.w;
    const Point h = lamb_formula.gradient();
    Point u{};
    for (std::size_t i = 0; i < 2; ++i) {
      mean[i] = .8 * mean[i] + .2 * h[i];
      square[i] = .95 * square[i] + .05 * h[i] * h[i];
      u[i] = mean[i] / (1 - std::pow(.8, t)) / (std::sqrt(square[i] / (1 - std::pow(.95, t))) + 1e-6) + kDecay * x[i];
    }
    const double ratio = norm(x) / norm(u);
    for (std::size_t i = 0; i < 2; ++i) x[i] -= kRate * ratio * u[i];
    expect_near(by_lamb.w, x, 1e-12, "lamb, step " + std::to_string(t));
  }
}

// At a constant rate the velocity with the rate inside is that of sgd.
TEST(Trajectories, WithoutAdaptationLarsIsMomentum) {
  const auto lars = make_optimizer({.kind = "lars", .momentum = .9});
  const auto sgd = make_optimizer({.kind = "sgd", .momentum = .9});
  Quadratic by_lars, by_sgd;
  for (int t = 0; t < 12; ++t) {
    by_lars.step(*lars, 0.1, 0.01, false);
    by_sgd.step(*sgd, 0.1, 0.01);
    expect_near(by_lars.w, by_sgd.w, 1e-13, "step " + std::to_string(t));
  }
}

// Zero parameters (biases at the start) and zero gradients have the ratio 1: a tensor of zeros learns.
TEST(Trajectories, WithoutANormTheTrustRatioIsOne) {
  for (const char* kind : {"lars", "lamb"}) {
    const auto optimizer = make_optimizer({.kind = kind, .momentum = 0});
    Quadratic zero{.w = {0, 0}};
    zero.step(*optimizer, 0.5, 0.0);
    const Point g{-1, 2};
    for (std::size_t i = 0; i < 2; ++i)
      EXPECT_NEAR(zero.w[i], kind == std::string("lars") ? -0.5 * g[i] : -0.5 * (g[i] > 0 ? 1 : -1), 1e-5) << kind;
    Quadratic still{.a = {Point{0, 0}, Point{0, 0}}, .b = {0, 0}, .w = {1, 2}};
    still.step(*optimizer, 0.5, 0.0);
    EXPECT_EQ(still.w, (Point{1, 2})) << kind;
  }
}

// Polyak's heavy ball at the optimal rate and momentum for curvatures 1 to 10: both errors are (1 + c k) r^k with
// r = (sqrt(10) - 1) / (sqrt(10) + 1), a double root.
TEST(Trajectories, HeavyBallContractsAtTheOptimalRate) {
  const double root = std::sqrt(10.0);
  const double rate = 4 / ((root + 1) * (root + 1));
  const double contraction = (root - 1) / (root + 1);
  EXPECT_NEAR(contraction, 0.519494, 5e-7);
  const auto sgd = make_optimizer({.momentum = contraction * contraction});
  Quadratic quadratic{.a = {Point{1, 0}, Point{0, 10}}, .b = {0, 0}, .w = {1, 1}};
  const std::array<double, 2> roots{contraction, -contraction};
  const std::array<double, 2> slopes{(1 - rate) / roots[0] - 1, (1 - 10 * rate) / roots[1] - 1};
  for (int k = 1; k <= 40; ++k) {
    quadratic.step(*sgd, rate, 0.0);
    for (std::size_t i = 0; i < 2; ++i) {
      const double each = std::pow(std::abs(quadratic.w[i]) / (1 + slopes[i] * k), 1.0 / k);
      EXPECT_NEAR(each, 0.519494, 1e-6) << "curvature " << i << ", step " << k;
    }
  }
}

}  // namespace

}  // namespace tutti::trainer::test
