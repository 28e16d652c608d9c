// Max pooling over images, channel by channel: `MaxPooling` in layers/pooling.py defines it; sequences come as images of
// height 1. The forward pass notes the offset of each maximum in its window, so that the backward pass reads one byte
// instead of the inputs again.
#include "convolution.hpp"

namespace pellucid {
namespace {

using Lengths = ffi::Span<const int64_t>;
using Offsets = ffi::Buffer<ffi::U8>;
using OffsetsOut = ffi::Result<Offsets>;
typedef uint8_t Bytes __attribute__((vector_size(LANES)));

constexpr int NONE = 255;  // the "offset" of NaN, which equals no input

class Windows {
 public:
  template <class Input, class Output>
  Windows(const Input& x, const Output& y, Lengths size, Lengths stride, Lengths before)
      : batch_(axis(x, 4)), height_(axis(x, 3)), width_(axis(x, 2)), channels_(axis(x, 1)), rows_(axis(y, 3)),
        columns_(axis(y, 2)), size_{size[0], size[1]}, stride_{stride[0], stride[1]}, before_{before[0], before[1]} {}

  void forward(const float* x, float* y, uint8_t* offsets) const {
    each([&](long image, long row, long column, long output) {
      in_lanes(channels_, [&](long c, int lanes) {
        Vector largest{};
        Integers offset = Integers{} - 1;
        each_inside(row, column, [&](int k, long at) {
          const Vector value = load(x + image * image_size() + at + c, lanes);
          // NaN is the maximum of its window, the first one stays
          const Integers larger = ((value > largest) | (value != value) | (offset < 0)) & (largest == largest);
          offset = larger ? Integers{} + k : offset;
          largest = where(larger, value, largest);
        });
        store(y + output * channels_ + c, largest, lanes);
        const Bytes bytes = __builtin_convertvector(largest == largest ? offset : Integers{} + NONE, Bytes);
        std::memcpy(offsets + output * channels_ + c, &bytes, lanes);
      });
    });
  }

  void backward(const float* dy, const uint8_t* offsets, float* dx) const {
    const bool apart = stride_[0] >= size_[0] && stride_[1] >= size_[1];
    apart ? backward<false>(dy, offsets, dx) : backward<true>(dy, offsets, dx);
  }

 private:
  long image_size() const { return height_ * width_ * channels_; }

  template <bool OVERLAP>
  void backward(const float* dy, const uint8_t* offsets, float* dx) const {
    const bool covered = stride_[0] == size_[0] && stride_[1] == size_[1] && rows_ * size_[0] == height_ &&
                         columns_ * size_[1] == width_ && !before_[0] && !before_[1];
    each([&](long image, long row, long column, long output) {
      float* const to = dx + image * image_size();
      if (!covered && row == 0 && column == 0) std::fill_n(to, image_size(), 0.f);
      in_lanes(channels_, [&](long c, int lanes) {
        Bytes bytes{};
        std::memcpy(&bytes, offsets + output * channels_ + c, lanes);
        const Integers offset = __builtin_convertvector(bytes, Integers);
        const Vector gradient = load(dy + output * channels_ + c, lanes);
        each_inside(row, column, [&](int k, long at) {
          const Vector own = where(offset == k, gradient, Vector{});
          store(to + at + c, OVERLAP ? load(to + at + c, lanes) + own : own, lanes);
        });
      });
    });
  }

  // Call output(image, row, column, number) for every window.
  template <class Output>
  void each(const Output& output) const {
    const int tasks = int(std::min<long>(4 * threads(), batch_));
    parallel(tasks, [&](int task) {
      for (long image = part(batch_, task, tasks); image < part(batch_, task + 1, tasks); image++)
        for (long row = 0; row < rows_; row++)
          for (long column = 0; column < columns_; column++)
            output(image, row, column, (image * rows_ + row) * columns_ + column);
    });
  }

  // Call input(offset in the window, number in the image) for the inputs of a window.
  template <class Input>
  void each_inside(long row, long column, const Input& input) const {
    const long top = row * stride_[0] - before_[0], left = column * stride_[1] - before_[1];
    for (long i = std::max(0L, -top); i < std::min(size_[0], height_ - top); i++)
      for (long j = std::max(0L, -left); j < std::min(size_[1], width_ - left); j++)
        input(int(i * size_[1] + j), ((top + i) * width_ + left + j) * channels_);
  }

  long batch_, height_, width_, channels_, rows_, columns_, size_[2], stride_[2], before_[2];
};

// x (batch, height, width, channels) → y, and the offset of each maximum in its window, the first of equals
ffi::Error forward(Floats x, FloatsOut y, OffsetsOut offsets, Lengths size, Lengths strides, Lengths before) {
  const Members members(y, 4);
  const Windows windows(x, *y, size, strides, before);
  return members.each([&](int member) {
    windows.forward(members.of(x, member), members.of(y, member), members.of(*offsets, member));
  });
}

// dy, offsets → dx
ffi::Error backward(Floats dy, Offsets offsets, FloatsOut dx, Lengths size, Lengths strides, Lengths before) {
  const Members members(dx, 4);
  const Windows windows(*dx, dy, size, strides, before);
  return members.each([&](int member) {
    windows.backward(members.of(dy, member), members.of(offsets, member), members.of(dx, member));
  });
}

}  // namespace

#define LENGTHS .Attr<Lengths>("size").Attr<Lengths>("strides").Attr<Lengths>("before")

XLA_FFI_DEFINE_HANDLER_SYMBOL(max_pool_forward, Helped<forward>::call,
                              binding().Arg<Floats>().Ret<Floats>().Ret<Offsets>() LENGTHS);
XLA_FFI_DEFINE_HANDLER_SYMBOL(max_pool_backward, Helped<backward>::call,
                              binding().Arg<Floats>().Arg<Offsets>().Ret<Floats>() LENGTHS);

}  // namespace pellucid
