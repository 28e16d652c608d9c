#include "workers.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

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

static const int SPINS = getenv("SPINS") ? atoi(getenv("SPINS")) : 4000;

thread_local bool working = false;  // inside a task: a kernel called there does its own tasks itself

struct Work {
  void (*task)(const void*, int);
  const void* data;
  int tasks;
  std::atomic<int> next{0}, helpers{0};
  Arithmetic arithmetic{};

  bool left() const { return next.load(std::memory_order_relaxed) < tasks; }
  template <class Goes>
  void take(const Goes& goes_on) {
    const bool outer = working;
    working = true;
    for (int i; goes_on() && (i = next.fetch_add(1, std::memory_order_relaxed)) < tasks;) task(data, i);
    working = outer;
  }
};

// Callers and workers at work are as many as there are cores at most, unless the callers alone are more: XLA runs what
// does not depend on one another at once, such as the two gradients of a layer, and several programs run at once. A worker
// helps where a core is free, and leaves between two tasks when a caller needs it.
class Pool {
 public:
  explicit Pool(int workers) : cores_(workers + 1) {
    for (int i = 0; i < workers; i++) std::thread([this] { serve(); }).detach();
  }

  void run(Work& work) {
    busy_.fetch_add(1, std::memory_order_relaxed);
    change([&] { open_.push_back(&work); });
    work.take([] { return true; });
    busy_.fetch_sub(1, std::memory_order_relaxed);
    change([&] { open_.erase(std::find(open_.begin(), open_.end(), &work)); });
    for (int spins = 0; work.helpers.load(std::memory_order_acquire); spins++)
      spins < SPINS ? pause() : std::this_thread::yield();
  }

 private:
  // Change the list of open work, and let the workers look at it if there is any.
  template <class Change>
  void change(const Change& list) {
    std::unique_lock<std::mutex> guard(mutex_);
    list();
    if (open_.empty()) return;
    changes_.fetch_add(1, std::memory_order_release);
    const bool wake = asleep_ > 0;
    guard.unlock();
    if (wake) wake_.notify_all();
  }

  void serve() {
    for (;;) {
      Work* work = nullptr;
      unsigned seen;
      {
        std::lock_guard<std::mutex> guard(mutex_);
        seen = changes_.load(std::memory_order_relaxed);
        const auto open = std::find_if(open_.begin(), open_.end(), [](const Work* work) { return work->left(); });
        if (open != open_.end() && busy_.load(std::memory_order_relaxed) < cores_) {
          work = *open;
          work->helpers.fetch_add(1, std::memory_order_relaxed);
          busy_.fetch_add(1, std::memory_order_relaxed);
        }
      }
      if (work) {
        work->arithmetic.adopt();
        work->take([&] { return busy_.load(std::memory_order_relaxed) <= cores_; });
        busy_.fetch_sub(1, std::memory_order_relaxed);
        work->helpers.fetch_sub(1, std::memory_order_release);  // from here on the work may be gone
      } else {
        wait(seen);
      }
    }
  }

  void wait(unsigned seen) {
    const auto changed = [&] { return changes_.load(std::memory_order_acquire) != seen; };
    for (int spins = 0; spins < SPINS; spins++) {
      if (changed()) return;
      pause();
    }
    std::unique_lock<std::mutex> guard(mutex_);
    asleep_++;
    wake_.wait(guard, changed);
    asleep_--;
  }

  const int cores_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Work*> open_;  // by the mutex, as the number of workers asleep
  int asleep_ = 0;
  std::atomic<unsigned> changes_{0};
  std::atomic<int> busy_{0};
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
  if (working || threads() == 1) work.take([] { return true; });
  else the_pool().run(work);
}

}  // namespace pellucid
