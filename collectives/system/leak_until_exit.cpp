// Memory that MPI may still touch; see leak_until_exit.hpp.
#include <mutex>
#include <utility>
#include <vector>

#include <tutti/collectives/system/leak_until_exit.hpp>

namespace tutti::detail {

void leak_until_exit(std::shared_ptr<void> object) noexcept {
  // Never destroyed: MPI may touch what is kept until the process is gone.
  static auto* const kept = new std::vector<std::shared_ptr<void>>;
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  kept->push_back(std::move(object));
}

}  // namespace tutti::detail
