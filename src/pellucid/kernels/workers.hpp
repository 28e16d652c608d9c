// Threads of our own that share the work of a kernel with the thread that called it.
//
// A kernel is called on a thread of XLA's. It must not wait for another thread of XLA's pool, all of which may wait
// likewise; ours never wait for anything but work. Tasks are taken one by one from a counter, by the caller too, so the
// caller waits at most for a task that somebody has begun.
//
// The result must not depend on who takes which task: split the work by its shape alone, and add up partial sums in
// the order of the tasks. Where all cores are busy with kernels, and for a kernel inside a kernel, the caller does all
// tasks itself; so results are the same bits however many programs run at once.
#pragma once

namespace pellucid {

// Threads that work on a kernel, the caller's included: as many as this process may use cores.
int threads();

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
