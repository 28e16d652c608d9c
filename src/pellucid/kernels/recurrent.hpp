// What the kernels of the recurrent layers share: a step of time with its gates in registers, the way back, and the
// gradients of the weights.
//
// Each task takes some rows of the batch through all steps of time, so that no step waits for another thread. Weights of
// inputs and state are packed once: for each LANES units, the columns of all their gates side by side, row after row. A
// block of rows then has every gate of its units in registers when its product ends, and the state follows at once.
// Arrays are time-major, (time, batch, …), as in the layers.
#pragma once

#include "call.hpp"
#include "product.hpp"

namespace pellucid {

#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int STATE_ROWS = 6;  // rows of a block of four sums each: 24 of 32 registers
#else
constexpr int STATE_ROWS = 3;
#endif

// The sequences of a member: their extents, and which steps are padding.
struct Sequences {
  long times, batch, features, units;
  const bool* is_real;  // (time, batch); null without padding

  // x (time, batch, features), h (time, batch, units), real (time, batch, 1) or empty
  template <class States>
  Sequences(const Members& members, int member, const Floats& x, const States& h, const Mask& real)
      : times(axis(x, 3)), batch(axis(x, 2)), features(axis(x, 1)), units(axis(h, 1)),
        is_real(axis(real, 3) ? members.of(real, member) : nullptr) {}

  bool padded(long row) const { return is_real && !is_real[row]; }  // row: t · batch + index in the batch

  // Call task(index, begin, end) for parts of the batch, one for each thread where there are rows enough.
  int tasks() const { return int(std::max(1L, std::min<long>(threads(), batch / 4))); }
  template <class Task>
  void in_tasks(const Task& task) const {
    parallel(tasks(), [&](int i) { task(i, part(batch, i, tasks()), part(batch, i + 1, tasks())); });
  }
};

// Call body(count, first row), count a constant, for a few rows at a time.
template <class Body>
inline void in_blocks(long begin, long end, const Body& body) {
  long i = begin;
  for (; i + STATE_ROWS <= end; i += STATE_ROWS) body(std::integral_constant<int, STATE_ROWS>(), i);
  if (STATE_ROWS > 4 && i + 4 <= end) body(std::integral_constant<int, 4>(), i), i += 4;
  if (i + 2 <= end) body(std::integral_constant<int, 2>(), i), i += 2;
  if (i < end) body(std::integral_constant<int, 1>(), i);
}

// The columns of G gates, (rows, G · units), of LANES units at a time; 0 beyond the last unit.
template <int G>
class Gates {
 public:
  Gates(const float* weights, long rows, long units) : rows_(rows), data_((units + LANES - 1) / LANES * rows * G * LANES) {
    float* to = data_;
    in_lanes(units, [&](long u, int lanes) {
      for (long q = 0; q < rows; q++)
        for (int gate = 0; gate < G; gate++, to += LANES) store(to, load(weights + (q * G + gate) * units + u, lanes));
    });
  }

  // Add rows of A times the columns of the units from u to sums: gate after gate, the last one to sum LAST.
  template <int LAST, int COUNT, int SUMS>
  inline void add(Matrix a, long u, Vector (&sums)[COUNT][SUMS]) const {
    const float* b = data_ + u * rows_ * G;
    for (long q = 0; q < rows_; q++, b += G * LANES, a.data++) {
      Vector columns[G];
      for (int gate = 0; gate < G; gate++) columns[gate] = load(b + gate * LANES);
#pragma GCC unroll 8
      for (int r = 0; r < COUNT; r++)
        for (int gate = 0; gate < G; gate++)
          sums[r][gate < G - 1 ? gate : LAST] += a.data[r * a.row] * columns[gate];
    }
  }

 private:
  long rows_;
  Scratch data_;
};

// ∂L/∂h from the last step to the first, for the rows of a task.
class Backward {
 public:
  // dy (batch, time, units), or (batch, 1, units) of the last state alone
  Backward(const Sequences& sequences, const float* dy, bool each_step, long begin, long end)
      : s_(sequences), dy_(dy), each_step_(each_step), begin_(begin), rows_(end - begin), now_(rows_ * s_.units),
        before_(rows_ * s_.units) {
    std::fill_n(dh_, rows_ * s_.units, 0.f);
  }

  // Step t: calls padding(row) and real(row, ∂L/∂h, what the step before gets of it, both of the row's units), which
  // fills the latter; row = t · batch + index. `add` then adds what goes through the products.
  template <class Padding, class Real>
  void step(long t, const Padding& padding, const Real& real) {
    for (long r = 0; r < rows_; r++) {
      const long row = t * s_.batch + begin_ + r;
      float *const dh = dh_ + r * s_.units, *const earlier = earlier_ + r * s_.units;
      const bool padded = s_.padded(row);
      // The state of a padded step is a copy. A gradient at each step is none of its own; the last state's passes.
      if (each_step_ ? !padded : t == s_.times - 1) {
        const float* gradient = dy_ + ((begin_ + r) * (each_step_ ? s_.times : 1) + (each_step_ ? t : 0)) * s_.units;
        in_lanes(s_.units, [&](long u, int lanes) { store(dh + u, load(dh + u, lanes) + load(gradient + u, lanes), lanes); });
      }
      if (padded) {
        std::copy_n(dh, s_.units, earlier);
        padding(r, row);
      } else {
        real(r, row, dh, earlier);
      }
    }
    std::swap(dh_, earlier_);
  }

  // Add dz · Rᵀ, dz the first of the task's rows.
  void add(Matrix dz, long width, const Panels& transposed) {
    product<Start::add>(rows_, width, dz, transposed, dh_, s_.units);
  }

 private:
  const Sequences& s_;
  const float* dy_;
  bool each_step_;
  long begin_, rows_;
  Scratch now_, before_;
  float *dh_ = now_, *earlier_ = before_;
};

// ∂L/∂W = Σ_t x_tᵀ·dz_t and ∂L/∂R = Σ_t h_{t−1}ᵀ·dz_t, whose first term is 0, for some columns of dz; a null pointer
// leaves one out. Some rows of dz at a time are packed once for both; tasks share the columns.
inline void gradients_of_weights(const Sequences& s, const float* x, const float* h, Matrix dz, long columns, float* dW,
                                 float* dR, long width) {
  constexpr long DEPTH = 256;
  const long panels = (columns + PANEL - 1) / PANEL, rows = s.times * s.batch;
  const int tasks = int(std::min<long>(threads(), panels));
  parallel(tasks, [&](int task) {
    for (long p = part(panels, task, tasks) * PANEL; p < part(panels, task + 1, tasks) * PANEL; p += PANEL) {
      const long n = std::min<long>(PANEL, columns - p);
      if (dR && s.times == 1)
        for (long i = 0; i < s.units; i++) std::fill_n(dR + i * width + p, n, 0.f);
      for (long q = 0, depth; q < rows; q += depth) {
        depth = std::min(DEPTH, (q < s.batch ? s.batch : rows) - q);
        const Panels packed(depth, n, dz.from(q, p));
        const Matrix inputs{x + q * s.features, 1, s.features}, states{h + (q - s.batch) * s.units, 1, s.units};
        if (dW && q == 0) product<Start::zero>(s.features, depth, inputs, packed, dW + p, width);
        if (dW && q > 0) product<Start::add>(s.features, depth, inputs, packed, dW + p, width);
        if (dR && q == s.batch) product<Start::zero>(s.units, depth, states, packed, dR + p, width);
        if (dR && q > s.batch) product<Start::add>(s.units, depth, states, packed, dR + p, width);
      }
    }
  });
}

// Sums over rows, such as ∂L/∂b: each task adds its own, and the sums of the tasks are added in their order.
class Sums {
 public:
  Sums(int tasks, long width) : tasks_(tasks), width_(width), data_(tasks * width) {
    std::fill_n(data_ + 0, tasks * width, 0.f);
  }
  float* of(int task) const { return data_ + task * width_; }
  void total(float* to) const { sum_parts(data_, tasks_, width_, to); }

 private:
  int tasks_;
  long width_;
  Scratch data_;
};

inline void accumulate(float* sum, Vector value, int lanes) { store(sum, load(sum, lanes) + value, lanes); }

}  // namespace pellucid
