// The instruction set of this machine, asked of the baseline library, and a handler that does nothing: registering it
// tells whether jaxlib knows the version of the interface that the library was compiled for.
#include "call.hpp"

extern "C" const char* pellucid_instruction_set() {
#if defined(__x86_64__) || defined(_M_X64)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl"))
    return "avx512";
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "avx2";
#endif
  return "baseline";
}

namespace pellucid {
XLA_FFI_DEFINE_HANDLER_SYMBOL(probe, [] { return ffi::Error::Success(); }, ffi::Ffi::Bind());
}
