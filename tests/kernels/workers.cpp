#include "../../src/pellucid/kernels/workers.hpp"

#include <atomic>

#include "laws.hpp"

using pellucid::Helpers;
using pellucid::parallel;

namespace {

constexpr int TASKS = 7;

// Every task is done, once.
void once(int tasks, const Helpers::Schedule& threads = schedule) {
  const Helpers helpers(threads);
  std::vector<std::atomic<int>> done(tasks);
  parallel(tasks, [&](int task) { done[task]++; });
  for (const auto& times : done)
    if (times != 1) fail("a task was done ", times.load(), " times");
}

void nested() {
  const Helpers helpers(schedule);
  std::atomic<int> sum{0};
  parallel(TASKS, [&](int task) { parallel(3, [&](int inner) { sum += task * 3 + inner; }); });
  if (sum != 210) fail(sum.load(), " instead of 210");
}

}  // namespace

LAW(every_task_is_done_once) {
  for (const int tasks : {0, 1, 2, TASKS, 1000})
    for (int i = 0; i < 100; i++) once(tasks);
}

LAW(four_programs_at_once_do_not_stall) {
  at_once(4, [] {
    for (int i = 0; i < STEPS; i++) once(TASKS);
  });
}

LAW(tasks_within_tasks) {
  at_once(3, [] {
    for (int i = 0; i < STEPS / 10; i++) nested();
  });
}

LAW(helpers_that_never_come_are_not_waited_for) {
  once(TASKS, [](std::function<void()>) {});
}

LAW(helpers_that_come_too_late_find_nothing) {
  std::vector<std::function<void()>> late;
  for (int i = 0; i < 100; i++) once(TASKS, [&](std::function<void()> help) { late.push_back(std::move(help)); });
  for (const auto& help : late) help();
}

LAW(without_helpers_the_caller_does_all) {
  std::atomic<int> done{0};
  parallel(TASKS, [&](int) { done++; });
  if (done != TASKS) fail(done.load(), " tasks");
}

LAW(parts_cover_a_range) {
  for (const long range : {0, 1, 5, 64})
    for (int n = 1; n < 9; n++) {
      if (pellucid::part(range, 0, n) != 0 || pellucid::part(range, n, n) != range) fail("ends of ", range, " in ", n);
      for (int i = 0; i < n; i++) {
        const long length = pellucid::part(range, i + 1, n) - pellucid::part(range, i, n);
        if (length < range / n || length > (range + n - 1) / n) fail("part of ", length, ": ", range, " in ", n);
      }
    }
}
