// What the kernels of convolution share.
#pragma once

#include "call.hpp"
#include "product.hpp"

namespace pellucid {

inline long whole_vectors(long n) { return (n + LANES - 1) / LANES * LANES; }

inline Vector some(const float* x, int lanes) { return lanes == LANES ? load(x) : load(x, lanes); }
inline void put(float* x, Vector value, int lanes) { lanes == LANES ? store(x, value) : store(x, value, lanes); }

// Call part(first, lanes) for LANES of n numbers at a time.
template <class Part>
inline void in_vectors(long n, const Part& part) {
  for (long i = 0; i < n; i += LANES) part(i, int(std::min<long>(LANES, n - i)));
}

// Add the rows of an array (rows, n), `stride` apart, to n sums.
inline void add_rows(const float* x, long rows, long stride, long n, float* sums) {
  in_vectors(n, [&](long j, int lanes) {
    Vector several[4] = {some(sums + j, lanes)};
    long i = 0;
    for (; i + 4 <= rows; i += 4)
      for (int k = 0; k < 4; k++) several[k] += some(x + (i + k) * stride + j, lanes);
    for (; i < rows; i++) several[0] += some(x + i * stride + j, lanes);
    put(sums + j, (several[0] + several[1]) + (several[2] + several[3]), lanes);
  });
}

// Set every row of an array (rows, n) to the biases; to 0 without any.
inline void fill_rows(float* x, long rows, long n, const float* biases) {
  if (!biases) std::fill_n(x, rows * n, 0.f);
  else
    for (long i = 0; i < rows; i++) std::copy_n(biases, n, x + i * n);
}

// to[i] = from[0][i] + from[1][i] + …, in this order, of `parts` arrays that lie `size` apart.
inline void sum_parts(const float* from, int parts, long size, float* to) {
  std::copy_n(from, size, to);
  for (int k = 1; k < parts; k++)
    for (long i = 0; i < size; i++) to[i] += from[k * size + i];
}

}  // namespace pellucid
