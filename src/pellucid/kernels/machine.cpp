// What this copy of the library is: the instruction set of this machine, asked of the baseline library, the names of its
// kernels, and a handler that does nothing: registering it tells whether jaxlib accepts the version of the interface that
// the library was compiled for.
#include "call.hpp"

#if defined(__x86_64__) || defined(_M_X64)
#include <cpuid.h>

namespace {

// Asked of the processor itself: what __builtin_cpu_supports reads is not linked by Clang on Windows.
const char* best_of_x86() {
  unsigned a, b, c, d, of_1, low, high;
  if (__get_cpuid_max(0, nullptr) < 7) return "baseline";
  __cpuid(1, a, b, of_1, d);
  __cpuid_count(7, 0, a, b, c, d);
  const auto all = [](unsigned bits, std::initializer_list<int> wanted) {
    for (const int bit : wanted)
      if (!(bits >> bit & 1)) return false;
    return true;
  };
  if (!all(of_1, {12, 27, 28})) return "baseline";  // FMA, XGETBV, AVX
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));  // the registers that the operating system keeps
  if (!all(low, {1, 2}) || !all(b, {5})) return "baseline";
  if (!all(low, {5, 6, 7}) || !all(b, {16, 17, 30, 31})) return "avx2";
  return "avx512";  // F, DQ, BW, VL
}

}  // namespace
#endif

extern "C" const char* pellucid_instruction_set() {
#if defined(__x86_64__) || defined(_M_X64)
  return best_of_x86();
#else
  return "baseline";
#endif
}

extern "C" const char* pellucid_kernels() { return KERNELS; }

namespace pellucid {
XLA_FFI_DEFINE_HANDLER_SYMBOL(probe, [] { return ffi::Error::Success(); }, ffi::Ffi::Bind());
}
