// Vectors of float32 as wide as the instruction set that this copy of the library is compiled for.
//
// GCC's and Clang's vector extensions: arithmetic and comparisons act on every lane. A comparison gives all bits or
// none in each lane. Special values follow IEEE arithmetic, since a training recognises divergence by NaN and infinity.
#pragma once

#include <cstdint>
#include <cstring>

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace pellucid {

#if defined(__AVX512F__)
constexpr int LANES = 16;
#elif defined(__AVX2__)
constexpr int LANES = 8;
#else  // SSE2, NEON and every other machine with vectors of 128 bits
constexpr int LANES = 4;
#endif

typedef float Vector __attribute__((vector_size(4 * LANES)));
typedef int32_t Integers __attribute__((vector_size(4 * LANES)));
typedef float Unaligned __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

inline Vector load(const float* x) { return *reinterpret_cast<const Unaligned*>(x); }
inline void store(float* x, Vector value) { *reinterpret_cast<Unaligned*>(x) = value; }
inline Vector all(float x) { return x - Vector{}; }  // x in every lane; x + 0 would turn −0 into 0

// The first n lanes, 0 in the others. Nearly always all: a whole vector is faster than a masked one.
inline Vector load(const float* x, int n) {
  if (n == LANES) return load(x);
#if defined(__AVX512F__)
  return (Vector)_mm512_maskz_loadu_ps((1u << n) - 1, x);
#else
  Vector value{};
  for (int i = 0; i < n; i++) value[i] = x[i];
  return value;
#endif
}
inline void store(float* x, Vector value, int n) {
  if (n == LANES) return store(x, value);
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(x, (1u << n) - 1, (__m512)value);
#else
  for (int i = 0; i < n; i++) x[i] = value[i];
#endif
}

// Call body(first, lanes) for LANES of n numbers at a time.
template <class Body>
inline void in_lanes(long n, const Body& body) {
  for (long i = 0; i < n; i += LANES) body(i, int(n - i < LANES ? n - i : LANES));
}

// Four rows of four numbers, `row` apart, written as four columns, `column` apart.
inline void transpose(const float* from, long row, float* to, long column) {
  typedef float Four __attribute__((vector_size(16)));
  typedef float Loose __attribute__((vector_size(16), aligned(4), may_alias));
  const auto at = [&](int i) { return Four(*reinterpret_cast<const Loose*>(from + i * row)); };
#ifdef __clang__
#define PELLUCID_PICK(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
#define PELLUCID_PICK(a, b, i, j, k, l) __builtin_shuffle(a, b, FourIntegers{i, j, k, l})
  typedef int32_t FourIntegers __attribute__((vector_size(16)));
#endif
  const Four a = at(0), b = at(1), c = at(2), d = at(3);
  const Four ab = PELLUCID_PICK(a, b, 0, 4, 1, 5), cd = PELLUCID_PICK(c, d, 0, 4, 1, 5),
             AB = PELLUCID_PICK(a, b, 2, 6, 3, 7), CD = PELLUCID_PICK(c, d, 2, 6, 3, 7);
  const Four columns[4] = {PELLUCID_PICK(ab, cd, 0, 1, 4, 5), PELLUCID_PICK(ab, cd, 2, 3, 6, 7),
                           PELLUCID_PICK(AB, CD, 0, 1, 4, 5), PELLUCID_PICK(AB, CD, 2, 3, 6, 7)};
#undef PELLUCID_PICK
  for (int j = 0; j < 4; j++) *reinterpret_cast<Loose*>(to + j * column) = columns[j];
}

// a where the mask's lane is all ones, b where it is zero.
inline Vector where(Integers mask, Vector a, Vector b) { return mask ? a : b; }
inline Vector min(Vector a, Vector b) { return b < a ? b : a; }  // NaN in a stays
inline Vector max(Vector a, Vector b) { return b > a ? b : a; }
inline Vector abs(Vector a) { return (Vector)((Integers)a & 0x7fffffff); }

inline float sum(Vector a) {  // in halves, always in the same order
  float lanes[LANES];
  std::memcpy(lanes, &a, sizeof lanes);
  for (int half = LANES / 2; half; half /= 2)
    for (int i = 0; i < half; i++) lanes[i] += lanes[i + half];
  return lanes[0];
}

// eˣ to 2 units in the last place: x = n·ln 2 + r, a polynomial for e^r (the coefficients of Cephes' expf, Moshier
// 1989), and 2ⁿ as two factors so that results below the normal range are not lost in one.
inline Vector exp(Vector x) {
  const Vector given = x;
  x = min(max(x, all(-104.f)), all(89.f));
  const Vector magic = all(12582912.f);  // 1.5·2²³: adding it rounds to a whole number
  const Vector n = (x * 1.44269504088896341f + magic) - magic;
  Vector r = x - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  Vector p = all(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.f;
  const Integers whole = __builtin_convertvector(n, Integers);
  const Integers half = whole >> 1;
  const Vector first = (Vector)((half + 127) << 23), second = (Vector)((whole - half + 127) << 23);
  return where(given == given, p * first * second, given);
}

inline Vector sigmoid(Vector x) { return 1.f / (1.f + exp(-x)); }

// The rational function of Eigen's and XLA's float tanh, which bends away from ±1 beyond ±7.9 and is cut there.
inline Vector tanh(Vector x) {
  const Vector given = x;
  x = min(max(x, all(-7.90531110763549805f)), all(7.90531110763549805f));
  const Vector square = x * x;
  Vector p = all(-2.76076847742355e-16f);
  p = p * square + 2.00018790482477e-13f;
  p = p * square + -8.60467152213735e-11f;
  p = p * square + 5.12229709037114e-08f;
  p = p * square + 1.48572235717979e-05f;
  p = p * square + 6.37261928875436e-04f;
  p = p * square + 4.89352455891786e-03f;
  Vector q = all(1.19825839466702e-06f);
  q = q * square + 1.18534705686654e-04f;
  q = q * square + 2.26843463243900e-03f;
  q = q * square + 4.89352518554385e-03f;
  return where(given == given, x * p / q, given);
}

}  // namespace pellucid
