// Laws of the kernels: each kernel is called as XLA calls it and compared with plain loops.
//
// `make check-kernels` compiles the kernels and all .cpp files of this folder into one program for each instruction
// set, with sanitisers too; `make check-arm` runs the same on arm64. To add a law, add a file:
//
//     #include "laws.hpp"
//     extern "C" XLA_FFI_Handler dense;
//     LAW(dense) {
//       const auto x = normal({5, 3}), W = normal({3, 7}), y = results({5, 7});
//       call(dense, {x, W}, {y}, {{"scale", 2.f}});
//       for (long i = 0; i < 5 * 7; i++) close(y[i], …);
//     }
#pragma once

#include <cmath>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <limits>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "xla/ffi/api/c_api.h"

namespace laws {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITISED
constexpr int STEPS = 300;  // of programs that run at once
#else
constexpr int STEPS = 10'000;
#endif

using Shape = std::vector<int64_t>;

inline long size_of(const Shape& shape) {
  long size = 1;
  for (const long length : shape) size *= length;
  return size;
}

template <class T>
constexpr XLA_FFI_DataType type_of() {
  if constexpr (std::is_same_v<T, bool>) return XLA_FFI_DataType_PRED;
  if constexpr (std::is_same_v<T, float>) return XLA_FFI_DataType_F32;
  if constexpr (std::is_same_v<T, double>) return XLA_FFI_DataType_F64;
  if constexpr (std::is_same_v<T, uint8_t>) return XLA_FFI_DataType_U8;
  if constexpr (std::is_same_v<T, int32_t>) return XLA_FFI_DataType_S32;
  if constexpr (std::is_same_v<T, uint32_t>) return XLA_FFI_DataType_U32;
  if constexpr (std::is_same_v<T, int64_t>) return XLA_FFI_DataType_S64;
  return XLA_FFI_DataType_INVALID;
}

// Each on the heap alone, so that a sanitiser sees what is read or written beyond its ends. Copies share the numbers.
template <class T>
struct Array {
  Shape shape;
  std::shared_ptr<T[]> data;
  explicit Array(Shape lengths) : shape(std::move(lengths)), data(new T[size_of(shape)]()) {}
  long size() const { return size_of(shape); }
  T& operator[](long i) const { return data[i]; }
};
using Floats = Array<float>;
using Mask = Array<bool>;

// Numbers of a normal distribution, the same for every program.
Floats normal(Shape shape, float deviation = 1);

// Room for results, of NaN: what a kernel does not write is found.
inline Floats results(Shape shape) {
  Floats array(std::move(shape));
  for (long i = 0; i < array.size(); i++) array[i] = std::numeric_limits<float>::quiet_NaN();
  return array;
}

// An array as an argument or result of a call.
struct View {
  template <class T>
  View(const Array<T>& array) : type(type_of<T>()), data(array.data.get()), shape(array.shape) {}
  XLA_FFI_DataType type;
  void* data;
  Shape shape;
};

using Lengths = std::vector<int64_t>;
using Attributes = std::map<std::string, std::variant<bool, int32_t, int64_t, float, double, Lengths>>;

// Run a function on a thread of a pool, as XLA's.
void schedule(std::function<void()> function);

// Call a kernel as XLA does; throws if it returns an error.
void call(XLA_FFI_Handler* kernel, std::vector<View> arguments, std::vector<View> results, Attributes attributes = {});

template <class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  std::ostringstream message;
  message.precision(9);
  (message << ... << parts);
  throw std::runtime_error(message.str());
}

// value ≈ expected, but for a rounding error of so many millionths of the larger of 1 and |expected|.
inline void close(double value, double expected, double millionths = 10) {
  if (!(std::abs(value - expected) <= 1e-6 * millionths * std::max(1.0, std::abs(expected))))
    fail(value, " instead of ", expected);
}

inline void same_bits(const Floats& a, const Floats& b) {
  if (a.shape != b.shape || std::memcmp(a.data.get(), b.data.get(), sizeof(float) * a.size())) fail("other bits");
}

// The part of an array that belongs to index i of its first axis.
inline Floats member(const Floats& array, long i) {
  Floats part(Shape(array.shape.begin() + 1, array.shape.end()));
  std::memcpy(part.data.get(), array.data.get() + i * part.size(), sizeof(float) * part.size());
  return part;
}

// Body in several threads at once; what one throws is thrown here.
template <class Body>
void at_once(int count, const Body& body) {
  std::vector<std::thread> threads;
  std::vector<std::string> errors(count);
  for (int i = 0; i < count; i++)
    threads.emplace_back([&, i] {
      try {
        body();
      } catch (const std::exception& error) {
        errors[i] = error.what();
      }
    });
  for (auto& thread : threads) thread.join();
  for (const auto& error : errors)
    if (!error.empty()) fail(error);
}

struct Law {
  Law(const char* name, void (*body)()) : name(name), body(body), next(first) { first = this; }
  const char* name;
  void (*body)();
  const Law* next;
  static inline const Law* first = nullptr;
};

#define LAW(name)                                         \
  static void law_##name();                               \
  static const laws::Law entry_##name(#name, law_##name); \
  static void law_##name()

}  // namespace laws

using namespace laws;
