#include "laws.hpp"

extern "C" XLA_FFI_Handler update;

namespace {

// Two arrays by a rule with the slots m and v, or some of them; 20,000 numbers are several tasks.
void check(bool mean, bool square) {
  const std::vector<Shape> shapes{{20'000}, {7}};
  const Floats rule({10});
  const float coefficients[] = {0.9f, 0.1f, 0.99f, 0.01f, mean ? 1.5f : 0.f, mean ? 0.f : 1.f, 2.f, 1e-3f, 0.01f, 0.05f};
  std::copy(std::begin(coefficients), std::end(coefficients), rule.data.get());
  std::vector<Floats> w, g, m, v, new_w, new_m, new_v;
  for (const Shape& shape : shapes) {
    w.push_back(normal(shape)), g.push_back(normal(shape)), m.push_back(normal(shape)), v.push_back(normal(shape));
    for (long i = 0; i < v.back().size(); i++) v.back()[i] = std::abs(v.back()[i]);
    new_w.push_back(results(shape)), new_m.push_back(results(shape)), new_v.push_back(results(shape));
  }
  const Floats sums = results({2, 4});
  std::vector<View> arguments{rule}, outputs{sums};
  const auto add = [](std::vector<View>& views, const std::vector<Floats>& arrays) {
    views.insert(views.end(), arrays.begin(), arrays.end());
  };
  add(arguments, w), add(arguments, g), add(outputs, new_w);
  if (mean) add(arguments, m), add(outputs, new_m);
  if (square) add(arguments, v), add(outputs, new_v);
  call(update, arguments, outputs, {{"arrays", int64_t(2)}, {"mean", mean}, {"square", square}});

  for (long a = 0; a < 2; a++) {
    double expected[4] = {};
    for (long i = 0; i < w[a].size(); i++) {
      const double gradient = g[a][i], momentum = 0.9 * m[a][i] + 0.1 * gradient,
                   squares = 0.99 * v[a][i] + 0.01 * gradient * gradient, direction = mean ? 1.5 * momentum : gradient;
      const double step = square ? direction / (std::sqrt(2 * squares) + 1e-3) : direction;
      const double change = -0.05 * (step + 0.01 * w[a][i]);
      close(new_w[a][i], w[a][i] + change);
      if (mean) close(new_m[a][i], momentum);
      if (square) close(new_v[a][i], squares);
      expected[0] += gradient * gradient, expected[1] += change * change;
      expected[2] += double(new_w[a][i]) * new_w[a][i], expected[3] += new_w[a][i] == 0;
    }
    for (int s = 0; s < 4; s++) close(sums[a * 4 + s], expected[s], 50);
  }
}

}  // namespace

LAW(an_update_is_its_formula) {
  for (const bool mean : {false, true})
    for (const bool square : {false, true}) check(mean, square);
}
