// What a communicator shows; see published_communicator.hpp.
#include <algorithm>
#include <cstring>

#include <tutti/collectives/watch/own_block.hpp>
#include <tutti/collectives/watch/published_communicator.hpp>

namespace tutti::detail {
namespace {

constexpr std::uint16_t fitted(int value) noexcept {
  return static_cast<std::uint16_t>(std::clamp(value, 0, int{UINT16_MAX}));
}

/// Of the monotonic clock, which steady_clock is.
std::int64_t nanoseconds(std::chrono::steady_clock::time_point time) noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

/// Changes a wait so that whoever reads it meanwhile notices.
template <class Change>
void rewrite(Wait& wait, Change change) noexcept {
  const std::uint32_t version = wait.version.load(std::memory_order_relaxed);
  wait.version.store(version + 1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);
  change();
  wait.version.store(version + 2, std::memory_order_release);
}

}  // namespace

PublishedCommunicator::PublishedCommunicator(OwnBlock& own, std::uint64_t stamp, int rank, int size)
    : own_(&own), recorder_(own.recorder()), entry_(own.take_entry(stamp, rank, size, serial_)) {}

PublishedCommunicator::~PublishedCommunicator() {
  show_nothing();
  set_state(CommunicatorEntry::freed);
}

FlightRecord PublishedCommunicator::flight_of(const Signature& call, const ExecutionInfo& how) noexcept {
  if (!recorder_.records()) return {};
  const std::size_t element = how.element_bytes != 0 ? how.element_bytes : size_of(call.dtype);
  return {.count = call.count,
          .bytes = call.count * element,
          .communicator = serial_,
          .peer = call.root,
          .collective = static_cast<std::uint8_t>(call.collective),
          .dtype = static_cast<std::uint8_t>(call.dtype),
          .op = static_cast<std::uint8_t>(call.op),
          .algorithm = algorithm_number(how.name),
          .radix = fitted(how.radix),
          .segments = fitted(how.segments)};
}

std::uint64_t PublishedCommunicator::begin_message(std::uint8_t kind, int peer, DType dtype,
                                                   std::uint64_t count) noexcept {
  return recorder_.begin({.sequence = UINT64_MAX,
                          .count = count,
                          .bytes = count * size_of(dtype),
                          .communicator = serial_,
                          .peer = peer,
                          .collective = kind,
                          .dtype = static_cast<std::uint8_t>(dtype)});
}

std::uint64_t PublishedCommunicator::find(std::uint64_t sequence) const noexcept {
  return recorder_.find(serial_, sequence);
}

std::uint8_t PublishedCommunicator::algorithm_number(std::string_view name) noexcept {
  KnownAlgorithm& known = algorithms_[reinterpret_cast<std::uintptr_t>(name.data()) / 8 % algorithms_.size()];
  if (known.name != name.data()) known = {name.data(), own_->algorithm_number(name)};
  return known.number;
}

void PublishedCommunicator::show(const ShownWait& wait) noexcept {
  if (entry_ == nullptr) return;
  Wait& shown = entry_->wait;
  rewrite(shown, [&] {
    const auto put = [](auto& field, auto value) { field.store(value, std::memory_order_relaxed); };
    put(shown.mode, wait.tests ? Wait::tests : Wait::waits);
    put(shown.sequence, wait.sequence);
    put(shown.since, nanoseconds(wait.since));
    put(shown.looked, nanoseconds(wait.now));
    put(shown.anyone, wait.anyone ? 1U : 0U);
    put(shown.awaited, static_cast<std::uint32_t>(wait.awaited.size()));
    auto rank = wait.awaited.begin();
    for (auto& place : shown.ranks) put(place, rank == wait.awaited.end() ? -1 : *rank++);
    std::array<std::uint64_t, Wait::kWords> words{};
    std::memcpy(words.data(), wait.label.data(), std::min(wait.label.size(), sizeof(words) - 1));
    for (std::size_t i = 0; i < words.size(); ++i) put(shown.label[i], words[i]);
  });
}

void PublishedCommunicator::show_nothing() noexcept {
  if (entry_ == nullptr || entry_->wait.mode.load(std::memory_order_relaxed) == Wait::none) return;
  rewrite(entry_->wait, [&] { entry_->wait.mode.store(Wait::none, std::memory_order_relaxed); });
}

}  // namespace tutti::detail
