#include "workers.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#ifndef _WIN32
#include <pthread.h>
#endif
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

// How this thread rounds, and whether it takes numbers below the normal range for 0, as XLA's threads do and Python's do
// not: the workers do as their caller, or the bits of a result would depend on who took a task.
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

constexpr int SPINS = 4000;         // some 40 µs awake after a task: the next kernel of a step finds the worker ready
constexpr int KERNELS_ALONE = 256;  // after two programs met, so many kernels run on their caller's thread alone

thread_local bool working = false;  // inside a task: a kernel called there does its own tasks itself

struct Work {
  void (*task)(const void*, int);
  const void* data;
  int tasks;
  std::atomic<int> next{0}, inside{0};
  Arithmetic arithmetic{};

  void take() {
    const bool outer = working;
    working = true;
    for (int i; (i = next.fetch_add(1, std::memory_order_relaxed)) < tasks;) task(data, i);
    working = outer;
  }
};

class Pool {
 public:
  explicit Pool(int workers) {
    for (int i = 0; i < workers; i++) std::thread([this] { serve(); }).detach();
  }

  void run(Work& work) {
    std::unique_lock<std::mutex> turn(turn_, std::try_to_lock);
    if (!turn.owns_lock()) alone_.store(KERNELS_ALONE, std::memory_order_relaxed);
    if (!turn.owns_lock() || alone_.load(std::memory_order_relaxed) > 0) {
      alone_.fetch_sub(1, std::memory_order_relaxed);
      return work.take();
    }
    {
      std::lock_guard<std::mutex> guard(mutex_);
      work_ = &work;
      number_.fetch_add(1, std::memory_order_release);
    }
    if (asleep_.load(std::memory_order_acquire)) wake_.notify_all();
    work.take();
    {
      std::lock_guard<std::mutex> guard(mutex_);
      work_ = nullptr;
    }
    for (int spins = 0; work.inside.load(std::memory_order_acquire); spins++)
      spins < SPINS ? pause() : std::this_thread::yield();
  }

 private:
  void serve() {
    for (unsigned served = 0;;) {
      for (int spins = 0; number_.load(std::memory_order_acquire) == served && spins < SPINS; spins++) pause();
      Work* work;
      {
        std::unique_lock<std::mutex> guard(mutex_);
        if (number_.load(std::memory_order_relaxed) == served) {
          asleep_.fetch_add(1, std::memory_order_release);
          wake_.wait(guard, [&] { return number_.load(std::memory_order_relaxed) != served; });
          asleep_.fetch_sub(1, std::memory_order_release);
        }
        served = number_.load(std::memory_order_relaxed);
        work = work_;
        if (work) work->inside.fetch_add(1, std::memory_order_relaxed);
      }
      if (work) {
        work->arithmetic.adopt();
        work->take();
        work->inside.fetch_sub(1, std::memory_order_release);
      }
    }
  }

  std::mutex turn_, mutex_;
  std::condition_variable wake_;
  Work* work_ = nullptr;
  std::atomic<unsigned> number_{0};
  std::atomic<int> asleep_{0}, alone_{0};
};

std::atomic<Pool*> pool{nullptr};
std::mutex making;

Pool& the_pool() {
  Pool* made = pool.load(std::memory_order_acquire);
  if (made) return *made;
  std::lock_guard<std::mutex> guard(making);
  if (!pool.load(std::memory_order_relaxed)) {
#ifndef _WIN32
    // A child of fork has none of its parent's threads: it makes new ones, and leaves the old pool where it lies.
    static const int registered = pthread_atfork([] { making.lock(); }, [] { making.unlock(); }, [] {
      pool.store(nullptr);
      making.unlock();
    });
    (void)registered;
#endif
    pool.store(new Pool(threads() - 1), std::memory_order_release);
  }
  return *pool.load(std::memory_order_relaxed);
}

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

void workers::run(int tasks, void (*task)(const void*, int), const void* data) {
  Work work{task, data, tasks};
  working || threads() == 1 ? work.take() : the_pool().run(work);
}

}  // namespace pellucid
