#include "laws.hpp"

extern "C" XLA_FFI_Handler rnn_forward, rnn_backward;

namespace {

struct Problem {
  long times, batch, features, units;
  int64_t activation;  // 0 tanh, 1 ReLU
  Floats x = normal({times, batch, features}), W = normal({features, units}, 0.5f), R = normal({units, units}, 0.3f),
         b = normal({units}, 0.5f);
  Mask real;
  std::vector<Floats> forward = std::vector<Floats>(3, Floats({0}));  // z, a, h

  Problem(long times, long batch, long features, long units, int64_t activation, bool masked)
      : times(times), batch(batch), features(features), units(units), activation(activation),
        real({masked ? times : 0, batch, 1}) {
    for (long i = 0; i < real.size(); i++) real[i] = i / batch <= i % batch % times;
    for (Floats& array : forward) array = results({times, batch, units});
    call(rnn_forward, {x, W, R, b, real}, {forward.begin(), forward.end()}, {{"activation", activation}});
  }
  bool padded(long row) const { return real.size() && !real[row]; }

  // dz, dW, dR, db
  std::vector<Floats> backward(const Floats& dy) const {
    std::vector<Floats> gradients{results({times, batch, units}), results(W.shape), results(R.shape), results(b.shape)};
    std::vector<View> arguments{dy, x, R, real};
    arguments.insert(arguments.end(), forward.begin(), forward.end());
    call(rnn_backward, arguments, {gradients.begin(), gradients.end()}, {{"activation", activation}});
    return gradients;
  }
};

void check(const Problem& p) {
  const long rows = p.times * p.batch, units = p.units;
  const Floats &z = p.forward[0], &a = p.forward[1], &h = p.forward[2];
  for (long row = 0; row < rows; row++)
    for (long u = 0; u < units; u++) {
      double sum = p.b[u];
      for (long q = 0; q < p.features; q++) sum += double(p.x[row * p.features + q]) * p.W[q * units + u];
      for (long q = 0; row >= p.batch && q < units; q++) sum += double(h[(row - p.batch) * units + q]) * p.R[q * units + u];
      close(z[row * units + u], sum);
      close(a[row * units + u], p.activation ? std::max(sum, 0.0) : std::tanh(sum));
      const float old = row < p.batch ? 0 : h[(row - p.batch) * units + u];
      close(h[row * units + u], p.padded(row) ? old : a[row * units + u]);
    }
  const Floats dy = normal({p.batch, p.times, units});
  const auto gradients = p.backward(dy);
  std::vector<double> dh(p.batch * units), dW(p.W.size()), dR(p.R.size()), db(units);
  for (long row = rows - 1; row >= 0; row--) {  // in a step rows do not depend on one another
    const long index = row % p.batch, t = row / p.batch;
    std::vector<double> dz(units), earlier(units);
    for (long u = 0; u < units; u++) {
      double of_h = dh[index * units + u] + (p.padded(row) ? 0 : dy[(index * p.times + t) * units + u]);
      const double value = a[row * units + u];
      dz[u] = p.padded(row) ? 0 : of_h * (p.activation ? z[row * units + u] > 0 : 1 - value * value);
      close(gradients[0][row * units + u], dz[u], 30);
      earlier[u] = p.padded(row) ? of_h : 0;
      db[u] += dz[u];
      for (long q = 0; q < p.features; q++) dW[q * units + u] += dz[u] * p.x[row * p.features + q];
      for (long q = 0; t && q < units; q++) dR[q * units + u] += dz[u] * h[(row - p.batch) * units + q];
    }
    for (long q = 0; q < units; q++) {
      for (long u = 0; u < units; u++) earlier[q] += dz[u] * p.R[q * units + u];
      dh[index * units + q] = earlier[q];
    }
  }
  for (long i = 0; i < p.W.size(); i++) close(gradients[1][i], dW[i], 50);
  for (long i = 0; i < p.R.size(); i++) close(gradients[2][i], dR[i], 50);
  for (long i = 0; i < units; i++) close(gradients[3][i], db[i], 50);
}

}  // namespace

LAW(rnn_is_its_formula) {
  for (const int64_t activation : {0, 1})
    for (const bool masked : {false, true}) {
      check(Problem(1, 1, 1, 1, activation, masked));
      check(Problem(3, 5, 2, 4, activation, masked));
      check(Problem(4, 13, 7, 19, activation, masked));
      check(Problem(2, 8, 17, 33, activation, masked));
    }
}
