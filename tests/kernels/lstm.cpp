#include "laws.hpp"

extern "C" XLA_FFI_Handler lstm_forward, lstm_backward;

namespace {

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

struct Problem {
  long times, batch, features, units, width = 4 * units;
  bool masked = false;
  Floats x = normal({times, batch, features}), W = normal({features, width}, 0.5f), R = normal({units, width}, 0.5f),
         b = normal({width}, 0.5f);
  Mask real = Mask({masked ? times : 0, batch, 1});
  std::vector<Floats> forward = std::vector<Floats>(6, Floats({0}));  // i, f, g, o, c, h

  Problem(long times, long batch, long features, long units, bool masked)
      : times(times), batch(batch), features(features), units(units), masked(masked) {
    for (long i = 0; i < real.size(); i++) real[i] = i / batch <= i % batch % times;
    for (Floats& array : forward) array = results({times, batch, units});
    call(lstm_forward, {x, W, R, b, real}, {forward.begin(), forward.end()});
  }
  const Floats& h() const { return forward[5]; }
  bool is_real(long t, long row) const { return !masked || real[t * batch + row]; }

  // The states by plain loops in double; `change` is added to element `at` of x·W + b.
  std::vector<double> states(long at = -1, double change = 0) const {
    std::vector<double> h(times * batch * units), c(h.size());
    for (long t = 0; t < times; t++)
      for (long row = 0; row < batch; row++)
        for (long u = 0; u < units; u++) {
          const long now = (t * batch + row) * units, before = now - batch * units;
          const double old = t ? c[before + u] : 0;
          double z[4];
          for (long gate = 0; gate < 4; gate++) {
            const long j = gate * units + u;
            z[gate] = b[j] + (at == (t * batch + row) * width + j ? change : 0);
            for (long q = 0; q < features; q++) z[gate] += double(x[(t * batch + row) * features + q]) * W[q * width + j];
            for (long q = 0; t && q < units; q++) z[gate] += h[before + q] * R[q * width + j];
          }
          c[now + u] = sigmoid(z[1]) * old + sigmoid(z[0]) * std::tanh(z[2]);
          h[now + u] = sigmoid(z[3]) * std::tanh(c[now + u]);
          if (!is_real(t, row)) c[now + u] = old, h[now + u] = t ? h[before + u] : 0;
        }
    return h;
  }

  // Σ dy·h: dy (batch, time, units) counts at real steps, (batch, 1, units) at the last.
  double loss(const Floats& dy, const std::vector<double>& h) const {
    const bool each_step = dy.shape[1] == times;
    double sum = 0;
    for (long t = each_step ? 0 : times - 1; t < times; t++)
      for (long row = 0; row < batch; row++)
        for (long u = 0; u < units && (!each_step || is_real(t, row)); u++)
          sum += dy[(each_step ? row * times + t : row) * units + u] * h[(t * batch + row) * units + u];
    return sum;
  }

  // dz, dW, dR, db
  std::vector<Floats> backward(const Floats& dy) const {
    std::vector<Floats> gradients{results({times, batch, width}), results(W.shape), results(R.shape), results(b.shape)};
    std::vector<View> arguments{dy, x, R, real};
    arguments.insert(arguments.end(), forward.begin(), forward.end());
    call(lstm_backward, arguments, {gradients.begin(), gradients.end()});
    return gradients;
  }
};

void check(const Problem& p) {
  const auto states = p.states();
  for (long i = 0; i < p.h().size(); i++) close(p.h()[i], states[i]);

  for (const long steps : {p.times, 1L}) {
    const Floats dy = normal({p.batch, steps, p.units});
    const auto gradients = p.backward(dy);
    const Floats &dz = gradients[0], &dW = gradients[1], &dR = gradients[2], &db = gradients[3];
    // ∂L/∂z by differences, of some elements; the gradients of the parameters as sums of it.
    for (long i = 0; i < dz.size(); i += 1 + dz.size() / 60) {
      const double h = 1e-4;
      close(dz[i], (p.loss(dy, p.states(i, h)) - p.loss(dy, p.states(i, -h))) / (2 * h), 30);
    }
    for (long j = 0; j < p.width; j++) {
      std::vector<double> of_inputs(p.features), of_states(p.units);
      double of_bias = 0;
      for (long row = 0; row < p.times * p.batch; row++) {
        const double gradient = dz[row * p.width + j];
        of_bias += gradient;
        for (long q = 0; q < p.features; q++) of_inputs[q] += gradient * p.x[row * p.features + q];
        for (long q = 0; q < p.units && row >= p.batch; q++) of_states[q] += gradient * p.h()[(row - p.batch) * p.units + q];
      }
      close(db[j], of_bias, 50);
      for (long q = 0; q < p.features; q++) close(dW[q * p.width + j], of_inputs[q], 50);
      for (long q = 0; q < p.units; q++) close(dR[q * p.width + j], of_states[q], 50);
    }
  }
}

}  // namespace

LAW(lstm_is_its_formula) {
  for (const bool masked : {false, true}) {
    check(Problem(1, 1, 1, 1, masked));
    check(Problem(3, 5, 2, 4, masked));
    check(Problem(4, 13, 7, 19, masked));
    check(Problem(2, 8, 17, 33, masked));
  }
}

LAW(lstm_members_are_the_same_bits_as_alone) {
  const Floats x = normal({3, 4, 9, 5}), W = normal({1, 5, 24}), R = normal({3, 6, 24}), b = normal({1, 24});
  const Mask real({1, 0, 9, 1}), real_alone({0, 9, 1});
  std::vector<Floats> together, alone;
  for (int i = 0; i < 6; i++) together.push_back(results({3, 4, 9, 6})), alone.push_back(results({4, 9, 6}));
  call(lstm_forward, {x, W, R, b, real}, {together.begin(), together.end()});
  for (long m = 0; m < 3; m++) {
    call(lstm_forward, {member(x, m), member(W, 0), member(R, m), member(b, 0), real_alone}, {alone.begin(), alone.end()});
    for (int i = 0; i < 6; i++) same_bits(member(together[i], m), alone[i]);
  }
}

LAW(lstm_in_four_programs_at_once_gives_the_same_bits) {
  const Problem problem(4, 8, 3, 6, false);
  const Floats dy = normal({8, 1, 6});
  const auto expected = problem.backward(dy);
  at_once(4, [&] {
    for (int step = 0; step < STEPS; step++) {
      const auto gradients = problem.backward(dy);
      for (int i = 0; i < 4; i++) same_bits(gradients[i], expected[i]);
    }
  });
}

LAW(lstm_keeps_nan_within_its_row) {
  const Problem problem(2, 6, 3, 5, false);
  problem.x[2 * 3] = std::numeric_limits<float>::quiet_NaN();  // row 2, first step
  call(lstm_forward, {problem.x, problem.W, problem.R, problem.b, problem.real},
       {problem.forward.begin(), problem.forward.end()});
  for (long i = 0; i < problem.h().size(); i++)
    if (std::isnan(problem.h()[i]) != (i / 5 % 6 == 2)) fail("element ", i, ": ", problem.h()[i]);
}
