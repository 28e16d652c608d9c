// The program of the laws, and XLA's side of a call.
#include "laws.hpp"

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <deque>
#include <mutex>
#include <random>

struct XLA_FFI_Error {
  std::string message;
};

extern "C" const char* pellucid_instruction_set();

namespace laws {
namespace {

XLA_FFI_Error* create(XLA_FFI_Error_Create_Args* args) { return new XLA_FFI_Error{args->message}; }
void message(XLA_FFI_Error_GetMessage_Args* args) { args->message = args->error->message.c_str(); }
void destroy(XLA_FFI_Error_Destroy_Args* args) { delete args->error; }

// As XLA's pool: threads that take functions in their order.
class Pool {
 public:
  Pool() {
    for (int i = 0; i < 3; i++) std::thread([this] { serve(); }).detach();
  }
  void add(std::function<void()> function) {
    std::lock_guard<std::mutex> guard(mutex_);
    queue_.push_back(std::move(function));
    added_.notify_one();
  }

 private:
  void serve() {
    for (;;) {
      std::unique_lock<std::mutex> guard(mutex_);
      added_.wait(guard, [&] { return !queue_.empty(); });
      const auto function = std::move(queue_.front());
      queue_.pop_front();
      guard.unlock();
      function();
    }
  }
  std::mutex mutex_;
  std::condition_variable added_;
  std::deque<std::function<void()>> queue_;
};

XLA_FFI_Error* schedule_task(XLA_FFI_ThreadPool_Schedule_Args* args) {
  schedule([task = args->task, data = args->data] { task(data); });
  return nullptr;
}

const XLA_FFI_Api& api() {
  static const XLA_FFI_Api api = [] {
    XLA_FFI_Api api{};
    api.struct_size = XLA_FFI_Api_STRUCT_SIZE;
    api.api_version = {XLA_FFI_Api_Version_STRUCT_SIZE, nullptr, XLA_FFI_API_MAJOR, XLA_FFI_API_MINOR};
    api.XLA_FFI_Error_Create = create;
    api.XLA_FFI_Error_GetMessage = message;
    api.XLA_FFI_Error_Destroy = destroy;
    api.XLA_FFI_ThreadPool_Schedule = schedule_task;
    return api;
  }();
  return api;
}

std::vector<XLA_FFI_Buffer> buffers(std::vector<View>& views) {
  std::vector<XLA_FFI_Buffer> list;
  for (View& view : views)
    list.push_back({XLA_FFI_Buffer_STRUCT_SIZE, nullptr, view.type, view.data, int64_t(view.shape.size()),
                    view.shape.data()});
  return list;
}

template <class T>
std::vector<void*> addresses(std::vector<T>& list) {
  std::vector<void*> pointers;
  for (T& entry : list) pointers.push_back(&entry);
  return pointers;
}

}  // namespace

void schedule(std::function<void()> function) {
  static Pool* const pool = new Pool();  // its threads end with the program
  pool->add(std::move(function));
}

void call(XLA_FFI_Handler* kernel, std::vector<View> arguments, std::vector<View> results, Attributes attributes) {
  auto of_arguments = buffers(arguments), of_results = buffers(results);
  auto at_arguments = addresses(of_arguments), at_results = addresses(of_results);
  std::vector<XLA_FFI_ArgType> argument_types(arguments.size(), XLA_FFI_ArgType_BUFFER);
  std::vector<XLA_FFI_RetType> result_types(results.size(), XLA_FFI_RetType_BUFFER);

  std::vector<XLA_FFI_ByteSpan> names;
  std::deque<XLA_FFI_Scalar> scalars;  // whose entries stay where they are
  std::deque<XLA_FFI_Array> lists;
  std::vector<void*> values;
  std::vector<XLA_FFI_AttrType> attribute_types;
  for (auto& [name, attribute] : attributes) {
    names.push_back({name.data(), name.size()});
    if (Lengths* const list = std::get_if<Lengths>(&attribute)) {
      values.push_back(&lists.emplace_back(XLA_FFI_Array{type_of<int64_t>(), list->size(), list->data()}));
      attribute_types.push_back(XLA_FFI_AttrType_ARRAY);
    } else {
      values.push_back(&scalars.emplace_back(std::visit(
          [](auto& value) { return XLA_FFI_Scalar{type_of<std::decay_t<decltype(value)>>(), &value}; }, attribute)));
      attribute_types.push_back(XLA_FFI_AttrType_SCALAR);
    }
  }
  std::vector<XLA_FFI_ByteSpan*> at_names;
  for (auto& name : names) at_names.push_back(&name);

  XLA_FFI_CallFrame frame{};
  frame.struct_size = XLA_FFI_CallFrame_STRUCT_SIZE;
  frame.api = &api();
  frame.stage = XLA_FFI_ExecutionStage_EXECUTE;
  frame.args = {XLA_FFI_Args_STRUCT_SIZE, nullptr, int64_t(arguments.size()), argument_types.data(),
                at_arguments.data()};
  frame.rets = {XLA_FFI_Rets_STRUCT_SIZE, nullptr, int64_t(results.size()), result_types.data(), at_results.data()};
  frame.attrs = {XLA_FFI_Attrs_STRUCT_SIZE, nullptr, int64_t(values.size()), attribute_types.data(), at_names.data(),
                 values.data()};
  if (std::unique_ptr<XLA_FFI_Error> error{kernel(&frame)}) fail("refused: ", error->message);
}

Floats normal(Shape shape, float deviation) {
  static thread_local std::mt19937 generator(1);
  Floats array(std::move(shape));
  std::normal_distribution<float> distribution(0, deviation);
  for (long i = 0; i < array.size(); i++) array[i] = distribution(generator);
  return array;
}

}  // namespace laws

// Run the laws of the given names, or all. Ends with 1 if one fails, with 77 on a machine of a lesser instruction set.
int main(int count, char** names) {
  const std::string best = pellucid_instruction_set(), order = "baseline avx2 avx512";
  if (order.find(best) < order.find(INSTRUCTION_SET)) return std::printf("this machine runs only %s\n", best.c_str()), 77;
  bool failed = false;
  for (const Law* law = Law::first; law; law = law->next) {
    bool wanted = count == 1;
    for (int i = 1; i < count; i++) wanted |= law->name == std::string(names[i]);
    if (!wanted) continue;
    const auto begin = std::chrono::steady_clock::now();
    std::string outcome = "holds";
    try {
      law->body();
    } catch (const std::exception& error) {
      failed = true;
      outcome = std::string("BROKEN: ") + error.what();
    }
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    std::printf("%-32s %6.2f s  %s\n", law->name, seconds.count(), outcome.c_str());
    std::fflush(stdout);
  }
  return failed;
}
