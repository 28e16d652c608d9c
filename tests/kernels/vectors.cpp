#include "../../src/pellucid/kernels/vectors.hpp"

#include "laws.hpp"

namespace {

using pellucid::LANES;
using pellucid::Vector;

constexpr float INFINITE = std::numeric_limits<float>::infinity(), NOT_A_NUMBER = std::numeric_limits<float>::quiet_NaN();

// function(x) of each lane, compared with `expected` in double.
template <class Function>
void compare(const Function& function, double (*expected)(double), double millionths) {
  for (double x = -30; x < 30; x += 0.0137) {
    float numbers[LANES];
    for (int i = 0; i < LANES; i++) numbers[i] = float(x + i * 0.001);
    const Vector value = function(pellucid::load(numbers));
    for (int i = 0; i < LANES; i++) close(value[i] / expected(numbers[i]), 1, millionths);
  }
}

double logistic(double x) { return 1 / (1 + std::exp(-x)); }

}  // namespace

LAW(functions_of_vectors) {
  compare([](Vector x) { return pellucid::exp(x); }, std::exp, 0.3);
  compare([](Vector x) { return pellucid::tanh(x); }, std::tanh, 0.6);
  compare([](Vector x) { return pellucid::sigmoid(x); }, logistic, 0.6);
}

LAW(special_values_of_vectors) {
  const auto first = [](Vector x) { return x[0]; };
  for (const float x : {NOT_A_NUMBER, INFINITE, -INFINITE, 0.f, -0.f, 200.f, -200.f, 1e-40f}) {
    const Vector given = pellucid::all(x);
    const float e = first(pellucid::exp(given)), t = first(pellucid::tanh(given)), s = first(pellucid::sigmoid(given));
    if (std::isnan(x) != std::isnan(e) || std::isnan(x) != std::isnan(t) || std::isnan(x) != std::isnan(s))
      fail("NaN: exp ", e, ", tanh ", t, ", sigmoid ", s, " of ", x);
    if (std::isnan(x)) continue;
    if (x >= 200 ? !(e == INFINITE) : !(std::abs(e - std::exp(x)) <= 1e-6)) fail("exp(", x, ") = ", e);
    if (!(std::abs(t - std::tanh(x)) <= 1e-6)) fail("tanh(", x, ") = ", t);
    if (!(std::abs(s - logistic(x)) <= 1e-6)) fail("sigmoid(", x, ") = ", s);
  }
}

LAW(lanes_are_loaded_and_stored_one_by_one) {
  for (int n = 0; n <= LANES; n++) {
    const Floats from = normal({n}), to = results({n});
    const Vector value = pellucid::load(from.data.get(), n);
    for (int i = 0; i < LANES; i++)
      if (value[i] != (i < n ? from[i] : 0)) fail("lane ", i, " of ", n);
    pellucid::store(to.data.get(), value, n);
    same_bits(from, to);
  }
}
