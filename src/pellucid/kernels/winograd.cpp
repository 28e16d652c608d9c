// Convolution of images by filters of 3×3, stride 1, with fewer multiplications: layers/patches.py defines its passes.
//
// Outputs are cut into tiles of m×m; d are the (m + 2)×(m + 2) inputs that a tile sees, W a filter. Then, with ⊙ element
// by element and constant matrices A, B and G,
//
//   forward              y = Aᵀ [(G W Gᵀ) ⊙ (Bᵀ d B)] A
//   gradient of weights  ∂W = Gᵀ [Σ (Bᵀ d B) ⊙ (A ∂y Aᵀ)] G, summed over the tiles
//   gradient of input    ∂d = B [(G W Gᵀ) ⊙ (A ∂y Aᵀ)] Bᵀ, added up where tiles overlap
//
// The sum over channels (or filters) turns ⊙ into one matrix product for each of the (m + 2)² elements, of tiles ×
// channels by channels × filters: (m + 2)² multiplications for m² outputs instead of 9·m². m = 4 takes 4 times fewer
// than patches, m = 2 2.25 times; the one that takes fewer for the extent at hand is chosen. A few tiles at a time, so that
// the transformed inputs and outputs stay in the cache.
//
// Source: Lavin & Gray, Fast algorithms for convolutional neural networks, 2015; the points of m = 4, which keep its
// error near 2e-6 of the largest value: Barabasz, Anderson, Soodhalter & Gregg, Error analysis and improving the
// accuracy of Winograd convolution for deep neural networks, 2020.
#include <utility>

#include "convolution.hpp"

namespace pellucid {
namespace {

constexpr long CHUNK = 96 * 1024;  // numbers of transformed inputs and outputs in the cache at a time

template <int M>
struct Transforms;

template <>
struct Transforms<2> {  // points 0, 1, −1, ∞
  static constexpr float A[2][4] = {{1, 1, 1, 0}, {0, 1, -1, -1}};
  static constexpr float B[4][4] = {{1, 0, -1, 0}, {0, 1, 1, 0}, {0, -1, 1, 0}, {0, 1, 0, -1}};
  static constexpr float G[4][3] = {{1, 0, 0}, {.5f, .5f, .5f}, {.5f, -.5f, .5f}, {0, 0, 1}};
};

template <>
struct Transforms<4> {  // points 0, 1, −1, 1/2, −2, ∞
  static constexpr float A[4][6] = {
      {1, 1, 1, 1, 1, 0}, {0, 1, -1, .5f, -2, 0}, {0, 1, 1, .25f, 4, 0}, {0, 1, -1, .125f, -8, 1}};
  static constexpr float B[6][6] = {{1, -1.5f, -2, 1.5f, 1, 0}, {0, -1, .5f, 2.5f, 1, 0}, {0, 1, -2.5f, .5f, 1, 0},
                                    {0, -2, -1, 2, 1, 0},       {0, .5f, -1, -.5f, 1, 0}, {0, 1, -1.5f, -2, 1.5f, 1}};
  static constexpr float G[6][3] = {{1, 0, 0},
                                    {1 / 3.f, 1 / 3.f, 1 / 3.f},
                                    {-1 / 3.f, 1 / 3.f, -1 / 3.f},
                                    {-16 / 15.f, -8 / 15.f, -4 / 15.f},
                                    {1 / 15.f, -2 / 15.f, 4 / 15.f},
                                    {0, 0, 1}};
};

// The constant matrices (Bᵀ, Aᵀ and G as written above) and their transposes as types.
#define MATRIX(NAME, FIELD, M_ROWS, M_COLUMNS, I, J)                              \
  template <int M>                                                                \
  struct NAME {                                                                   \
    static constexpr int ROWS = M_ROWS, COLUMNS = M_COLUMNS;                      \
    static constexpr float at(int i, int j) { return Transforms<M>::FIELD[I][J]; } \
  }
MATRIX(OfInput, B, M + 2, M + 2, i, j);
MATRIX(OfOutput, A, M, M + 2, i, j);
MATRIX(OfWeights, G, M + 2, 3, i, j);
MATRIX(BackToInput, B, M + 2, M + 2, j, i);
MATRIX(BackFromOutput, A, M + 2, M, j, i);
MATRIX(BackToWeights, G, 3, M + 2, j, i);
#undef MATRIX

template <class X, int I, int... J>
inline Vector row_times(const Vector* d, std::integer_sequence<int, J...>) {
  Vector sum{};
  bool first = true;
  const auto add = [&](auto j) {
    constexpr float factor = X::at(I, decltype(j)::value);
    if constexpr (factor != 0) {
      sum = first ? factor * d[j] : sum + factor * d[j];
      first = false;
    }
  };
  (add(std::integral_constant<int, J>()), ...);
  return sum;
}

// to(i, Xd[i]) for every row of X.
template <class X, class To, int... I>
inline void times(const Vector* d, const To& to, std::integer_sequence<int, I...>) {
  (to(I, row_times<X, I>(d, std::make_integer_sequence<int, X::COLUMNS>())), ...);
}

// to(i, j, (X d Xᵀ)[i][j]), where from(i, j) is d[i][j].
template <class X, class From, class To>
inline void both_sides(const From& from, const To& to) {
  constexpr std::make_integer_sequence<int, X::ROWS> rows;
  Vector half[X::ROWS][X::COLUMNS];
  for (int j = 0; j < X::COLUMNS; j++) {
    Vector d[X::COLUMNS];
    for (int i = 0; i < X::COLUMNS; i++) d[i] = from(i, j);
    times<X>(d, [&](int i, Vector value) { half[i][j] = value; }, rows);
  }
  for (int i = 0; i < X::ROWS; i++) times<X>(half[i], [&](int j, Vector value) { to(i, j, value); }, rows);
}

struct Shape {
  long batch, height, width, channels, out_height, out_width, filters;
  long top, left;  // padding
};

// Images (batch, height, width, depth) seen as overlapping tiles of SIZE×SIZE that begin STEP apart, `top` and `left`
// before the image.
struct Images {
  long height, width, depth, top, left;

  // The numbers of a tile, from(i, j, first channel, lanes); 0 outside of the image.
  template <int SIZE>
  struct Tile {
    const float* at[SIZE][SIZE];  // null outside
    Tile(const Images& images, const float* image, long y, long x) {
      for (int i = 0; i < SIZE; i++)
        for (int j = 0; j < SIZE; j++) {
          const long row = y + i - images.top, column = x + j - images.left;
          const bool inside = row >= 0 && row < images.height && column >= 0 && column < images.width;
          at[i][j] = inside ? image + (row * images.width + column) * images.depth : nullptr;
        }
    }
  };
};

template <int M>
class Winograd {
 public:
  static constexpr int T = M + 2, ELEMENTS = T * T;

  explicit Winograd(const Shape& shape)
      : shape_(shape),
        rows_((shape.out_height + M - 1) / M),
        columns_((shape.out_width + M - 1) / M),
        channels_(whole_vectors(shape.channels)),
        filters_(whole_vectors(shape.filters)),
        inputs_{shape.height, shape.width, shape.channels, shape.top, shape.left},
        outputs_{shape.out_height, shape.out_width, shape.filters, 0, 0},
        chunk_(std::max(1L, CHUNK / (ELEMENTS * (channels_ + filters_)) / ROWS) * ROWS) {}

  void forward(const float* x, const float* weights, const float* biases, float* z) const {
    const Scratch U = transformed(weights, shape_.channels, shape_.filters);
    in_chunks(tasks(), [&](int, long first, long n, float* V, float* products, bool) {
      inputs(x, first, n, V);
      multiply(n, V, shape_.channels, channels_, U, products, filters_);
      each_tile(first, n, [&](long t, long image, long y, long x) {
        float* const to = z + ((image * shape_.out_height + y) * shape_.out_width + x) * shape_.filters;
        const long right = shape_.out_width - x, below = shape_.out_height - y;
        in_lanes(shape_.filters, [&](long f, int lanes) {
          const float* from = products + t * filters_ + f;
          const Vector bias = biases ? load(biases + f, lanes) : Vector{};
          both_sides<OfOutput<M>>([&](int i, int j) { return load(from + (i * T + j) * n * filters_); },
                                  [&](int i, int j, Vector value) {
                                    if (i < below && j < right)
                                      store(to + (i * shape_.out_width + j) * shape_.filters + f, value + bias, lanes);
                                  });
        });
      });
    });
  }

  void gradient_of_input(const float* dz, const float* weights, const float* biases, float* dx) const {
    const long C = shape_.channels, F = shape_.filters, area = shape_.height * shape_.width * C;
    Scratch turned(9 * C * F);
    for (long q = 0; q < 9; q++)
      for (long c = 0; c < C; c++)
        for (long f = 0; f < F; f++) turned[(q * F + f) * C + c] = weights[(q * C + c) * F + f];
    const Scratch U = transformed(turned, F, C);
    in_chunks(tasks(), [&](int task, long first, long n, float* V, float* products, bool begins) {
      if (begins) {
        const long begin = part(shape_.batch, task, tasks()), end = part(shape_.batch, task + 1, tasks());
        fill_rows(dx + begin * area, (end - begin) * area / C, C, biases);
      }
      gradients(dz, first, n, products);
      multiply(n, products, F, filters_, U, V, channels_);
      each_tile(first, n, [&](long t, long image, long y, long x) {
        const Images::Tile<T> tile(inputs_, dx + image * area, y, x);
        in_lanes(C, [&](long c, int lanes) {
          const float* from = V + t * channels_ + c;
          both_sides<BackToInput<M>>([&](int i, int j) { return load(from + (i * T + j) * n * channels_); },
                                     [&](int i, int j, Vector value) {
                                       if (!tile.at[i][j]) return;
                                       float* const to = const_cast<float*>(tile.at[i][j]) + c;
                                       store(to, load(to, lanes) + value, lanes);
                                     });
        });
      });
    });
  }

  void gradient_of_weights(const float* x, const float* dz, float* dW, float* db) const {
    const long C = shape_.channels, F = shape_.filters, size = C * filters_;
    const int parts = tasks();
    const Scratch sums(parts * ELEMENTS * size), of_biases(parts * F);
    std::fill_n(of_biases + 0, parts * F, 0.f);
    in_chunks(parts, [&](int task, long first, long n, float* V, float* products, bool begins) {
      inputs(x, first, n, V);
      gradients(dz, first, n, products);
      for (int e = 0; e < ELEMENTS; e++) {
        const Matrix transposed{V + e * n * channels_, 1, channels_};
        float* const to = sums + (task * ELEMENTS + e) * size;
        const float* const of = products + e * n * filters_;
        if (begins) panels<Start::zero>(C, n, transposed, of, filters_, to);
        else panels<Start::add>(C, n, transposed, of, filters_, to);
      }
      // Of the point 1, A ∂y Aᵀ is the sum of a tile.
      add_rows(products + (T + 1) * n * filters_, n, filters_, F, of_biases + task * F);
    });
    parallel(parts, [&](int task) {
      const long begin = part(C, task, parts), end = part(C, task + 1, parts);
      for (int other = 1; other < parts; other++)
        for (int e = 0; e < ELEMENTS; e++) {
          float* const to = sums + e * size;
          const float* const from = sums + (other * ELEMENTS + e) * size;
          for (long i = begin * filters_; i < end * filters_; i++) to[i] += from[i];
        }
      for (long c = begin; c < end; c++)
        in_lanes(F, [&](long f, int lanes) {
          both_sides<BackToWeights<M>>(
              [&](int i, int j) { return load(sums + (i * T + j) * size + c * filters_ + f); },
              [&](int i, int j, Vector value) { store(dW + ((i * 3 + j) * C + c) * F + f, value, lanes); });
        });
    });
    sum_parts(of_biases, parts, F, db);
  }

 private:
  int tasks() const { return int(std::min<long>(threads(), shape_.batch)); }

  // Call body(task, first tile, tiles, room for inputs, room for outputs, whether it is the task's first) for all tiles.
  template <class Body>
  void in_chunks(int tasks, const Body& body) const {
    parallel(tasks, [&](int task) {
      const Scratch V(ELEMENTS * chunk_ * channels_), products(ELEMENTS * chunk_ * filters_);
      const long tiles = rows_ * columns_;
      const long begin = part(shape_.batch, task, tasks) * tiles, end = part(shape_.batch, task + 1, tasks) * tiles;
      for (long first = begin; first < end; first += chunk_)
        body(task, first, std::min(chunk_, end - first), V + 0, products + 0, first == begin);
    });
  }

  // Call body(tile of the chunk, image, row, column of its first output).
  template <class Body>
  void each_tile(long first, long n, const Body& body) const {
    const long tiles = rows_ * columns_;
    for (long t = 0; t < n; t++) {
      const long image = (first + t) / tiles, place = (first + t) % tiles;
      body(t, image, place / columns_ * M, place % columns_ * M);
    }
  }

  // Bᵀ d B of tiles, an array (ELEMENTS, n, channels).
  void inputs(const float* x, long first, long n, float* V) const {
    transform<OfInput<M>, T>(x, inputs_, channels_, first, n, V);
  }

  // A ∂y Aᵀ of tiles, an array (ELEMENTS, n, filters).
  void gradients(const float* dz, long first, long n, float* to) const {
    transform<BackFromOutput<M>, M>(dz, outputs_, filters_, first, n, to);
  }

  template <class X, int SIZE>
  void transform(const float* x, const Images& images, long depth, long first, long n, float* to) const {
    each_tile(first, n, [&](long t, long image, long row, long column) {
      const Images::Tile<SIZE> tile(images, x + image * images.height * images.width * images.depth, row, column);
      in_lanes(images.depth, [&](long c, int lanes) {
        float* const out = to + t * depth + c;
        both_sides<X>([&](int i, int j) { return tile.at[i][j] ? load(tile.at[i][j] + c, lanes) : Vector{}; },
                      [&](int i, int j, Vector value) { store(out + (i * T + j) * n * depth, value); });
      });
    });
  }

  // G W Gᵀ of weights (3, 3, rows, columns): ELEMENTS matrices, in panels of PANEL columns.
  static Scratch transformed(const float* weights, long rows, long columns) {
    const long panels = (columns + PANEL - 1) / PANEL;
    Scratch U(ELEMENTS * panels * rows * PANEL);
    float* const to = U;
    const int parts = int(std::min<long>(threads(), rows));
    parallel(parts, [&](int task) {
      for (long r = part(rows, task, parts); r < part(rows, task + 1, parts); r++)
        in_lanes(columns, [&](long f, int lanes) {
          both_sides<OfWeights<M>>(
              [&](int i, int j) { return load(weights + ((i * 3 + j) * rows + r) * columns + f, lanes); },
              [&](int i, int j, Vector value) {
                store(to + (((i * T + j) * panels + f / PANEL) * rows + r) * PANEL + f % PANEL, value);
              });
        });
    });
    return U;
  }

  // Element by element, n × k numbers times U, k × width.
  static void multiply(long n, const float* a, long k, long row, const float* U, float* c, long width) {
    for (int e = 0; e < ELEMENTS; e++, a += n * row, c += n * width)
      for (long j = 0; j < width; j += PANEL, U += k * PANEL) {
        if (width - j > LANES) column<2, Start::zero>(n, k, {a, row}, U, PANEL, c + j, width, nullptr, PANEL);
        else column<1, Start::zero>(n, k, {a, row}, U, PANEL, c + j, width, nullptr, LANES);
      }
  }

  template <Start START>
  static void panels(long m, long k, Matrix a, const float* b, long width, float* c) {
    for (long j = 0; j < width; j += PANEL) {
      if (width - j > LANES) column<2, START>(m, k, a, b + j, width, c + j, width, nullptr, PANEL);
      else column<1, START>(m, k, a, b + j, width, c + j, width, nullptr, LANES);
    }
  }

  Shape shape_;
  long rows_, columns_, channels_, filters_;  // of tiles; numbers of an input and an output, in whole vectors
  Images inputs_, outputs_;
  long chunk_;
};

// Call body(Winograd<m>) with the m that takes fewer multiplications.
template <class Body>
void choose(const Shape& shape, const Body& body) {
  const auto multiplications = [&](long m) {
    return (shape.out_height + m - 1) / m * ((shape.out_width + m - 1) / m) * (m + 2) * (m + 2);
  };
  if (multiplications(4) < multiplications(2)) body(Winograd<4>(shape));
  else body(Winograd<2>(shape));
}

using Lengths = ffi::Span<const int64_t>;

template <class Input, class Weights, class Output>
Shape shape_of(const Input& x, const Weights& weights, const Output& z, Lengths before) {
  return {axis(x, 4), axis(x, 3), axis(x, 2), axis(x, 1), axis(z, 3), axis(z, 2), axis(weights, 1), before[0], before[1]};
}

// x (batch, height, width, channels), weights (3, 3, channels, filters), biases (filters) or empty → z
ffi::Error forward(Floats x, Floats weights, Floats biases, FloatsOut z, Lengths before) {
  const Members members(z, 4);
  const Shape shape = shape_of(x, weights, *z, before);
  return members.each([&](int member) {
    const float* b = axis(biases, 1) ? members.of(biases, member) : nullptr;
    choose(shape, [&](const auto& winograd) {
      winograd.forward(members.of(x, member), members.of(weights, member), b, members.of(z, member));
    });
  });
}

// dz, weights, biases (channels) or empty → dx
ffi::Error gradient_of_input(Floats dz, Floats weights, Floats biases, FloatsOut dx, Lengths before) {
  const Members members(dx, 4);
  const Shape shape = shape_of(*dx, weights, dz, before);
  return members.each([&](int member) {
    const float* b = axis(biases, 1) ? members.of(biases, member) : nullptr;
    choose(shape, [&](const auto& winograd) {
      winograd.gradient_of_input(members.of(dz, member), members.of(weights, member), b, members.of(dx, member));
    });
  });
}

// x, dz → dW, db
ffi::Error gradient_of_weights(Floats x, Floats dz, FloatsOut dW, FloatsOut db, Lengths before) {
  const Members members(dW, 4);
  const Shape shape = shape_of(x, *dW, dz, before);
  return members.each([&](int member) {
    choose(shape, [&](const auto& winograd) {
      winograd.gradient_of_weights(members.of(x, member), members.of(dz, member), members.of(dW, member),
                                   members.of(db, member));
    });
  });
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(winograd_forward, Helped<forward>::call,
                              binding()
                                  .Arg<Floats>().Arg<Floats>().Arg<Floats>().Ret<Floats>()
                                  .Attr<Lengths>("before"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(winograd_gradient_of_input, Helped<gradient_of_input>::call,
                              binding()
                                  .Arg<Floats>().Arg<Floats>().Arg<Floats>().Ret<Floats>()
                                  .Attr<Lengths>("before"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(winograd_gradient_of_weights, Helped<gradient_of_weights>::call,
                              binding()
                                  .Arg<Floats>().Arg<Floats>().Ret<Floats>().Ret<Floats>()
                                  .Attr<Lengths>("before"));

}  // namespace pellucid
