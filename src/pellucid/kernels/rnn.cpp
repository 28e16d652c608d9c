// The plain recurrent layer through time: the loops of `RNN.forward` and `RNN.backward` in layers/recurrent.py, whose code
// defines them, for the activations tanh and ReLU.
#include "recurrent.hpp"

namespace pellucid {
namespace {

enum Activation : int64_t { TANH, RELU };

// x (time, batch, features), W, R, b, real (time, batch, 1) or empty → z, a, h, each (time, batch, units)
ffi::Error forward(Floats x, Floats W, Floats R, Floats b, Mask real, FloatsOut z, FloatsOut a, FloatsOut h,
                   int64_t activation) {
  const Members members(h, 3);
  return members.each([&](int member) {
    const Sequences s(members, member, x, *h, real);
    const float *xs = members.of(x, member), *biases = members.of(b, member);
    float *const sums = members.of(z, member), *const values = members.of(a, member), *const states = members.of(h, member);
    const Panels of_input(s.features, s.units, {members.of(W, member), s.units}),
        of_state(s.units, s.units, {members.of(R, member), s.units});
    s.in_tasks([&](int, long begin, long end) {
      for (long t = 0; t < s.times; t++) {
        const long first = t * s.batch + begin, before = first - s.batch, rows = end - begin;
        float* const z = sums + first * s.units;
        product<Start::bias>(rows, s.features, {xs + first * s.features, s.features}, of_input, z, s.units, biases);
        if (t) product<Start::add>(rows, s.units, {states + before * s.units, s.units}, of_state, z, s.units);
        for (long row = first; row < first + rows; row++)
          in_lanes(s.units, [&](long u, int lanes) {
            const long at = row * s.units + u;
            const Vector z = load(sums + at, lanes), a = activation == TANH ? tanh(z) : max(z, Vector{});
            store(values + at, a, lanes);
            const Vector old = t ? load(states + at - s.batch * s.units, lanes) : Vector{};
            store(states + at, s.padded(row) ? old : a, lanes);
          });
      }
    });
  });
}

// ∂L/∂h at every step, dy (batch, time, units), or at the last, (batch, 1, units), and arrays of the forward pass
// → ∂L/∂z, (time, batch, units), ∂L/∂W, ∂L/∂R, ∂L/∂b
ffi::Error backward(Floats dy, Floats x, Floats R, Mask real, Floats z, Floats a, Floats h, FloatsOut dz, FloatsOut dW,
                    FloatsOut dR, FloatsOut db, int64_t activation) {
  const Members members(dz, 3);
  return members.each([&](int member) {
    const Sequences s(members, member, x, h, real);
    const float *sums = members.of(z, member), *values = members.of(a, member);
    float* const dzs = members.of(dz, member);
    const Panels transposed(s.units, s.units, {members.of(R, member), 1, s.units});
    const Sums biases(s.tasks(), s.units);
    s.in_tasks([&](int task, long begin, long end) {
      Backward back(s, members.of(dy, member), axis(dy, 2) == s.times, begin, end);
      float* const db = biases.of(task);
      for (long t = s.times - 1; t >= 0; t--) {
        const auto padding = [&](long, long row) { std::fill_n(dzs + row * s.units, s.units, 0.f); };
        back.step(t, padding, [&](long, long row, const float* dh, float* earlier) {
          in_lanes(s.units, [&](long u, int lanes) {
            const long at = row * s.units + u;
            const Vector of_h = load(dh + u, lanes), z = load(sums + at, lanes), a = load(values + at, lanes);
            const Vector of_z = activation == TANH ? of_h * (1.f - a * a) : where(z > Vector{}, of_h, Vector{});
            store(dzs + at, of_z, lanes);
            accumulate(db + u, of_z, lanes);
            store(earlier + u, Vector{}, lanes);
          });
        });
        if (t) back.add({dzs + (t * s.batch + begin) * s.units, s.units}, s.units, transposed);
      }
    });
    gradients_of_weights(s, members.of(x, member), members.of(h, member), {dzs, s.units}, s.units,
                         members.of(dW, member), members.of(dR, member), s.units);
    biases.total(members.of(db, member));
  });
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(rnn_forward, Helped<forward>::call,
                              binding()
                                  .Arg<Floats>().Arg<Floats>().Arg<Floats>().Arg<Floats>().Arg<Mask>()
                                  .Ret<Floats>().Ret<Floats>().Ret<Floats>().Attr<int64_t>("activation"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(rnn_backward, Helped<backward>::call,
                              binding()
                                  .Arg<Floats>().Arg<Floats>().Arg<Floats>().Arg<Mask>().Arg<Floats>().Arg<Floats>()
                                  .Arg<Floats>()
                                  .Ret<Floats>().Ret<Floats>().Ret<Floats>().Ret<Floats>().Attr<int64_t>("activation"));

}  // namespace pellucid
