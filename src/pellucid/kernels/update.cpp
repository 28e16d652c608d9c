// One pass over all parameters for `Optimizer.update` in optimizers.py, where the rule has `Coefficients`, and what the
// recorder reads of each array: Σ g², Σ Δ², Σ w² and the number of zeros, w after the update and Δ its change.
#include <cmath>
#include <vector>

#include "call.hpp"
#include "product.hpp"

namespace pellucid {
namespace {

constexpr long PIECE = 8192;   // numbers of a task
constexpr long ALONE = 16384;  // numbers for which waking a thread does not pay
constexpr int SUMS = 4;

struct Coefficients {  // in the order of `Coefficients` in optimizers.py
  float mean_decay, mean_gain, square_decay, square_gain, of_mean, of_gradient, of_square, epsilon, decay, rate;
};

struct Piece {  // of one array; m and v may be missing
  const float *g, *w, *m, *v;
  float *new_w, *new_m, *new_v;
  long size;
};

inline Vector root(Vector x) {
  Vector y;
  for (int i = 0; i < LANES; i++) y[i] = std::sqrt(x[i]);
  return y;
}

template <bool MEAN, bool SQUARE>
void update_piece(const Coefficients& rule, const Piece& of, float* sums) {
  Vector g_squares{}, changes{}, w_squares{}, zeros{};
  const auto vector = [&](long i, auto load_from, auto store_to) {
    const Vector g = load_from(of.g + i), w = load_from(of.w + i);
    Vector step = rule.of_gradient * g;
    if (MEAN) {
      const Vector m = rule.mean_decay * load_from(of.m + i) + rule.mean_gain * g;
      store_to(of.new_m + i, m);
      step += rule.of_mean * m;
    }
    if (SQUARE) {
      const Vector v = rule.square_decay * load_from(of.v + i) + rule.square_gain * (g * g);
      store_to(of.new_v + i, v);
      step /= root(rule.of_square * v) + rule.epsilon;
    }
    const Vector change = -rule.rate * (step + rule.decay * w), after = w + change;
    store_to(of.new_w + i, after);
    g_squares += g * g;
    changes += change * change;
    w_squares += after * after;
    zeros += where(after == 0.f, all(1.f), Vector{});
  };
  long i = 0;
  for (; i + LANES <= of.size; i += LANES)
    vector(i, [](const float* x) { return load(x); }, [](float* x, Vector value) { store(x, value); });
  float filled = 0;  // lanes beyond the end are 0 and stay 0
  if (const int lanes = int(of.size - i)) {
    vector(i, [&](const float* x) { return load(x, lanes); }, [&](float* x, Vector value) { store(x, value, lanes); });
    filled = float(LANES - lanes);
  }
  sums[0] = sum(g_squares), sums[1] = sum(changes), sums[2] = sum(w_squares), sums[3] = sum(zeros) - filled;
}

// Coefficients, then all w, all g, and where the rule has them all m and all v
// → the sums, (arrays, 4), all w, and where the rule has them all m and all v
ffi::Error run(ffi::RemainingArgs arguments, ffi::RemainingRets results, int64_t arrays, bool mean, bool square) {
  std::vector<Floats> in;
  std::vector<FloatsOut> out;
  for (size_t i = 0; i < arguments.size(); i++) in.push_back(*arguments.get<Floats>(i));
  for (size_t i = 0; i < results.size(); i++) out.push_back(*results.get<Floats>(i));
  const Members members(out[0], 2);
  const auto one = mean && square ? update_piece<true, true> : mean ? update_piece<true, false>
                   : square ? update_piece<false, true> : update_piece<false, false>;
  long total = 0;
  std::vector<long> sizes(arrays);
  for (int64_t a = 0; a < arrays; a++) total += sizes[a] = members.size_of(in[1 + a]);
  return members.each([&](int member) {
    Coefficients rule;
    std::memcpy(&rule, members.of(in[0], member), sizeof rule);
    std::vector<Piece> pieces;
    std::vector<long> array_of;
    for (int64_t a = 0; a < arrays; a++) {
      const auto input = [&](int kind) { return members.of(in[1 + kind * arrays + a], member); };
      const auto output = [&](int kind) { return members.of(out[1 + kind * arrays + a], member); };
      const Piece whole{input(1), input(0), mean ? input(2) : nullptr, square ? input(2 + mean) : nullptr,
                        output(0), mean ? output(1) : nullptr, square ? output(1 + mean) : nullptr, sizes[a]};
      for (long i = 0; i < whole.size; i += PIECE) {
        const auto from = [&](auto* x) { return x ? x + i : x; };
        pieces.push_back({from(whole.g), from(whole.w), from(whole.m), from(whole.v), from(whole.new_w),
                          from(whole.new_m), from(whole.new_v), std::min(PIECE, whole.size - i)});
        array_of.push_back(a);
      }
    }
    std::vector<float> sums(pieces.size() * SUMS);
    const int tasks = total < ALONE ? 1 : int(pieces.size());
    parallel(tasks, [&](int task) {
      const int count = int(pieces.size());
      for (long i = part(count, task, tasks); i < part(count, task + 1, tasks); i++)
        one(rule, pieces[i], &sums[i * SUMS]);
    });
    float* const to = members.of(out[0], member);
    std::fill_n(to, arrays * SUMS, 0.f);
    for (size_t i = 0; i < pieces.size(); i++)
      for (int s = 0; s < SUMS; s++) to[array_of[i] * SUMS + s] += sums[i * SUMS + s];
  });
}

}  // namespace

XLA_FFI_DEFINE_HANDLER_SYMBOL(update, Helped<run>::call,
                              binding().RemainingArgs().RemainingRets()
                                  .Attr<int64_t>("arrays").Attr<bool>("mean").Attr<bool>("square"));

}  // namespace pellucid
