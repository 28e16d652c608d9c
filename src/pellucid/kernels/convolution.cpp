// Convolution over images by patches: what a window sees at one position is one row of a matrix, which the weights
// multiply. layers/patches.py defines the passes; sequences come as images of height 1.
//
// The matrix of patches is never made. Its element of position i and offset k is image[position[i] + offset[k]], so a
// block of the product reads it through two tables; for that, padding is copied into an image of its own. With roles
// exchanged the same block gives the gradient of the weights, Σ_i image[position[i] + offset[k]]·dz[i]. For the gradient
// of the input, dz·Wᵀ of some positions is added to where the patches came from.
//
// Source: Dukhan, The indirect convolution algorithm, 2019.
#include <vector>

#include "convolution.hpp"

namespace pellucid {
namespace {

using Table = std::vector<int>;

// C (m × n) = A·B, C = A·B + biases or C += A·B for A(i, k) = a[rows[i] + depth[k]]: a block of `product.hpp` but for A.
template <int R, int V, Start START>
inline void block_at(const float* a, const int* rows, const int* depth, long k, const float* b, long ldb, float* c,
                     long ldc, const float* bias, int n) {
  Vector s[R][V];
  const bool whole = n == V * LANES;
  const auto lanes = [&](int v) { return std::min(LANES, n - v * LANES); };
  for (int r = 0; r < R; r++)
    for (int v = 0; v < V; v++) {
      const float* from = START == Start::add ? c + r * ldc + v * LANES : bias + v * LANES;
      s[r][v] = START == Start::zero ? Vector{} : whole ? load(from) : load(from, lanes(v));
    }
  const float* x[R];
  for (int r = 0; r < R; r++) x[r] = a + rows[r];
  for (long q = 0; q < k; q++, b += ldb) {
    Vector bq[V];
    for (int v = 0; v < V; v++) bq[v] = load(b + v * LANES);
    const long at = depth[q];
#pragma GCC unroll 12
    for (int r = 0; r < R; r++)
      for (int v = 0; v < V; v++) s[r][v] += x[r][at] * bq[v];
  }
  for (int r = 0; r < R; r++)
    for (int v = 0; v < V; v++)
      whole ? store(c + r * ldc + v * LANES, s[r][v]) : store(c + r * ldc + v * LANES, s[r][v], lanes(v));
}

template <int V, Start START>
void column_at(const float* a, const int* rows, long m, const int* depth, long k, const float* b, long ldb, float* c,
               long ldc, const float* bias, int n) {
  long i = 0;
  const auto some_rows = [&](auto count) {
    block_at<decltype(count)::value, V, START>(a, rows + i, depth, k, b, ldb, c + i * ldc, ldc, bias, n);
    i += count;
  };
  while (i + ROWS <= m) some_rows(std::integral_constant<int, ROWS>());
  if (ROWS > 8 && i + 8 <= m) some_rows(std::integral_constant<int, 8>());
  if (i + 4 <= m) some_rows(std::integral_constant<int, 4>());
  if (i + 2 <= m) some_rows(std::integral_constant<int, 2>());
  if (i < m) some_rows(std::integral_constant<int, 1>());
}

template <Start START>
void panel_at(const float* a, const int* rows, long m, const int* depth, long k, const float* b, long ldb, float* c,
              long ldc, const float* bias, int n) {
  if (n > LANES) column_at<2, START>(a, rows, m, depth, k, b, ldb, c, ldc, bias, n);
  else column_at<1, START>(a, rows, m, depth, k, b, ldb, c, ldc, bias, n);
}

struct Axis {  // a spatial axis
  long inputs, outputs, size, stride, dilation, before;
  long span() const { return (outputs - 1) * stride + (size - 1) * dilation + 1; }  // inputs seen, padding included
};

class Patches {
 public:
  Patches(long batch, Axis y, Axis x, long channels, long filters, long groups)
      : batch_(batch), y_(y), x_(x), channels_(channels), filters_(filters), groups_(groups) {
    padded_ = y.before || x.before || y.span() > y.inputs || x.span() > x.inputs;
    width_ = padded_ ? x.span() : x.inputs;
    for (long i = 0; i < y.outputs; i++)
      for (long j = 0; j < x.outputs; j++)
        positions_.push_back(int((i * y.stride * width_ + j * x.stride) * channels));
    for (long i = 0; i < y.size; i++)
      for (long j = 0; j < x.size; j++)
        for (long c = 0; c < channels / groups; c++)
          offsets_.push_back(int((i * y.dilation * width_ + j * x.dilation) * channels + c));
  }

  void forward(const float* x, const float* weights, const float* biases, float* z) const {
    const long inputs = channels_ / groups_, outputs = filters_ / groups_, places = positions();
    const std::vector<Panels> panels = packed([&](long group) {
      return Panels(depth(), outputs, {weights + group * outputs, filters_});
    });
    in_images(4, [&](int, long begin, long end) {
      const Scratch room(padded_ ? padded_size() : 0);
      for (long image = begin; image < end; image++) {
        const float* from = padded(x + image * image_size(), room);
        float* const to = z + image * places * filters_;
        for (long group = 0; group < groups_; group++)
          for (long p = 0; p < panels[group].panels(); p++) {
            const long f = group * outputs + p * PANEL;
            const auto product = [&](auto start) {
              panel_at<decltype(start)::value>(from + group * inputs, positions_.data(), places, offsets_.data(), depth(),
                                               panels[group].panel(p), PANEL, to + f, filters_, biases ? biases + f : nullptr,
                                               panels[group].columns(p));
            };
            if (biases) product(std::integral_constant<Start, Start::bias>());
            else product(std::integral_constant<Start, Start::zero>());
          }
      }
    });
  }

  void gradient_of_input(const float* dz, const float* weights, const float* biases, float* dx) const {
    constexpr long SOME = 4 * ROWS;  // positions at a time
    const long inputs = channels_ / groups_, outputs = filters_ / groups_, places = positions();
    const std::vector<Panels> panels = packed([&](long group) {
      return Panels(outputs, depth(), {weights + group * outputs, 1, filters_});
    });
    // Neighbouring columns of a patch lie side by side in the image, unless other groups' channels are between them.
    const long run = groups_ == 1 && x_.dilation == 1 ? x_.size * inputs : inputs;
    in_images(4, [&](int, long begin, long end) {
      const Scratch room(padded_ ? padded_size() : 0), gradients(SOME * depth());
      for (long image = begin; image < end; image++) {
        float* const of_image = dx + image * image_size();
        float* const to = padded_ ? room + 0 : of_image;
        if (padded_) std::fill_n(to, padded_size(), 0.f);
        else fill_rows(to, y_.inputs * x_.inputs, channels_, biases);
        for (long group = 0; group < groups_; group++)
          for (long first = 0; first < places; first += SOME) {
            const long n = std::min(SOME, places - first);
            product<Start::zero>(n, outputs, {dz + (image * places + first) * filters_ + group * outputs, filters_},
                                 panels[group], gradients, depth());
            for (long i = 0; i < n; i++)
              for (long k = 0; k < depth(); k += run)
                add(run, gradients + i * depth() + k, to + group * inputs + positions_[first + i] + offsets_[k]);
          }
        if (padded_) inside(room, biases, of_image);
      }
    });
  }

  void gradient_of_weights(const float* x, const float* dz, float* dW, float* db) const {
    constexpr long DEPTH = 256;  // positions at a time
    const long inputs = channels_ / groups_, outputs = filters_ / groups_, places = positions();
    const long size = depth() * filters_;
    const int parts = tasks(1);
    const Scratch sums(parts * size), of_biases(parts * filters_);
    std::fill_n(of_biases + 0, parts * filters_, 0.f);
    in_images(1, [&](int task, long begin, long end) {
      const Scratch room(padded_ ? padded_size() : 0);
      float* const to = sums + task * size;
      std::fill_n(to, size, 0.f);
      for (long image = begin; image < end; image++) {
        const float* from = padded(x + image * image_size(), room);
        for (long first = 0; first < places; first += DEPTH) {
          const long n = std::min(DEPTH, places - first);
          const float* gradients = dz + (image * places + first) * filters_;
          for (long group = 0; group < groups_; group++) {
            const auto panel = [&](long j, const float* b, long ldb) {
              panel_at<Start::add>(from + group * inputs, offsets_.data(), depth(), positions_.data() + first, n, b, ldb,
                                   to + group * outputs + j, filters_, nullptr, int(std::min<long>(PANEL, outputs - j)));
            };
            if (outputs % LANES) {  // a vector must not reach beyond the last row
              const Panels rows(n, outputs, {gradients + group * outputs, filters_});
              for (long p = 0; p < rows.panels(); p++) panel(p * PANEL, rows.panel(p), PANEL);
            } else {
              for (long j = 0; j < outputs; j += PANEL) panel(j, gradients + group * outputs + j, filters_);
            }
          }
          add_rows(gradients, n, filters_, filters_, of_biases + task * filters_);
        }
      }
    });
    sum_parts(sums, parts, size, dW);
    sum_parts(of_biases, parts, filters_, db);
  }

 private:
  long positions() const { return y_.outputs * x_.outputs; }
  long depth() const { return long(offsets_.size()); }
  long image_size() const { return y_.inputs * x_.inputs * channels_; }
  long padded_size() const { return y_.span() * width_ * channels_; }
  int tasks(int each) const { return int(std::min<long>(each * threads(), batch_)); }

  // Call body(task, first image, end) in some tasks for each thread.
  template <class Body>
  void in_images(int each, const Body& body) const {
    const int n = tasks(each);
    parallel(n, [&](int task) { body(task, part(batch_, task, n), part(batch_, task + 1, n)); });
  }

  template <class Pack>
  std::vector<Panels> packed(const Pack& pack) const {
    std::vector<Panels> panels;
    for (long group = 0; group < groups_; group++) panels.push_back(pack(group));
    return panels;
  }

  static void add(long n, const float* __restrict from, float* __restrict to) {
    for (long i = 0; i < n; i++) to[i] += from[i];
  }

  // Call row(number in the image, number in the padded image, numbers) for the rows of the image that are seen.
  template <class Row>
  void in_rows(const Row& row) const {
    const long seen = std::min(x_.inputs, width_ - x_.before) * channels_;
    for (long i = 0; i < std::min(y_.inputs, y_.span() - y_.before); i++)
      row(i * x_.inputs * channels_, ((i + y_.before) * width_ + x_.before) * channels_, seen);
  }

  const float* padded(const float* image, float* room) const {
    if (!padded_) return image;
    std::fill_n(room, padded_size(), 0.f);
    in_rows([&](long in, long to, long n) { std::copy_n(image + in, n, room + to); });
    return room;
  }

  // The image inside the padding, plus biases; what no window sees is 0.
  void inside(const float* room, const float* biases, float* image) const {
    fill_rows(image, y_.inputs * x_.inputs, channels_, biases);
    in_rows([&](long in, long from, long n) { add(n, room + from, image + in); });
  }

  long batch_;
  Axis y_, x_;
  long channels_, filters_, groups_;
  bool padded_;
  long width_;  // of the image, padding included
  Table positions_, offsets_;
};

template <class Input, class Weights, class Output>
Patches patches_of(const Input& x, const Weights& weights, const Output& z, ffi::Span<const int64_t> strides,
                   ffi::Span<const int64_t> dilations, ffi::Span<const int64_t> before) {
  const auto along = [&](int i) {
    return Axis{axis(x, 3 - i), axis(z, 3 - i), axis(weights, 4 - i), strides[i], dilations[i], before[i]};
  };
  return Patches(axis(x, 4), along(0), along(1), axis(x, 1), axis(z, 1), axis(x, 1) / axis(weights, 2));
}

using Lengths = ffi::Span<const int64_t>;

// x (batch, height, width, channels), weights (height, width, channels / groups, filters), biases (filters) or empty → z
ffi::Error forward(Floats x, Floats weights, Floats biases, FloatsOut z, Lengths strides, Lengths dilations,
                   Lengths before) {
  const Members members(z, 4);
  const Patches patches = patches_of(x, weights, *z, strides, dilations, before);
  return members.each([&](int member) {
    const float* b = axis(biases, 1) ? members.of(biases, member) : nullptr;
    patches.forward(members.of(x, member), members.of(weights, member), b, members.of(z, member));
  });
}

// dz, weights, biases (channels) or empty → dx
ffi::Error gradient_of_input(Floats dz, Floats weights, Floats biases, FloatsOut dx, Lengths strides, Lengths dilations,
                             Lengths before) {
  const Members members(dx, 4);
  const Patches patches = patches_of(*dx, weights, dz, strides, dilations, before);
  return members.each([&](int member) {
    const float* b = axis(biases, 1) ? members.of(biases, member) : nullptr;
    patches.gradient_of_input(members.of(dz, member), members.of(weights, member), b, members.of(dx, member));
  });
}

// x, dz → dW, db
ffi::Error gradient_of_weights(Floats x, Floats dz, FloatsOut dW, FloatsOut db, Lengths strides, Lengths dilations,
                               Lengths before) {
  const Members members(dW, 4);
  const Patches patches = patches_of(x, *dW, dz, strides, dilations, before);
  return members.each([&](int member) {
    patches.gradient_of_weights(members.of(x, member), members.of(dz, member), members.of(dW, member),
                                members.of(db, member));
  });
}

}  // namespace

#define LENGTHS .Attr<Lengths>("strides").Attr<Lengths>("dilations").Attr<Lengths>("before")

XLA_FFI_DEFINE_HANDLER_SYMBOL(patches_forward, Helped<forward>::call,
                              binding().Arg<Floats>().Arg<Floats>().Arg<Floats>().Ret<Floats>() LENGTHS);
XLA_FFI_DEFINE_HANDLER_SYMBOL(patches_gradient_of_input, Helped<gradient_of_input>::call,
                              binding().Arg<Floats>().Arg<Floats>().Arg<Floats>().Ret<Floats>() LENGTHS);
XLA_FFI_DEFINE_HANDLER_SYMBOL(patches_gradient_of_weights, Helped<gradient_of_weights>::call,
                              binding().Arg<Floats>().Arg<Floats>().Ret<Floats>().Ret<Floats>() LENGTHS);

}  // namespace pellucid
