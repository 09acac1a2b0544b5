// Waiting for messages; see message_task.hpp.
#include <algorithm>
#include <utility>

#include <tutti/collectives/messages/message_task.hpp>
#include <tutti/collectives/system/leak_until_exit.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::detail {

// A stage: whoever waits on this communicator advances the mailbox, and with it every message.
MessageTask::MessageTask(const Communicator& comm) : WaitingTask(comm, kNoSequence, Role::stage) {}

MessageTask::~MessageTask() {
  const auto complete = [](const Part& part) { return part.message->complete(); };
  if (!std::all_of(parts_.begin(), parts_.end(), complete)) {
    state().failures().fail(kNoSequence, text(label(), " was given up before it was complete"));
  }
  for (Part& part : parts_) {
    end(part, !complete(part));
    if (complete(part)) {
      mailbox_of(state()).release(std::move(part.message));
    } else {
      leak_until_exit(std::move(part.message));
    }
  }
}

template <class Start>
void MessageTask::start(Start start, int* source, std::uint64_t flight) {
  parts_.reserve(parts_.size() + 1);
  try {
    parts_.push_back({start(), source, flight});
  } catch (const CommunicationError& error) {
    fail_of_transport(error.what());
  }
}

void MessageTask::send(ConstBuffer data, int to) {
  ++sends_;
  start([&] { return mailbox_of(state()).send(data, to); }, nullptr,
        state().published().begin_message(kSend, to, data.dtype, data.count));
}

void MessageTask::receive(Buffer data, int from, int* source) {
  ++receives_;
  start([&] { return mailbox_of(state()).receive(data, from); }, source,
        state().published().begin_message(kReceive, from, data.dtype, data.count));
}

void MessageTask::end(const Part& part, bool failed) noexcept {
  FlightRecorder& recorder = state().published().recorder();
  if (part.message->peer) recorder.set_peer(part.flight, *part.message->peer);
  recorder.end(part.flight, failed);
}

Task::Progress MessageTask::advance() {
  if (parts_.empty()) return Progress::complete;
  if (state().failures().unusable()) state().failures().throw_unusable();
  try {
    state().transport().progress();
  } catch (const CommunicationError& error) {
    state().progress().advance_others(*this);  // messages and calls that differ explain most failures, and say more
    if (!state().failures().is_imminent()) fail_of_transport(error.what());
  }
  const bool any = mailbox_of(state()).advance_beside();
  const std::size_t completed = std::erase_if(parts_, [&](Part& part) {
    if (!part.message->complete()) return false;
    end(part, false);
    if (part.source != nullptr) *part.source = *part.message->peer;
    mailbox_of(state()).release(std::move(part.message));
    return true;
  });
  if (parts_.empty()) return Progress::complete;
  return (any || completed > 0) ? Progress::some : Progress::none;
}

std::string MessageTask::label() const {
  if (sends_ + receives_ == 1 && parts_.size() == 1) return describe(*parts_.front().message);
  return text("message group (sends: ", sends_, ", receives: ", receives_, ", not complete: ", parts_.size(), ")");
}

bool MessageTask::awaits_anyone() const {
  return std::any_of(parts_.begin(), parts_.end(), [](const Part& part) { return !part.message->peer; });
}

std::string MessageTask::hopeless() const {
  for (const Part& part : parts_) {
    const auto& message = part.message;
    const int from = message->peer.value_or(comm().size() == 1 ? comm().rank() : -1);
    if (from == comm().rank() && !message->complete()) {
      return text(describe(*message), ": rank ", from, " itself has not sent it, and cannot while it waits");
    }
  }
  return {};
}

}  // namespace tutti::detail
