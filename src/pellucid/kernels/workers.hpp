// Threads that share the work of a kernel: those of XLA's pool, beside the one that called it.
//
// Tasks are taken one by one from a counter, by the caller and by the threads of the pool that are free and come to help.
// So the caller waits at most for a task that somebody has begun, and never for a thread that may be waiting itself:
// a kernel that waits in XLA's pool for work that nobody has begun stalls. Where no helper comes, because all cores are
// busy with other programs or other parts of the same, the caller does all tasks. Threads of our own would compete with
// XLA's for the cores, and let them fall asleep between its own kernels.
//
// The result must not depend on who takes which task: split the work by its shape alone, and add up partial sums in
// the order of the tasks.
#pragma once

#include <functional>

namespace pellucid {

// Threads that work on a kernel, the caller's included: as many as this process may use cores.
int threads();

// While it lives, `parallel` calls for help on this thread by `schedule`, which runs a function some time, or never.
class Helpers {
 public:
  using Schedule = std::function<void(std::function<void()>)>;
  explicit Helpers(Schedule schedule);
  ~Helpers();

 private:
  Schedule schedule_;
  const Schedule* before_;
};

namespace workers {
void run(int tasks, void (*task)(const void*, int), const void* data);
}

// Call task(i) for i from 0 to tasks − 1, in any order and on any thread; returns when all are done.
template <class Task>
void parallel(int tasks, const Task& task) {
  if (tasks == 1) return task(0);
  workers::run(tasks, [](const void* data, int i) { (*static_cast<const Task*>(data))(i); }, &task);
}

// Begin of part i of n, of a range cut into parts whose lengths differ by at most one.
inline long part(long range, int i, int n) { return range * i / n; }

}  // namespace pellucid
