// The arguments of a kernel as XLA passes them (jax.ffi), and the axes that vmap puts before them.
//
// A kernel is written for one member: arrays of a known number of axes. Under vmap (populations of networks) all its
// arrays have further axes in front, of length 1 where members share the array; `Members` calls the kernel for each.
#pragma once

#include "workers.hpp"
#include "xla/ffi/api/ffi.h"

namespace pellucid {

namespace ffi = xla::ffi;
using Floats = ffi::Buffer<ffi::F32>;
using FloatsOut = ffi::Result<Floats>;
using Mask = ffi::Buffer<ffi::PRED>;

// A kernel as XLA calls it: the threads of its pool help.
template <auto KERNEL>
struct Helped;
template <class... Arguments, ffi::Error (*KERNEL)(Arguments...)>
struct Helped<KERNEL> {
  static ffi::Error call(ffi::ThreadPool pool, Arguments... arguments) {
    const Helpers helpers([&](std::function<void()> help) { pool.Schedule(std::move(help)); });
    return KERNEL(arguments...);
  }
};
inline auto binding() { return ffi::Ffi::Bind().Ctx<ffi::ThreadPool>(); }

// Length of an axis, counted from the last: axis(x, 1) is the last axis.
template <class Array>
long axis(const Array& x, int from_last) {
  const auto dimensions = x.dimensions();
  return dimensions[dimensions.size() - from_last];
}

class Members {
 public:
  // The members of a kernel with this result, whose array has so many axes for one member.
  Members(FloatsOut& result, int axes) {
    const auto dimensions = result->dimensions();
    lengths_ = dimensions.first(dimensions.size() - axes);
    for (const long length : lengths_) count_ *= length;
  }

  // Call kernel(member) for each, in tasks.
  template <class Kernel>
  ffi::Error each(const Kernel& kernel) const {
    parallel(int(count_), kernel);
    return ffi::Error::Success();
  }

  // The array of a member.
  template <ffi::DataType TYPE>
  auto* of(const ffi::Buffer<TYPE>& x, int member) const {
    const auto dimensions = x.dimensions();
    long size = 1, offset = 0;
    for (size_t i = dimensions.size(); i-- > 0;) {
      if (i < lengths_.size()) {
        if (dimensions[i] > 1) offset += member % lengths_[i] * size;
        member /= lengths_[i];
      }
      size *= dimensions[i];
    }
    return x.typed_data() + offset;
  }
  float* of(FloatsOut& x, int member) const { return of(*x, member); }

  // How many numbers of the array a member has.
  long size_of(const Floats& x) const {
    long size = 1;
    for (size_t i = lengths_.size(); i < x.dimensions().size(); i++) size *= x.dimensions()[i];
    return size;
  }

 private:
  ffi::Span<const int64_t> lengths_;
  long count_ = 1;
};

}  // namespace pellucid
