#include "../../src/pellucid/kernels/workers.hpp"

#include <atomic>
#include <chrono>

#include "laws.hpp"

#ifndef _WIN32
#include <sys/wait.h>
#include <unistd.h>
#endif

using pellucid::parallel;

namespace {

constexpr int TASKS = 7;

// Every task is done, once.
void once(int tasks) {
  std::vector<std::atomic<int>> done(tasks);
  parallel(tasks, [&](int task) { done[task]++; });
  for (const auto& times : done)
    if (times != 1) fail("a task was done ", times.load(), " times");
}

void nested() {
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

LAW(workers_fall_asleep_and_wake) {
  for (int i = 0; i < 200; i++) {
    std::this_thread::sleep_for(std::chrono::microseconds(50 * (i % 5)));
    once(TASKS);
  }
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

#if !defined(_WIN32) && !defined(SANITISED)  // whose memory or threads do not survive a fork among threads
LAW(a_child_of_fork_has_workers_of_its_own) {
  std::atomic<bool> over{false};
  std::thread other([&] {
    while (!over) once(TASKS);
  });
  for (int i = 0; i < 20; i++) {
    const pid_t child = fork();
    if (!child) {
      try {
        for (int j = 0; j < 200; j++) once(TASKS), nested();
      } catch (...) {
        _exit(1);
      }
      _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    if (status) {
      over = true;
      other.join();
      fail("the child ended with ", status);
    }
    once(TASKS);
  }
  over = true;
  other.join();
}
#endif
