// LSTM through time: the loop of `LSTM.forward` and `LSTM.backward` in layers/recurrent.py, whose code defines it.
#include "call.hpp"
#include "recurrent.hpp"

namespace pellucid {
namespace {

constexpr int G = 4;  // input i, forget f, candidate g, output o

// x (time, batch, features), W, R, b, real (time, batch, 1) or empty → i, f, g, o, c, h, each (time, batch, units)
ffi::Error forward(Floats x, Floats W, Floats R, Floats b, Mask real, FloatsOut i, FloatsOut f, FloatsOut g,
                   FloatsOut o, FloatsOut c, FloatsOut h) {
  const Members members(h, 3);
  const long times = axis(x, 3), batch = axis(x, 2), features = axis(x, 1), units = axis(R, 2);
  const bool masked = axis(real, 3) > 0;
  return members.each([&](int member) {
    const float *xs = members.of(x, member), *biases = members.of(b, member);
    const bool* is_real = members.of(real, member);
    float* const gates[G] = {members.of(i, member), members.of(f, member), members.of(g, member), members.of(o, member)};
    float *const cells = members.of(c, member), *const states = members.of(h, member);
    const Gates<G> of_input(members.of(W, member), features, units), of_state(members.of(R, member), units, units);
    const int tasks = tasks_of(batch);
    parallel(tasks, [&](int task) {
      const long begin = part(batch, task, tasks), end = part(batch, task + 1, tasks);
      for (long t = 0; t < times; t++)
        in_lanes(units, [&](long u, int lanes) {
          in_blocks(begin, end, [&](auto rows, long row) {
            constexpr int COUNT = decltype(rows)::value;
            Vector z[COUNT][G];
            for (int gate = 0; gate < G; gate++) {
              const Vector bias = load(biases + gate * units + u, lanes);
              for (int r = 0; r < COUNT; r++) z[r][gate] = bias;
            }
            const long now = t * batch + row;
            of_input.template add<COUNT>({xs + now * features, features}, u, z);
            if (t) of_state.template add<COUNT>({states + (now - batch) * units, units}, u, z);
            for (int r = 0; r < COUNT; r++) {
              const long at = (now + r) * units + u, before = at - batch * units;
              const Vector old = t ? load(cells + before, lanes) : Vector{};
              z[r][0] = sigmoid(z[r][0]);
              z[r][1] = sigmoid(z[r][1]);
              z[r][2] = tanh(z[r][2]);
              z[r][3] = sigmoid(z[r][3]);
              Vector cell = z[r][1] * old + z[r][0] * z[r][2];
              Vector state = z[r][3] * tanh(cell);
              if (masked && !is_real[now + r]) {
                cell = old;
                state = t ? load(states + before, lanes) : Vector{};
              }
              for (int gate = 0; gate < G; gate++) store(gates[gate] + at, z[r][gate], lanes);
              store(cells + at, cell, lanes);
              store(states + at, state, lanes);
            }
          });
        });
    });
  });
}

// ∂L/∂h at every step, dy (batch, time, units), or at the last, (batch, 1, units); the arrays of the forward pass
// → ∂L/∂(x·W + b), (time, batch, 4·units), ∂L/∂W, ∂L/∂R, ∂L/∂b
ffi::Error backward(Floats dy, Floats x, Floats R, Mask real, Floats i, Floats f, Floats g, Floats o, Floats c, Floats h,
                    FloatsOut dz, FloatsOut dW, FloatsOut dR, FloatsOut db) {
  const Members members(dz, 3);
  const long times = axis(h, 3), batch = axis(h, 2), units = axis(h, 1), features = axis(x, 1), width = G * units;
  const bool masked = axis(real, 3) > 0, each_step = axis(dy, 2) == times;
  return members.each([&](int member) {
    const bool* is_real = members.of(real, member);
    const float* gradients = members.of(dy, member);
    const float* const gates[G] = {members.of(i, member), members.of(f, member), members.of(g, member),
                                   members.of(o, member)};
    const float *cells = members.of(c, member), *states = members.of(h, member);
    float* const dzs = members.of(dz, member);
    const Panels transposed(width, units, {members.of(R, member), 1, width});
    const int tasks = tasks_of(batch);
    Scratch sums(tasks * width);
    parallel(tasks, [&](int task) {
      const long begin = part(batch, task, tasks), end = part(batch, task + 1, tasks), rows = end - begin;
      Scratch dh(rows * units), dc(rows * units), next(rows * units);
      float* const of_biases = sums + task * width;
      std::fill_n(of_biases, width, 0.f);
      std::fill_n(dh + 0, rows * units, 0.f);
      std::fill_n(dc + 0, rows * units, 0.f);
      for (long t = times - 1; t >= 0; t--) {
        for (long r = 0; r < rows; r++) {
          const long row = begin + r, now = t * batch + row;
          const float* gradient = each_step ? gradients + (row * times + t) * units
                                  : t == times - 1 ? gradients + row * units : nullptr;
          const bool padded = masked && !is_real[now];
          // Of padding, the state is a copy: a gradient at each step is none of it, the last state's passes.
          if (padded && each_step) gradient = nullptr;
          float *const dhs = dh + r * units, *const dcs = dc + r * units, *const to = dzs + now * width;
          in_lanes(units, [&](long u, int lanes) {
            Vector of_state = load(dhs + u, lanes);
            if (gradient) of_state += load(gradient + u, lanes);
            if (padded) {
              store(dhs + u, of_state, lanes);
              for (int gate = 0; gate < G; gate++) store(to + gate * units + u, Vector{}, lanes);
              return;
            }
            const long at = now * units + u;
            const Vector i = load(gates[0] + at, lanes), f = load(gates[1] + at, lanes), g = load(gates[2] + at, lanes),
                         o = load(gates[3] + at, lanes), tanh_c = tanh(load(cells + at, lanes)),
                         before = t ? load(cells + at - batch * units, lanes) : Vector{};
            const Vector of_cell = load(dcs + u, lanes) + of_state * o * (1.f - tanh_c * tanh_c);
            const Vector of_gates[G] = {of_cell * g * i * (1.f - i), of_cell * before * f * (1.f - f),
                                        of_cell * i * (1.f - g * g), of_state * tanh_c * o * (1.f - o)};
            for (int gate = 0; gate < G; gate++) {
              store(to + gate * units + u, of_gates[gate], lanes);
              float* const bias = of_biases + gate * units + u;
              store(bias, load(bias, lanes) + of_gates[gate], lanes);
            }
            store(dcs + u, of_cell * f, lanes);
          });
        }
        if (!t) break;
        product<Start::zero>(rows, width, {dzs + (t * batch + begin) * width, width}, transposed, next, units);
        for (long r = 0; r < rows; r++)
          if (!masked || is_real[t * batch + begin + r]) std::copy_n(next + r * units, units, dh + r * units);
      }
    });
    const float* xs = members.of(x, member);
    product_of_rows(features, width, times * batch, {xs, 1, features}, {dzs, width}, members.of(dW, member), width);
    // The state before the first step is 0 and adds nothing.
    product_of_rows(units, width, (times - 1) * batch, {states, 1, units}, {dzs + batch * width, width},
                    members.of(dR, member), width);
    float* const of_biases = members.of(db, member);
    std::copy_n(sums + 0, width, of_biases);
    for (int task = 1; task < tasks; task++)
      for (long j = 0; j < width; j++) of_biases[j] += sums[task * width + j];
  });
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(lstm_forward, forward,
                              ffi::Ffi::Bind()
                                  .Arg<Floats>().Arg<Floats>().Arg<Floats>().Arg<Floats>().Arg<Mask>()
                                  .Ret<Floats>().Ret<Floats>().Ret<Floats>().Ret<Floats>().Ret<Floats>().Ret<Floats>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(lstm_backward, backward,
                              ffi::Ffi::Bind()
                                  .Arg<Floats>().Arg<Floats>().Arg<Floats>().Arg<Mask>().Arg<Floats>().Arg<Floats>()
                                  .Arg<Floats>().Arg<Floats>().Arg<Floats>().Arg<Floats>()
                                  .Ret<Floats>().Ret<Floats>().Ret<Floats>().Ret<Floats>());

}  // namespace pellucid
