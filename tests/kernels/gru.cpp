#include "laws.hpp"

extern "C" XLA_FFI_Handler gru_forward, gru_backward;

namespace {

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

struct Problem {
  long times, batch, features, units, width = 3 * units;
  Floats x = normal({times, batch, features}), W = normal({features, width}, 0.5f), R = normal({units, width}, 0.5f),
         b = normal({width}, 0.5f), b_state = normal({width}, 0.5f);
  Mask real;
  std::vector<Floats> forward = std::vector<Floats>(5, Floats({0}));  // r, u, n, s, h

  Problem(long times, long batch, long features, long units, bool masked)
      : times(times), batch(batch), features(features), units(units), real({masked ? times : 0, batch, 1}) {
    for (long i = 0; i < real.size(); i++) real[i] = i / batch <= i % batch % times;
    for (Floats& array : forward) array = results({times, batch, units});
    call(gru_forward, {x, W, R, b, b_state, real}, {forward.begin(), forward.end()});
  }
  const Floats& h() const { return forward[4]; }

  // The states by plain loops in double; `change` is added to the element that `changed` points to, of any parameter.
  std::vector<double> states(const float* changed = nullptr, double change = 0) const {
    const auto of = [&](const Floats& array, long i) { return array[i] + (&array[i] == changed ? change : 0); };
    std::vector<double> h(times * batch * units);
    for (long row = 0; row < times * batch; row++)
      for (long unit = 0; unit < units; unit++) {
        double z[3], s[3];
        for (long gate = 0; gate < 3; gate++) {
          const long j = gate * units + unit;
          z[gate] = of(b, j), s[gate] = of(b_state, j);
          for (long q = 0; q < features; q++) z[gate] += of(x, row * features + q) * of(W, q * width + j);
          for (long q = 0; row >= batch && q < units; q++) s[gate] += h[(row - batch) * units + q] * of(R, q * width + j);
        }
        const double old = row < batch ? 0 : h[(row - batch) * units + unit], u = sigmoid(z[1] + s[1]);
        const double n = std::tanh(z[2] + sigmoid(z[0] + s[0]) * s[2]);
        h[row * units + unit] = real.size() && !real[row] ? old : u * old + (1 - u) * n;
      }
    return h;
  }

  // Σ dy·h: dy (batch, time, units) counts at real steps, (batch, 1, units) at the last.
  double loss(const Floats& dy, const std::vector<double>& h) const {
    const bool each_step = dy.shape[1] == times;
    double sum = 0;
    for (long t = each_step ? 0 : times - 1; t < times; t++)
      for (long row = 0; row < batch; row++)
        for (long u = 0; u < units && !(each_step && real.size() && !real[t * batch + row]); u++)
          sum += dy[(each_step ? row * times + t : row) * units + u] * h[(t * batch + row) * units + u];
    return sum;
  }

  // dz, dW, dR, db, db′
  std::vector<Floats> backward(const Floats& dy) const {
    std::vector<Floats> gradients{results({times, batch, width}), results(W.shape), results(R.shape), results(b.shape),
                                  results(b.shape)};
    std::vector<View> arguments{dy, x, R, real};
    arguments.insert(arguments.end(), forward.begin(), forward.end());
    call(gru_backward, arguments, {gradients.begin(), gradients.end()});
    return gradients;
  }
};

void check(const Problem& p) {
  const auto states = p.states();
  for (long i = 0; i < p.h().size(); i++) close(p.h()[i], states[i]);
  for (const long steps : {p.times, 1L}) {
    const Floats dy = normal({p.batch, steps, p.units});
    const auto gradients = p.backward(dy);
    const Floats* const parameters[] = {&p.W, &p.R, &p.b, &p.b_state};
    for (int k = 0; k < 4; k++)
      for (long i = 0; i < parameters[k]->size(); i += 1 + parameters[k]->size() / 40) {
        const float* const changed = &(*parameters[k])[i];
        const double h = 1e-4, slope = p.loss(dy, p.states(changed, h)) - p.loss(dy, p.states(changed, -h));
        close(gradients[k + 1][i], slope / (2 * h), 50);
      }
    for (long j = 0; j < p.width; j++) {  // ∂L/∂b is the sum of dz
      double sum = 0;
      for (long row = 0; row < p.times * p.batch; row++) sum += gradients[0][row * p.width + j];
      close(gradients[3][j], sum, 50);
    }
  }
}

}  // namespace

LAW(gru_is_its_formula) {
  for (const bool masked : {false, true}) {
    check(Problem(1, 1, 1, 1, masked));
    check(Problem(3, 5, 2, 4, masked));
    check(Problem(4, 13, 7, 19, masked));
    check(Problem(2, 8, 17, 33, masked));
  }
}

LAW(gru_in_four_programs_at_once_gives_the_same_bits) {
  const Problem problem(4, 8, 3, 6, false);
  const Floats dy = normal({8, 1, 6});
  const auto expected = problem.backward(dy);
  at_once(4, [&] {
    for (int step = 0; step < STEPS; step++) {
      const auto gradients = problem.backward(dy);
      for (int i = 0; i < 5; i++) same_bits(gradients[i], expected[i]);
    }
  });
}
