// Tasks in memory that their communicator keeps for the next one.
#pragma once

#include <new>

#include <tutti/collectives/communicator.hpp>
#include <tutti/collectives/communicator/communicator_state.hpp>

namespace tutti::detail {

/// A base of `T`, a WaitingTask: `new (comm.state()) T(...)`, and `delete` as ever.
template <class T>
class PooledTask {
 public:
  static void* operator new(std::size_t /*bytes*/, CommunicatorState& state) {
    static_assert(sizeof(T) <= MemoryPools::kTaskBytes);
    return state.memory().acquire_task();
  }
  static void operator delete(void* memory, CommunicatorState& state) noexcept { state.memory().release_task(memory); }
  static void operator delete(PooledTask* self, std::destroying_delete_t) noexcept {
    auto* const task = static_cast<T*>(self);
    const Communicator comm = task->comm();  // which may be the last to hold it
    task->~T();
    comm.state().memory().release_task(task);
  }

 protected:
  PooledTask() = default;
};

}  // namespace tutti::detail
