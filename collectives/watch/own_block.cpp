// Making and filling this process's control block; see own_block.hpp.
#include <fcntl.h>
#include <mpi.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>

#include <tutti/collectives/system/process_stat.hpp>
#include <tutti/collectives/system/simulated.hpp>
#include <tutti/collectives/watch/own_block.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::detail {
namespace {

std::string environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// The first of them that is set.
std::string first_of(std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (std::string value = environment(name); !value.empty()) return value;
  }
  return {};
}

std::string batch_job() {
  const std::string job = environment("SLURM_JOB_ID");
  const std::string step = environment("SLURM_STEP_ID");
  if (job.empty()) return first_of({"PBS_JOBID", "LSB_JOBID"});
  return step.empty() ? job : job + '.' + step;
}

void put(ControlBlock::Name& name, std::string_view value) noexcept {
  value.copy(name.data(), name.size() - 1);  // what follows is zeros
}

std::atomic<OwnBlock*> the_block{nullptr};

bool wants_records() {
  const std::string said = environment("TUTTI_FLIGHT_RECORDER");
  if (said.empty() || said == "1") return true;
  if (said == "0") return false;
  std::fprintf(stderr, "tutti: warning: TUTTI_FLIGHT_RECORDER: '%s' is not 0 or 1; operations are recorded\n",
               said.c_str());
  return true;
}

}  // namespace

bool OwnBlock::is_possible() noexcept {
  int initialized = 0;
  MPI_Initialized(&initialized);
  return !kSimulated && initialized != 0;
}

OwnBlock& OwnBlock::get() {
  static auto* const block = [] {
    auto* const made = new OwnBlock;  // never destroyed: others may read it until the process is gone
    the_block.store(made, std::memory_order_release);
    return made;
  }();
  return *block;
}

OwnBlock* OwnBlock::find() noexcept { return the_block.load(std::memory_order_acquire); }

OwnBlock::OwnBlock() {
  const std::uint32_t records = environment("TUTTI_TRACE").empty() ? kRecords : kTracedRecords;
  make_memory(records);
  write_head(records);
  int level = MPI_THREAD_SINGLE;
  MPI_Query_thread(&level);
  const bool traced = records == kTracedRecords;
  if (wants_records()) recorder_ = FlightRecorder(*block_, records_, level == MPI_THREAD_MULTIPLE, traced);
  algorithm_number("node memory");

  // MPI_Finalize first frees MPI_COMM_SELF, and with it what is attached.
  int key = MPI_KEYVAL_INVALID;
  const auto on_finish = [](MPI_Comm /*self*/, int /*key*/, void* block, void* /*state*/) -> int {
    static_cast<OwnBlock*>(block)->finish();
    return MPI_SUCCESS;
  };
  if (MPI_Comm_create_keyval(MPI_COMM_NULL_COPY_FN, on_finish, &key, nullptr) == MPI_SUCCESS) {
    MPI_Comm_set_attr(MPI_COMM_SELF, key, this);
    MPI_Comm_free_keyval(&key);  // lives on as long as it is used
  }
}

void OwnBlock::make_memory(std::uint32_t records) {
  const std::size_t bytes = block_bytes(records);
  try {
    memory_ = SharedMemory::create(bytes, kBlockName);
  } catch (const std::bad_alloc&) {
  }
  std::byte* data = memory_.data();
  if (memory_) {
    // Readers then need not fear that what they map goes away.
    fcntl(memory_.fd(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
  } else {
    std::fprintf(stderr,
                 "tutti: warning: process %d has no descriptor or memory left for its control block: local ranks and "
                 "`tutti ps` will not see what it does\n",
                 static_cast<int>(getpid()));
    data = static_cast<std::byte*>(::operator new (bytes, std::align_val_t{alignof(ControlBlock)}));
    std::memset(data, 0, bytes);
  }
  block_ = reinterpret_cast<ControlBlock*>(data);
  records_ = reinterpret_cast<Record*>(data + kRecordsOffset);
}

void OwnBlock::write_head(std::uint32_t records) {
  ControlBlock& block = *block_;
  const auto stat = read_process_stat(getpid());
  block.version = kBlockVersion;
  block.record_count = records;
  block.start_time = stat ? stat->start_time : 0;
  block.process = getpid();
  block.parent = getppid();
  MPI_Comm_rank(MPI_COMM_WORLD, &block.world_rank);
  MPI_Comm_size(MPI_COMM_WORLD, &block.world_size);
  block.tick_source = find_tick_source();
  block.made = take_moment(block.tick_source);
  gethostname(block.host.data(), block.host.size() - 1);
  put(block.launcher_job, first_of({"PMIX_NAMESPACE", "PALS_APID", "PMI_JOBID"}));
  put(block.batch_job, batch_job());
  put(block.program, program_invocation_short_name);
  block.magic.store(kBlockMagic, std::memory_order_release);
}

CommunicatorEntry* OwnBlock::take_entry(std::uint64_t stamp, int rank, int size, std::uint32_t& serial) noexcept {
  const std::lock_guard lock(mutex_);
  serial = ++last_serial_;
  // One that nothing was in, or the oldest of those freed: people may still want to read the others.
  CommunicatorEntry* place = nullptr;
  for (CommunicatorEntry& entry : block_->communicators) {
    const std::uint32_t its = entry.serial.load(std::memory_order_relaxed);
    if (its != 0 && entry.state.load(std::memory_order_relaxed) != CommunicatorEntry::freed) continue;
    if (place == nullptr || its < place->serial.load(std::memory_order_relaxed)) place = &entry;
  }
  if (place == nullptr) {
    block_->unlisted.fetch_add(1, std::memory_order_relaxed);
    return nullptr;
  }
  place->serial.store(0, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);
  place->state.store(CommunicatorEntry::usable, std::memory_order_relaxed);
  place->stamp.store(stamp, std::memory_order_relaxed);
  place->rank.store(rank, std::memory_order_relaxed);
  place->size.store(size, std::memory_order_relaxed);
  place->begun.store(0, std::memory_order_relaxed);
  place->serial.store(serial, std::memory_order_release);
  return place;
}

std::uint8_t OwnBlock::algorithm_number(std::string_view name) noexcept {
  const std::lock_guard lock(mutex_);
  const std::uint32_t known = block_->way_count.load(std::memory_order_relaxed);
  const std::string_view kept = name.substr(0, block_->algorithms.front().size() - 1);
  for (std::uint32_t i = 0; i < known; ++i) {
    if (kept == block_->algorithms[i].data()) return static_cast<std::uint8_t>(i + 1);
  }
  if (known == block_->algorithms.size()) return 0;
  kept.copy(block_->algorithms[known].data(), kept.size());
  block_->way_count.store(known + 1, std::memory_order_release);
  return static_cast<std::uint8_t>(known + 1);
}

void OwnBlock::at_finish(std::function<void()> action) {
  const std::lock_guard lock(mutex_);
  actions_.push_back(std::move(action));
}

void OwnBlock::finish() noexcept {
  block_->finished.store(1, std::memory_order_release);
  std::vector<std::function<void()>> actions;
  {
    const std::lock_guard lock(mutex_);
    actions.swap(actions_);
  }
  for (const auto& action : actions) action();
}

}  // namespace tutti::detail
