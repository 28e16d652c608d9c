#include "laws.hpp"

extern "C" XLA_FFI_Handler dense_forward, dense_weights, dense_inputs;

namespace {

void check(long rows, long inputs, long units) {
  const Floats x = normal({rows, inputs}), W = normal({inputs, units}), b = normal({units}), dz = normal({rows, units});
  const Floats z = results({rows, units}), dW = results({inputs, units}), db = results({units}), dx = results({rows, inputs});
  call(dense_forward, {x, W, b}, {z});
  call(dense_weights, {x, dz}, {dW, db});
  call(dense_inputs, {dz, W}, {dx});
  const auto near = [](double value, double expected, long terms) { close(value, expected, 10 + 2 * std::sqrt(terms)); };
  for (long i = 0; i < rows; i++)
    for (long j = 0; j < units; j++) {
      double sum = b[j];
      for (long k = 0; k < inputs; k++) sum += double(x[i * inputs + k]) * W[k * units + j];
      near(z[i * units + j], sum, inputs);
    }
  for (long j = 0; j < units; j++) {
    double bias = 0;
    for (long i = 0; i < rows; i++) bias += dz[i * units + j];
    near(db[j], bias, rows);
    for (long k = 0; k < inputs; k++) {
      double sum = 0;
      for (long i = 0; i < rows; i++) sum += double(x[i * inputs + k]) * dz[i * units + j];
      near(dW[k * units + j], sum, rows);
    }
  }
  for (long i = 0; i < rows; i++)
    for (long k = 0; k < inputs; k++) {
      double sum = 0;
      for (long j = 0; j < units; j++) sum += double(dz[i * units + j]) * W[k * units + j];
      near(dx[i * inputs + k], sum, units);
    }
}

}  // namespace

LAW(dense_is_its_formula) {
  check(1, 1, 1);
  check(5, 7, 3);
  check(33, 20, 10);
  check(64, 130, 70);  // shared out to threads
}
