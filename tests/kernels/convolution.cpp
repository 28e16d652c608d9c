#include "laws.hpp"

extern "C" XLA_FFI_Handler patches_forward, patches_gradient_of_input, patches_gradient_of_weights, winograd_forward,
    winograd_gradient_of_input, winograd_gradient_of_weights, max_pool_forward, max_pool_backward;

namespace {

struct Window {
  long size, stride = 1, dilation = 1, before = 0;
};

// A convolution of images (batch, extent, extent, channels) with the same window along both axes.
struct Problem {
  long batch, extent, outputs, channels, filters, groups;
  Window w;
  Floats x = normal({batch, extent, extent, channels}), W = normal({w.size, w.size, channels / groups, filters}, 0.5f),
         b = normal({filters}), dz = normal({batch, outputs, outputs, filters});

  // Call term(index in x, in W, in z) for every product of the sum.
  template <class Term>
  void each(const Term& term) const {
    const long inside = channels / groups, outside = filters / groups;
    for (long n = 0; n < batch; n++)
      for (long p = 0; p < outputs * outputs; p++)
        for (long q = 0; q < w.size * w.size; q++) {
          const long row = p / outputs * w.stride + q / w.size * w.dilation - w.before,
                     column = p % outputs * w.stride + q % w.size * w.dilation - w.before;
          if (row < 0 || row >= extent || column < 0 || column >= extent) continue;
          for (long f = 0; f < filters; f++)
            for (long c = 0; c < inside; c++)
              term(((n * extent + row) * extent + column) * channels + f / outside * inside + c,
                   (q * inside + c) * filters + f, (n * outputs * outputs + p) * filters + f);
        }
  }
};

void near(const Floats& array, const std::vector<double>& expected) {
  double largest = 1;
  for (const double value : expected) largest = std::max(largest, std::abs(value));
  for (long i = 0; i < array.size(); i++) close(array[i] / largest, expected[i] / largest);
}

void check(const Problem& p, XLA_FFI_Handler* forward, XLA_FFI_Handler* of_input, XLA_FFI_Handler* of_weights,
           const Attributes& attributes) {
  const Floats z = results(p.dz.shape), dx = results(p.x.shape), dW = results(p.W.shape), db = results({p.filters});
  call(forward, {p.x, p.W, p.b}, {z}, attributes);
  call(of_input, {p.dz, p.W, Floats({0})}, {dx}, attributes);
  call(of_weights, {p.x, p.dz}, {dW, db}, attributes);
  std::vector<double> of_z(z.size()), of_x(dx.size()), of_W(dW.size()), of_b(p.filters);
  for (long i = 0; i < z.size(); i++) of_z[i] = p.b[i % p.filters], of_b[i % p.filters] += p.dz[i];
  p.each([&](long x, long W, long z) {
    of_z[z] += double(p.x[x]) * p.W[W];
    of_x[x] += double(p.dz[z]) * p.W[W];
    of_W[W] += double(p.x[x]) * p.dz[z];
  });
  near(z, of_z), near(dx, of_x), near(dW, of_W), near(db, of_b);
}

void by_patches(long batch, long extent, long outputs, long channels, long filters, long groups, Window w) {
  check({batch, extent, outputs, channels, filters, groups, w}, patches_forward, patches_gradient_of_input,
        patches_gradient_of_weights,
        {{"strides", Lengths{w.stride, w.stride}}, {"dilations", Lengths{w.dilation, w.dilation}},
         {"before", Lengths{w.before, w.before}}});
}

void by_winograd(long batch, long extent, long channels, long filters, long before) {
  check({batch, extent, extent - 2 + 2 * before, channels, filters, 1, {3, 1, 1, before}}, winograd_forward,
        winograd_gradient_of_input, winograd_gradient_of_weights, {{"before", Lengths{before, before}}});
}

}  // namespace

LAW(patches_are_the_convolution) {
  by_patches(2, 6, 4, 1, 5, 1, {3});
  by_patches(3, 7, 4, 4, 6, 2, {3, 2, 1, 1});
  by_patches(1, 9, 5, 3, 17, 1, {3, 1, 2});
  by_patches(5, 5, 5, 8, 33, 1, {1});
}

LAW(winograd_is_the_convolution) {
  for (const long before : {0, 1}) {
    by_winograd(1, 4, 8, 8, before);
    by_winograd(3, 7, 9, 17, before);
    by_winograd(5, 11, 16, 33, before);
  }
}

LAW(max_pooling_takes_the_first_of_equals) {
  const Floats x = normal({3, 5, 5, 7}), y = results({3, 2, 2, 7}), dy = normal({3, 2, 2, 7}), dx = results(x.shape);
  for (long i = 0; i < x.size(); i++) x[i] = std::round(x[i]);  // many are equal
  const Array<uint8_t> offsets({3, 2, 2, 7});
  const Attributes windows{{"size", Lengths{3, 3}}, {"strides", Lengths{2, 2}}, {"before", Lengths{0, 0}}};
  call(max_pool_forward, {x}, {y, offsets}, windows);
  call(max_pool_backward, {dy, offsets}, {dx}, windows);
  std::vector<double> of_x(x.size());
  for (long n = 0; n < 3; n++)
    for (long p = 0; p < 4; p++)
      for (long c = 0; c < 7; c++) {
        const auto at = [&](long q) { return ((n * 5 + p / 2 * 2 + q / 3) * 5 + p % 2 * 2 + q % 3) * 7 + c; };
        long first = 0;
        for (long q = 1; q < 9; q++)
          if (x[at(q)] > x[at(first)]) first = q;
        close(y[(n * 4 + p) * 7 + c], x[at(first)]);
        of_x[at(first)] += dy[(n * 4 + p) * 7 + c];
      }
  near(dx, of_x);
}
