// What the kernels of convolution share.
#pragma once

#include "call.hpp"
#include "product.hpp"

namespace pellucid {

inline long whole_vectors(long n) { return (n + LANES - 1) / LANES * LANES; }

// Add the rows of an array (rows, n), `stride` apart, to n sums.
inline void add_rows(const float* x, long rows, long stride, long n, float* sums) {
  in_lanes(n, [&](long j, int lanes) {
    Vector several[4] = {load(sums + j, lanes)};
    long i = 0;
    for (; i + 4 <= rows; i += 4)
      for (int k = 0; k < 4; k++) several[k] += load(x + (i + k) * stride + j, lanes);
    for (; i < rows; i++) several[0] += load(x + i * stride + j, lanes);
    store(sums + j, (several[0] + several[1]) + (several[2] + several[3]), lanes);
  });
}

// Set every row of an array (rows, n) to the biases; to 0 without any.
inline void fill_rows(float* x, long rows, long n, const float* biases) {
  if (!biases) std::fill_n(x, rows * n, 0.f);
  else
    for (long i = 0; i < rows; i++) std::copy_n(biases, n, x + i * n);
}

}  // namespace pellucid
