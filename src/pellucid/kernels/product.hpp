// Products of float32 matrices, in blocks that stay in registers.
//
// C = A·B, C = A·B + biases or C += A·B. A is read element by element through two strides, so that xᵀ costs nothing; B is
// packed into panels of a block's width. All on the calling thread: a kernel splits rows or columns into tasks.
//
// Source: Goto & van de Geijn, Anatomy of high-performance matrix multiplication, 2008.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <type_traits>

#include "vectors.hpp"
#include "workers.hpp"

namespace pellucid {

// Room for numbers, not set, on a boundary of cache lines: a vector across two lines takes twice as long to load.
class Scratch {
 public:
  explicit Scratch(long size = 0) : data_(static_cast<float*>(::operator new(sizeof(float) * size, LINE))) {}
  operator float*() const { return data_.get(); }

 private:
  static constexpr std::align_val_t LINE{64};
  struct Free {
    void operator()(float* data) const { ::operator delete(data, LINE); }
  };
  std::unique_ptr<float, Free> data_;
};

// Room of the calling thread, kept from call to call: the first fresh memory of a size costs more than a small product.
// For what a single task needs while it runs; the next call of this function takes it over.
inline float* thread_scratch(long size) {
  thread_local Scratch room;
  thread_local long length = 0;
  if (size > length) room = Scratch(length = size);
  return room;
}

// to[i] = from[0][i] + from[1][i] + …, in this order, of `parts` arrays that lie `size` apart: the sums of tasks.
inline void sum_parts(const float* from, int parts, long size, float* to) {
  std::copy_n(from, size, to);
  for (int k = 1; k < parts; k++)
    for (long i = 0; i < size; i++) to[i] += from[k * size + i];
}

constexpr int PANEL = 2 * LANES;              // columns of a block
constexpr int ROWS = LANES == 16 ? 12 : 6;    // its rows: as many as leave the sums in registers

enum class Start { zero, add, bias };  // what a product begins with: 0, what C holds, or a row of biases

struct Matrix {  // element (i, k) at data[i·row + k·column]
  const float* data;
  long row, column = 1;
  Matrix from(long i, long k = 0) const { return {data + i * row + k * column, row, column}; }
};

// R rows by V vectors of the product over k, of which the first n columns are stored. B is read to the end of its
// vectors.
template <int R, int V, Start START>
inline void block(long k, Matrix a, const float* b, long ldb, float* c, long ldc, const float* bias, int n) {
  Vector s[R][V];
  const bool whole = n == V * LANES;
  const auto lanes = [&](int v) { return n - v * LANES < LANES ? n - v * LANES : LANES; };
  for (int r = 0; r < R; r++)
    for (int v = 0; v < V; v++) {
      const float* from = START == Start::add ? c + r * ldc + v * LANES : bias + v * LANES;
      s[r][v] = START == Start::zero ? Vector{} : whole ? load(from) : load(from, lanes(v));
    }
  const float* x = a.data;
  for (long q = 0; q < k; q++, b += ldb, x += a.column) {
    Vector bq[V];
    for (int v = 0; v < V; v++) bq[v] = load(b + v * LANES);
#pragma GCC unroll 12
    for (int r = 0; r < R; r++)
      for (int v = 0; v < V; v++) s[r][v] += x[r * a.row] * bq[v];
  }
  for (int r = 0; r < R; r++)
    for (int v = 0; v < V; v++)
      whole ? store(c + r * ldc + v * LANES, s[r][v]) : store(c + r * ldc + v * LANES, s[r][v], lanes(v));
}

// A column of blocks: m rows, n ≤ V·LANES columns.
template <int V, Start START>
void column(long m, long k, Matrix a, const float* b, long ldb, float* c, long ldc, const float* bias, int n) {
  long i = 0;
  const auto rows = [&](auto count) {
    block<decltype(count)::value, V, START>(k, a.from(i), b, ldb, c + i * ldc, ldc, bias, n);
    i += count;
  };
  while (i + ROWS <= m) rows(std::integral_constant<int, ROWS>());
  if (ROWS > 8 && i + 8 <= m) rows(std::integral_constant<int, 8>());
  if (i + 4 <= m) rows(std::integral_constant<int, 4>());
  if (i + 2 <= m) rows(std::integral_constant<int, 2>());
  if (i < m) rows(std::integral_constant<int, 1>());
}

// The first n of PANEL columns of B, k rows of them one after the other, filled with zeros.
inline void pack_columns(long k, Matrix b, int n, float* to) {
  if (b.column == 1 && n == PANEL)
    for (long q = 0; q < k; q++, to += PANEL, b.data += b.row)
      for (int j = 0; j < PANEL; j += LANES) store(to + j, load(b.data + j));
  else if (b.row == 1) {  // transposed: blocks of four by four turned in registers
    long q = 0;
    for (; q + 4 <= k; q += 4, to += 4 * PANEL) {
      int j = 0;
      for (; j + 4 <= n; j += 4) transpose(b.data + q + j * b.column, b.column, to + j, PANEL);
      for (; j < PANEL; j++)
        for (int i = 0; i < 4; i++) to[i * PANEL + j] = j < n ? b.data[q + i + j * b.column] : 0.f;
    }
    for (; q < k; q++, to += PANEL)
      for (int j = 0; j < PANEL; j++) to[j] = j < n ? b.data[q + j * b.column] : 0.f;
  } else
    for (long q = 0; q < k; q++, to += PANEL, b.data += b.row)
      for (int j = 0; j < PANEL; j++) to[j] = j < n ? b.data[j * b.column] : 0.f;
}

// B (k × n) in panels of PANEL columns, each k rows that lie one after the other; the last is filled with zeros.
class Panels {
 public:
  // Room alone; `pack` fills it, panel by panel.
  Panels(long k, long n) : k_(k), n_(n), data_(panels() * PANEL * k) {}
  Panels(long k, long n, Matrix b) : Panels(k, n) {
    for (long p = 0; p < panels(); p++) pack(p, b);
  }

  long panels() const { return (n_ + PANEL - 1) / PANEL; }
  int columns(long panel) const { return int(std::min<long>(n_ - panel * PANEL, PANEL)); }
  const float* panel(long p) const { return data_ + p * PANEL * k_; }

  void pack(long p, Matrix b) { pack_columns(k_, b.from(0, p * PANEL), columns(p), data_ + p * PANEL * k_); }

 private:
  long k_, n_;
  Scratch data_;
};

// C (m × n) = A (m × k) · B, panel p of packed B alone.
template <Start START>
void product(long m, long k, Matrix a, const Panels& b, long p, float* c, long ldc, const float* bias = nullptr) {
  const float* start = START == Start::bias ? bias + p * PANEL : nullptr;
  const int n = b.columns(p);
  if (n > LANES) column<2, START>(m, k, a, b.panel(p), PANEL, c + p * PANEL, ldc, start, n);
  else column<1, START>(m, k, a, b.panel(p), PANEL, c + p * PANEL, ldc, start, n);
}

// All panels.
template <Start START>
void product(long m, long k, Matrix a, const Panels& b, float* c, long ldc, const float* bias = nullptr) {
  for (long p = 0; p < b.panels(); p++) product<START>(m, k, a, b, p, c, ldc, bias);
}

// R rows of A side by side where that makes them faster to read: the columns of xᵀ, and rows that a multiple of a page
// apart would drive each other from the cache. False where they are read as they are.
template <int R>
bool pack_strip(long depth, Matrix a, float* to) {
  constexpr long PAGE = 1024;
  if (a.row == 1) {
    for (long q = 0; q < depth; q++) std::memcpy(to + q * R, a.data + q * a.column, sizeof(float) * R);
    return true;
  }
  if (a.column != 1 || a.row % PAGE) return false;
  for (long q = 0; q < depth; q += 4)
    for (int r = 0; r < R; r += 4) {
      if (r + 4 <= R && q + 4 <= depth) transpose(a.data + r * a.row + q, a.row, to + q * R + r, R);
      else
        for (long j = q; j < std::min(depth, q + 4); j++)
          for (int i = r; i < std::min(R, r + 4); i++) to[j * R + i] = a.data[i * a.row + j];
    }
  return true;
}

// The part of a product that one task computes: `rows` rows from A and C's first, the panels from `first` to `last`.
// Depth by depth, the panels are packed, to stay in the second-level cache; a strip of A's rows stays in the first while
// it meets each of them. B is read as it is where packing would cost more than it gains.
template <Start START>
void strips_by_panels(long rows, long n, long k, Matrix a, Matrix b, long first, long last, float* c, long ldc,
                      const float* bias) {
  constexpr long DEPTH = 512, PACKED = 65536;  // of a strip; numbers of all packed panels
  constexpr long FEW = 2 * ROWS + 8;           // rows that do not pay for packing
  const long depths = std::max(1L, (k + DEPTH - 1) / DEPTH), deepest = (k + depths - 1) / depths;
  const long together = std::max(1L, PACKED / (std::max(deepest, 1L) * PANEL));
  float* const packed = thread_scratch((std::min(together, last - first) * PANEL + ROWS) * deepest);
  for (long group = first; group < last; group += together) {
    const long end = std::min(last, group + together);
    for (int d = 0; d < depths; d++) {
      const long q = part(k, d, int(depths)), depth = part(k, d + 1, int(depths)) - q;
      const auto width = [&](long p) { return int(std::min<long>(PANEL, n - p * PANEL)); };
      const auto as_it_is = [&](long p) { return b.column == 1 && rows <= FEW && width(p) % LANES == 0; };
      const auto panel = [&](long p) { return packed + (p - group) * PANEL * depth; };
      float* const strip = panel(end);
      for (long p = group; p < end; p++)
        if (!as_it_is(p)) pack_columns(depth, b.from(q, p * PANEL), width(p), panel(p));
      long i = 0;
      const auto next = [&](auto count) {
        constexpr int R = decltype(count)::value;
        Matrix left = a.from(i, q);
        if (R == ROWS && end - group > 1 && pack_strip<R>(depth, left, strip)) left = {strip, 1, R};
        for (long p = group; p < end; p++) {
          const bool given = as_it_is(p);
          const float* const right = given ? b.from(q, p * PANEL).data : panel(p);
          const auto multiply = [&](auto vectors) {
            constexpr int V = decltype(vectors)::value;
            float* const to = c + i * ldc + p * PANEL;
            const long ldb = given ? b.row : PANEL;
            if (d) block<R, V, Start::add>(depth, left, right, ldb, to, ldc, nullptr, width(p));
            else block<R, V, START>(depth, left, right, ldb, to, ldc, bias ? bias + p * PANEL : nullptr, width(p));
          };
          if (width(p) > LANES) multiply(std::integral_constant<int, 2>());
          else multiply(std::integral_constant<int, 1>());
        }
        i += R;
      };
      while (i + ROWS <= rows) next(std::integral_constant<int, ROWS>());
      if (ROWS > 8 && i + 8 <= rows) next(std::integral_constant<int, 8>());
      if (i + 4 <= rows) next(std::integral_constant<int, 4>());
      if (i + 2 <= rows) next(std::integral_constant<int, 2>());
      if (i < rows) next(std::integral_constant<int, 1>());
    }
  }
}

// C (m × n) = A (m × k) · B (k × n), shared out to the threads: tasks of many rows and all columns, so that A is read
// once; of fewer rows, each with some of the columns.
template <Start START>
void shared_product(long m, long n, long k, Matrix a, Matrix b, float* c, long ldc, const float* bias = nullptr) {
  constexpr long MANY = 192;        // rows of a task that pay for packing all columns in each
  constexpr double ALONE = 262144;  // multiplications for which waking a thread does not pay
  const long panels = (n + PANEL - 1) / PANEL;
  const bool alone = threads() == 1 || double(m) * n * k < ALONE;
  const long tasks = alone ? 1 : 2 * threads();
  long of_rows = std::max(1L, std::min(m / MANY, tasks));
  const long of_columns = std::min(panels, (tasks + of_rows - 1) / of_rows);
  if (!alone && of_rows * of_columns < threads())
    of_rows = std::max(of_rows, std::min(m / (4 * ROWS), threads() / of_columns));
  parallel(int(of_rows * of_columns), [&](int task) {
    const int row = int(task % of_rows), column = int(task / of_rows);
    const long top = part(m, row, int(of_rows)), bottom = part(m, row + 1, int(of_rows));
    const long first = part(panels, column, int(of_columns)), last = part(panels, column + 1, int(of_columns));
    strips_by_panels<START>(bottom - top, n, k, a.from(top), b, first, last, c + top * ldc, ldc, bias);
  });
}

}  // namespace pellucid
