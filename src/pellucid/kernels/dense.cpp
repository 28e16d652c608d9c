// The products of `Dense.forward` and `Dense.backward` in layers/dense.py, whose code defines them.
#include "call.hpp"
#include "product.hpp"

namespace pellucid {
namespace {

// x (rows, inputs), W (inputs, units), b (units) or empty → z = x·W + b, (rows, units)
ffi::Error forward(Floats x, Floats W, Floats b, FloatsOut z) {
  const Members members(z, 2);
  const long rows = axis(x, 2), inputs = axis(x, 1), units = axis(W, 1);
  return members.each([&](int member) {
    const Matrix xs{members.of(x, member), inputs}, weights{members.of(W, member), units};
    float* const to = members.of(z, member);
    if (axis(b, 1)) shared_product<Start::bias>(rows, units, inputs, xs, weights, to, units, members.of(b, member));
    else shared_product<Start::zero>(rows, units, inputs, xs, weights, to, units);
  });
}

// The sum of each column of x (rows, columns).
void sum_rows(const float* x, long rows, long columns, float* to) {
  const long panels = (columns + PANEL - 1) / PANEL;
  const int tasks = rows * columns < 65536 ? 1 : int(std::min<long>(panels, threads()));
  parallel(tasks, [&](int task) {
    for (long j = part(panels, task, tasks) * PANEL; j < std::min(columns, part(panels, task + 1, tasks) * PANEL);
         j += LANES) {
      const int lanes = int(std::min<long>(LANES, columns - j));
      Vector sums[4] = {};
      long i = 0;
      for (; i + 4 <= rows; i += 4)
        for (int s = 0; s < 4; s++) sums[s] += load(x + (i + s) * columns + j, lanes);
      for (; i < rows; i++) sums[0] += load(x + i * columns + j, lanes);
      store(to + j, (sums[0] + sums[1]) + (sums[2] + sums[3]), lanes);
    }
  });
}

// x (rows, inputs), ∂L/∂z (rows, units) → ∂L/∂W = xᵀ·dz, ∂L/∂b = Σ dz
ffi::Error weights(Floats x, Floats dz, FloatsOut dW, FloatsOut db) {
  const Members members(dW, 2);
  const long rows = axis(x, 2), inputs = axis(x, 1), units = axis(dz, 1);
  return members.each([&](int member) {
    const float *xs = members.of(x, member), *gradient = members.of(dz, member);
    shared_product<Start::zero>(inputs, units, rows, {xs, 1, inputs}, {gradient, units}, members.of(dW, member), units);
    sum_rows(gradient, rows, units, members.of(db, member));
  });
}

// ∂L/∂z (rows, units), W (inputs, units) → ∂L/∂x = dz·Wᵀ
ffi::Error inputs(Floats dz, Floats W, FloatsOut dx) {
  const Members members(dx, 2);
  const long rows = axis(dz, 2), inputs = axis(W, 2), units = axis(W, 1);
  return members.each([&](int member) {
    shared_product<Start::zero>(rows, inputs, units, {members.of(dz, member), units}, {members.of(W, member), 1, units},
                                members.of(dx, member), inputs);
  });
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(dense_forward, Helped<forward>::call,
                              binding().Arg<Floats>().Arg<Floats>().Arg<Floats>().Ret<Floats>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(dense_weights, Helped<weights>::call,
                              binding().Arg<Floats>().Arg<Floats>().Ret<Floats>().Ret<Floats>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(dense_inputs, Helped<inputs>::call, binding().Arg<Floats>().Arg<Floats>().Ret<Floats>());

}  // namespace pellucid
