// GRU through time: the loops of `GRU.forward` and `GRU.backward` in layers/recurrent.py, whose code defines them.
//
// A block of rows sums four numbers a unit: of the reset gate r, of the update gate u, and of the candidate n what comes
// from the input, z, and what comes from the state, s, apart, since r scales s alone.
#include "recurrent.hpp"

namespace pellucid {
namespace {

constexpr int G = 3;  // reset r, update u, candidate n

// x (time, batch, features), W, R, b, b′, real (time, batch, 1) or empty → r, u, n, s, h, each (time, batch, units)
ffi::Error forward(Floats x, Floats W, Floats R, Floats b, Floats b_state, Mask real, FloatsOut r, FloatsOut u,
                   FloatsOut n, FloatsOut s, FloatsOut h) {
  const Members members(h, 3);
  return members.each([&](int member) {
    const Sequences q(members, member, x, *h, real);
    const float *xs = members.of(x, member), *input_biases = members.of(b, member),
                *state_biases = members.of(b_state, member);
    float *const resets = members.of(r, member), *const updates = members.of(u, member),
          *const candidates = members.of(n, member), *const recalled = members.of(s, member),
          *const states = members.of(h, member);
    const Gates<G> of_input(members.of(W, member), q.features, q.units), of_state(members.of(R, member), q.units, q.units);
    q.in_tasks([&](int, long begin, long end) {
      for (long t = 0; t < q.times; t++)
        in_lanes(q.units, [&](long unit, int lanes) {
          const auto bias = [&](const float* of, int gate) { return load(of + gate * q.units + unit, lanes); };
          in_blocks(begin, end, [&](auto count, long row) {
            constexpr int COUNT = decltype(count)::value;
            Vector sums[COUNT][G + 1];
            for (int i = 0; i < COUNT; i++) {
              sums[i][0] = bias(input_biases, 0) + bias(state_biases, 0);
              sums[i][1] = bias(input_biases, 1) + bias(state_biases, 1);
              sums[i][2] = bias(input_biases, 2);
              sums[i][3] = bias(state_biases, 2);
            }
            const long now = t * q.batch + row, before = now - q.batch;
            of_input.template add<2>({xs + now * q.features, q.features}, unit, sums);
            if (t) of_state.template add<3>({states + before * q.units, q.units}, unit, sums);
            for (int i = 0; i < COUNT; i++) {
              const long at = (now + i) * q.units + unit, earlier = (before + i) * q.units + unit;
              const Vector old = t ? load(states + earlier, lanes) : Vector{};
              const Vector r = sigmoid(sums[i][0]), u = sigmoid(sums[i][1]), n = tanh(sums[i][2] + r * sums[i][3]);
              store(resets + at, r, lanes);
              store(updates + at, u, lanes);
              store(candidates + at, n, lanes);
              store(recalled + at, sums[i][3], lanes);
              store(states + at, q.padded(now + i) ? old : u * old + (1.f - u) * n, lanes);
            }
          });
        });
    });
  });
}

// ∂L/∂h at every step, dy (batch, time, units), or at the last, (batch, 1, units), and arrays of the forward pass
// → ∂L/∂(x·W + b), (time, batch, 3 · units), ∂L/∂W, ∂L/∂R, ∂L/∂b, ∂L/∂b′
ffi::Error backward(Floats dy, Floats x, Floats R, Mask real, Floats r, Floats u, Floats n, Floats s, Floats h,
                    FloatsOut dz, FloatsOut dW, FloatsOut dR, FloatsOut db, FloatsOut db_state) {
  const Members members(dz, 3);
  return members.each([&](int member) {
    const Sequences q(members, member, x, h, real);
    const long units = q.units, width = G * units;
    const float *resets = members.of(r, member), *updates = members.of(u, member), *candidates = members.of(n, member),
                *recalled = members.of(s, member), *states = members.of(h, member), *weights = members.of(R, member);
    float *const dzs = members.of(dz, member), *const of_R = members.of(dR, member);
    const Scratch of_recalled(q.times * q.batch * units);  // ∂L/∂s, the candidate's part of ∂L/∂(h·R + b′)
    const Panels of_gates(2 * units, units, {weights, 1, width}), of_candidate(units, units, {weights + 2 * units, 1, width});
    const Sums biases(q.tasks(), (G + 1) * units);
    q.in_tasks([&](int task, long begin, long end) {
      Backward back(q, members.of(dy, member), axis(dy, 2) == q.times, begin, end);
      float* const sums = biases.of(task);
      for (long t = q.times - 1; t >= 0; t--) {
        const auto padding = [&](long, long row) {
          std::fill_n(dzs + row * width, width, 0.f);
          std::fill_n(of_recalled + row * units, units, 0.f);
        };
        back.step(t, padding, [&](long, long row, const float* dh, float* earlier) {
          in_lanes(units, [&](long unit, int lanes) {
            const long at = row * units + unit;
            const Vector r = load(resets + at, lanes), u = load(updates + at, lanes), n = load(candidates + at, lanes),
                         old = t ? load(states + at - q.batch * units, lanes) : Vector{}, of_h = load(dh + unit, lanes);
            const Vector of_n = of_h * (1.f - u) * (1.f - n * n), of_s = of_n * r,
                         of_r = of_n * load(recalled + at, lanes) * r * (1.f - r),
                         of_u = of_h * (old - n) * u * (1.f - u);
            float *const to = dzs + row * width + unit, *const sum = sums + unit;
            store(to, of_r, lanes);
            store(to + units, of_u, lanes);
            store(to + 2 * units, of_n, lanes);
            store(of_recalled + at, of_s, lanes);
            accumulate(sum, of_r, lanes);
            accumulate(sum + units, of_u, lanes);
            accumulate(sum + 2 * units, of_n, lanes);
            accumulate(sum + 3 * units, of_s, lanes);
            store(earlier + unit, of_h * u, lanes);
          });
        });
        const long first = t * q.batch + begin;
        if (t) back.add({dzs + first * width, width}, 2 * units, of_gates);
        if (t) back.add({of_recalled + first * units, units}, units, of_candidate);
      }
    });
    const float* xs = members.of(x, member);
    float* const of_W = members.of(dW, member);
    gradients_of_weights(q, xs, states, {dzs, width}, 2 * units, of_W, of_R, width);
    gradients_of_weights(q, xs, states, {dzs + 2 * units, width}, units, of_W + 2 * units, nullptr, width);
    gradients_of_weights(q, xs, states, {of_recalled, units}, units, nullptr, of_R + 2 * units, width);
    const Scratch sums((G + 1) * units);
    biases.total(sums);
    std::copy_n(sums + 0, width, members.of(db, member));
    std::copy_n(sums + 0, 2 * units, members.of(db_state, member));
    std::copy_n(sums + 3 * units, units, members.of(db_state, member) + 2 * units);
  });
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(gru_forward, Helped<forward>::call,
                              binding()
                                  .Arg<Floats>().Arg<Floats>().Arg<Floats>().Arg<Floats>().Arg<Floats>().Arg<Mask>()
                                  .Ret<Floats>().Ret<Floats>().Ret<Floats>().Ret<Floats>().Ret<Floats>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(gru_backward, Helped<backward>::call,
                              binding()
                                  .Arg<Floats>().Arg<Floats>().Arg<Floats>().Arg<Mask>().Arg<Floats>().Arg<Floats>()
                                  .Arg<Floats>().Arg<Floats>().Arg<Floats>()
                                  .Ret<Floats>().Ret<Floats>().Ret<Floats>().Ret<Floats>().Ret<Floats>());

}  // namespace pellucid
