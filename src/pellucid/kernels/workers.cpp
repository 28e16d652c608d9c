#include "workers.hpp"

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>

#ifdef __linux__
#include <sched.h>
#endif
#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif

namespace pellucid {
namespace {

inline void pause() {
#if defined(__x86_64__) || defined(_M_X64)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// How this thread rounds, and whether it takes numbers below the normal range for 0: helpers do as their caller, or the
// bits of a result would depend on who took a task.
struct Arithmetic {
#if defined(__x86_64__) || defined(_M_X64)
  unsigned mode = _mm_getcsr();
  void adopt() const { _mm_setcsr(mode); }
#elif defined(__aarch64__)
  unsigned long mode = [] {
    unsigned long now;
    asm volatile("mrs %0, fpcr" : "=r"(now));
    return now;
  }();
  void adopt() const { asm volatile("msr fpcr, %0" : : "r"(mode)); }
#else
  void adopt() const {}
#endif
};

constexpr int SPINS = 4000;  // some 40 µs for a helper to end its last task; after them its core may need ours

thread_local const Helpers::Schedule* schedule = nullptr;

// Shared by the caller and its helpers, one of which may come when all is done and the caller gone.
struct Work {
  Work(void (*task)(const void*, int), const void* data, int tasks) : task(task), data(data), tasks(tasks) {}
  void (*const task)(const void*, int);
  const void* const data;
  const int tasks;
  const Arithmetic arithmetic{};
  std::atomic<int> next{0}, helpers{0};

  void take() {
    for (int i; (i = next.fetch_add(1, std::memory_order_acq_rel)) < tasks;) task(data, i);
  }
  void help() {
    helpers.fetch_add(1, std::memory_order_relaxed);  // before a task is taken, for whom the caller waits
    const Arithmetic own;
    arithmetic.adopt();
    take();
    own.adopt();
    helpers.fetch_sub(1, std::memory_order_release);
  }
};

}  // namespace

int threads() {
  static const int count = [] {
#ifdef __linux__
    cpu_set_t allowed;
    if (!sched_getaffinity(0, sizeof allowed, &allowed)) return CPU_COUNT(&allowed);
#endif
    return int(std::max(1u, std::thread::hardware_concurrency()));
  }();
  return count;
}

Helpers::Helpers(Schedule run) : schedule_(std::move(run)), before_(schedule) { schedule = &schedule_; }
Helpers::~Helpers() { schedule = before_; }

void workers::run(int tasks, void (*task)(const void*, int), const void* data) {
  const Helpers::Schedule* const outer = schedule;
  schedule = nullptr;  // a kernel inside a task does its own tasks itself
  const auto work = std::make_shared<Work>(task, data, tasks);
  if (outer)
    for (int i = 1; i < std::min(tasks, threads()); i++) (*outer)([work] { work->help(); });
  work->take();
  for (int spins = 0; work->helpers.load(std::memory_order_acquire); spins++)
    spins < SPINS ? pause() : std::this_thread::yield();
  schedule = outer;
}

}  // namespace pellucid
