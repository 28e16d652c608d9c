#include "../../src/pellucid/kernels/product.hpp"

#include "laws.hpp"

namespace {

using pellucid::Matrix;
using pellucid::Panels;
using pellucid::Start;

// Σ over k of A (m × k) times B (k × n), plus `start`.
double element(const Matrix& a, const Matrix& b, long k, long i, long j, double start) {
  for (long q = 0; q < k; q++) start += double(a.data[i * a.row + q * a.column]) * b.data[q * b.row + j * b.column];
  return start;
}

void check(long m, long k, long n) {
  const Floats A = normal({m, k}), B = normal({k, n}), biases = normal({n});
  const Matrix a{A.data.get(), k}, b{B.data.get(), n}, transposed_a{A.data.get(), 1, m}, transposed_b{B.data.get(), 1, k};
  const auto compare = [&](const Floats& c, const Matrix& a, const Matrix& b, const auto& start) {
    for (long i = 0; i < m; i++)
      for (long j = 0; j < n; j++)  // to what a plain loop in float loses
        close(c[i * n + j], element(a, b, k, i, j, start(i, j)), 1 + 8 * std::sqrt(k));
  };
  const auto zero = [](long, long) { return 0.0; };
  for (const Matrix& right : {b, transposed_b}) {
    const Panels panels(k, n, right);
    Floats c = results({m, n});
    pellucid::product<Start::zero>(m, k, a, panels, c.data.get(), n);
    compare(c, a, right, zero);
    c = results({m, n});
    pellucid::product<Start::bias>(m, k, a, panels, c.data.get(), n, biases.data.get());
    compare(c, a, right, [&](long, long j) { return double(biases[j]); });
    c = normal({m, n});
    Floats before({m, n});
    std::memcpy(before.data.get(), c.data.get(), sizeof(float) * m * n);
    pellucid::product<Start::add>(m, k, transposed_a, panels, c.data.get(), n);
    compare(c, transposed_a, right, [&](long i, long j) { return double(before[i * n + j]); });
  }
  for (const Matrix& left : {a, transposed_a})
    for (const Matrix& right : {b, transposed_b}) {
      const Floats c = results({m, n});
      pellucid::shared_product<Start::bias>(m, n, k, left, right, c.data.get(), n, biases.data.get());
      compare(c, left, right, [&](long, long j) { return double(biases[j]); });
    }
}

}  // namespace

LAW(products_of_matrices) {
  for (const long m : {1, 2, 5, 12, 31})
    for (const long k : {0, 1, 7, 40})
      for (const long n : {1, 4, 15, 33, 70}) check(m, k, n);
  check(3, 700, 20);
  check(150, 300, 70);  // shared out to threads
}
