// What the kernels of the recurrent layers share: the products of a step of time with its gates in registers.
//
// Each task takes some rows of the batch through all steps of time, so that no step waits for another thread. Weights of
// inputs and state are packed once: for each LANES units, the columns of all their gates side by side, row after row. A
// block of rows then has every gate of its units in registers when its product ends, and the state follows at once.
// Arrays are time-major, (time, batch, …), as in the layers.
#pragma once

#include "product.hpp"

namespace pellucid {

#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int STATE_ROWS = 6;  // rows of a block of four gates: 24 sums in 32 registers
#else
constexpr int STATE_ROWS = 3;
#endif

// Columns of G gates, (rows, G·units), for LANES units at a time; filled with zeros beyond the last unit.
template <int G>
class Gates {
 public:
  Gates(const float* weights, long rows, long units) : rows_(rows), data_(blocks(units) * rows * G * LANES) {
    float* to = data_;
    for (long u = 0; u < units; u += LANES)
      for (long q = 0; q < rows; q++)
        for (int gate = 0; gate < G; gate++, to += LANES)
          store(to, load(weights + (q * G + gate) * units + u, int(std::min<long>(LANES, units - u))));
  }
  static long blocks(long units) { return (units + LANES - 1) / LANES; }
  const float* block(long u) const { return data_ + u / LANES * rows_ * G * LANES; }

  // Add rows of A times the columns of the units from u to the sums of R rows.
  template <int R>
  void add(Matrix a, long u, Vector (&sums)[R][G]) const {
    const float* b = block(u);
    for (long q = 0; q < rows_; q++, b += G * LANES, a.data++) {
      Vector columns[G];
      for (int gate = 0; gate < G; gate++) columns[gate] = load(b + gate * LANES);
#pragma GCC unroll 8
      for (int r = 0; r < R; r++)
        for (int gate = 0; gate < G; gate++) sums[r][gate] += a.data[r * a.row] * columns[gate];
    }
  }

 private:
  long rows_;
  Scratch data_;
};

// Tasks of a batch: a few rows each, the same however many threads there are… at most one for a thread.
inline int tasks_of(long batch) { return int(std::max(1L, std::min<long>(threads(), batch / 4))); }

// Call block(std::integral_constant<int, R>, first row) for rows in blocks of STATE_ROWS, then one by one.
template <class Block>
void in_blocks(long begin, long end, const Block& block) {
  long i = begin;
  for (; i + STATE_ROWS <= end; i += STATE_ROWS) block(std::integral_constant<int, STATE_ROWS>(), i);
  if (STATE_ROWS > 4 && i + 4 <= end) block(std::integral_constant<int, 4>(), i), i += 4;
  if (i + 2 <= end) block(std::integral_constant<int, 2>(), i), i += 2;
  if (i < end) block(std::integral_constant<int, 1>(), i);
}

// Call part(first unit, lanes) for LANES units at a time.
template <class Part>
void in_lanes(long units, const Part& part) {
  for (long u = 0; u < units; u += LANES) part(u, int(std::min<long>(LANES, units - u)));
}

}  // namespace pellucid
