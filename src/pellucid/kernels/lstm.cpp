// LSTM through time: the loops of `LSTM.forward` and `LSTM.backward` in layers/recurrent.py, whose code defines them.
#include "recurrent.hpp"

namespace pellucid {
namespace {

constexpr int G = 4;  // input i, forget f, candidate g, output o

// x (time, batch, features), W, R, b, real (time, batch, 1) or empty → i, f, g, o, c, h, each (time, batch, units)
ffi::Error forward(Floats x, Floats W, Floats R, Floats b, Mask real, FloatsOut i, FloatsOut f, FloatsOut g,
                   FloatsOut o, FloatsOut c, FloatsOut h) {
  const Members members(h, 3);
  return members.each([&](int member) {
    const Sequences s(members, member, x, *h, real);
    const float *xs = members.of(x, member), *biases = members.of(b, member);
    float* const gates[G] = {members.of(i, member), members.of(f, member), members.of(g, member), members.of(o, member)};
    float *const cells = members.of(c, member), *const states = members.of(h, member);
    const Gates<G> of_input(members.of(W, member), s.features, s.units), of_state(members.of(R, member), s.units, s.units);
    s.in_tasks([&](int, long begin, long end) {
      for (long t = 0; t < s.times; t++)
        in_lanes(s.units, [&](long u, int lanes) {
          in_blocks(begin, end, [&](auto count, long row) {
            constexpr int COUNT = decltype(count)::value;
            Vector z[COUNT][G];
            for (int gate = 0; gate < G; gate++)
              for (int r = 0; r < COUNT; r++) z[r][gate] = load(biases + gate * s.units + u, lanes);
            const long now = t * s.batch + row, before = now - s.batch;
            of_input.template add<G - 1>({xs + now * s.features, s.features}, u, z);
            if (t) of_state.template add<G - 1>({states + before * s.units, s.units}, u, z);
            for (int r = 0; r < COUNT; r++) {
              const long at = (now + r) * s.units + u, earlier = (before + r) * s.units + u;
              const Vector old = t ? load(cells + earlier, lanes) : Vector{};
              const Vector i = sigmoid(z[r][0]), f = sigmoid(z[r][1]), g = tanh(z[r][2]), o = sigmoid(z[r][3]);
              Vector c = f * old + i * g, h = o * tanh(c);
              if (s.padded(now + r)) {
                c = old;
                h = t ? load(states + earlier, lanes) : Vector{};
              }
              store(gates[0] + at, i, lanes);
              store(gates[1] + at, f, lanes);
              store(gates[2] + at, g, lanes);
              store(gates[3] + at, o, lanes);
              store(cells + at, c, lanes);
              store(states + at, h, lanes);
            }
          });
        });
    });
  });
}

// ∂L/∂h at every step, dy (batch, time, units), or at the last, (batch, 1, units), and arrays of the forward pass
// → ∂L/∂(x·W + b), (time, batch, 4 · units), ∂L/∂W, ∂L/∂R, ∂L/∂b
ffi::Error backward(Floats dy, Floats x, Floats R, Mask real, Floats i, Floats f, Floats g, Floats o, Floats c, Floats h,
                    FloatsOut dz, FloatsOut dW, FloatsOut dR, FloatsOut db) {
  const Members members(dz, 3);
  return members.each([&](int member) {
    const Sequences s(members, member, x, h, real);
    const long width = G * s.units;
    const float* const gates[G] = {members.of(i, member), members.of(f, member), members.of(g, member),
                                   members.of(o, member)};
    const float* cells = members.of(c, member);
    float* const dzs = members.of(dz, member);
    const Panels transposed(width, s.units, {members.of(R, member), 1, width});
    const Sums biases(s.tasks(), width);
    s.in_tasks([&](int task, long begin, long end) {
      Backward back(s, members.of(dy, member), axis(dy, 2) == s.times, begin, end);
      const Scratch of_cells((end - begin) * s.units);
      std::fill_n(of_cells + 0, (end - begin) * s.units, 0.f);
      float* const db = biases.of(task);
      for (long t = s.times - 1; t >= 0; t--) {
        const auto padding = [&](long, long row) { std::fill_n(dzs + row * width, width, 0.f); };
        back.step(t, padding, [&](long r, long row, const float* dh, float* earlier) {
          in_lanes(s.units, [&](long u, int lanes) {
            const long at = row * s.units + u;
            const Vector i = load(gates[0] + at, lanes), f = load(gates[1] + at, lanes), g = load(gates[2] + at, lanes),
                         o = load(gates[3] + at, lanes), tanh_c = tanh(load(cells + at, lanes)),
                         old = t ? load(cells + at - s.batch * s.units, lanes) : Vector{};
            float* const dc = of_cells + r * s.units + u;
            const Vector of_h = load(dh + u, lanes), of_c = load(dc, lanes) + of_h * o * (1.f - tanh_c * tanh_c);
            const Vector of_gates[G] = {of_c * g * i * (1.f - i), of_c * old * f * (1.f - f), of_c * i * (1.f - g * g),
                                        of_h * tanh_c * o * (1.f - o)};
            for (int gate = 0; gate < G; gate++) {
              store(dzs + row * width + gate * s.units + u, of_gates[gate], lanes);
              accumulate(db + gate * s.units + u, of_gates[gate], lanes);
            }
            store(dc, of_c * f, lanes);
            store(earlier + u, Vector{}, lanes);
          });
        });
        if (t) back.add({dzs + (t * s.batch + begin) * width, width}, width, transposed);
      }
    });
    gradients_of_weights(s, members.of(x, member), members.of(h, member), {dzs, width}, width, members.of(dW, member),
                         members.of(dR, member), width);
    biases.total(members.of(db, member));
  });
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(lstm_forward, Helped<forward>::call,
                              binding()
                                  .Arg<Floats>().Arg<Floats>().Arg<Floats>().Arg<Floats>().Arg<Mask>()
                                  .Ret<Floats>().Ret<Floats>().Ret<Floats>().Ret<Floats>().Ret<Floats>().Ret<Floats>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(lstm_backward, Helped<backward>::call,
                              binding()
                                  .Arg<Floats>().Arg<Floats>().Arg<Floats>().Arg<Mask>().Arg<Floats>().Arg<Floats>()
                                  .Arg<Floats>().Arg<Floats>().Arg<Floats>().Arg<Floats>()
                                  .Ret<Floats>().Ret<Floats>().Ret<Floats>().Ret<Floats>());

}  // namespace pellucid
