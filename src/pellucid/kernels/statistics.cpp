// What the recorder reads of the layers' outputs, in one pass over all: `_statistics` in training/recorder.py, whose code
// defines it.
#include <cmath>
#include <limits>
#include <vector>

#include "call.hpp"
#include "product.hpp"

namespace pellucid {
namespace {

using Whole = ffi::Buffer<ffi::S32>;
constexpr int NUMBERS = 5;  // mean, standard deviation, fraction of zeros, fraction saturated, dead units
constexpr float NONE = std::numeric_limits<float>::quiet_NaN();

// x (rows, units), its ends where it is bounded, and the last step in which each unit was not zero, where units are
// watched → NUMBERS, and the units' steps
void measure(const float* x, long rows, long units, float low, float high, const int32_t* active, int32_t step,
             float* numbers, int32_t* new_active) {
  Vector total{}, squares{}, outside{};
  float zeros = 0, dead = 0;
  const Vector one = all(1.f), none{};
  for (long u = 0; u < units; u += LANES) {
    const int lanes = int(std::min<long>(LANES, units - u));
    Vector zero{};
    const auto add = [&](Vector a) {
      total += a;
      squares += a * a;
      zero += where(a == 0.f, one, none);
      outside += where((a < low) | (a > high), one, none);
    };
    if (lanes == LANES)
      for (long i = 0; i < rows; i++) add(load(x + i * units + u));
    else
      for (long i = 0; i < rows; i++) {
        Vector a = load(x + i * units + u, lanes);
        total += a;
        squares += a * a;
        zero += where(a == 0.f, one, none);
        for (int j = 0; j < lanes; j++) outside[j] += a[j] < low || a[j] > high;
      }
    for (int j = 0; j < lanes; j++) {
      const bool silent = zero[j] == float(rows);
      zeros += zero[j];
      dead += silent;
      if (active) new_active[u + j] = silent ? active[u + j] : step;
    }
  }
  const float count = float(rows * units), mean = sum(total) / count, variance = sum(squares) / count - mean * mean;
  numbers[0] = mean;
  numbers[1] = std::sqrt(variance < 0 ? 0 : variance);
  numbers[2] = zeros / count;
  numbers[3] = std::isnan(low) ? NONE : sum(outside) / count;
  numbers[4] = active ? dead : NONE;
}

// The step, the outputs (batch, …, units) of some layers, and of those whose units are watched the steps in which each
// was last not zero, (units,) → (layers, NUMBERS), NaN for other layers, and the watched units' steps.
ffi::Error run(ffi::RemainingArgs arguments, ffi::RemainingRets results, ffi::Span<const int64_t> layers,
               ffi::Span<const int64_t> watched, ffi::Span<const float> low, ffi::Span<const float> high) {
  FloatsOut numbers = *results.get<Floats>(0);
  const Whole step = *arguments.get<Whole>(0);
  const Members members(numbers, 2);
  struct Layer {
    Floats x;
    std::vector<Whole> active;
    std::vector<ffi::Result<Whole>> new_active;
    long rows, units;
  };
  std::vector<Layer> outputs;
  size_t units_watched = 0;
  long total = 0;
  for (size_t i = 0; i < layers.size(); i++) {
    const Floats x = *arguments.get<Floats>(1 + i);
    const long units = axis(x, 1), size = members.size_of(x);
    outputs.push_back({x, {}, {}, size / units, units});
    total += size;
    if (watched[i]) {
      outputs[i].active.push_back(*arguments.get<Whole>(1 + layers.size() + units_watched));
      outputs[i].new_active.push_back(*results.get<Whole>(1 + units_watched++));
    }
  }
  return members.each([&](int member) {
    float* const to = members.of(numbers, member);
    std::fill_n(to, axis(*numbers, 2) * NUMBERS, NONE);
    const auto one = [&](int i) {
      Layer& of = outputs[i];
      const bool watch = watched[i];
      measure(members.of(of.x, member), of.rows, of.units, low[i], high[i],
              watch ? members.of(of.active[0], member) : nullptr, *members.of(step, member), to + layers[i] * NUMBERS,
              watch ? members.of(*of.new_active[0], member) : nullptr);
    };
    constexpr long ALONE = 32768;  // numbers for which waking a thread does not pay
    if (total >= ALONE) return parallel(int(outputs.size()), one);
    for (size_t i = 0; i < outputs.size(); i++) one(int(i));
  });
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(statistics, Helped<run>::call,
                              binding().RemainingArgs().RemainingRets()
                                  .Attr<ffi::Span<const int64_t>>("layers").Attr<ffi::Span<const int64_t>>("watched")
                                  .Attr<ffi::Span<const float>>("low").Attr<ffi::Span<const float>>("high"));

}  // namespace pellucid
