// The public point-to-point messages; see point_to_point.hpp.
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include <tutti/collectives/call/call.hpp>
#include <tutti/collectives/messages/message_task.hpp>
#include <tutti/collectives/point_to_point.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti {
namespace {

std::string find_problem(const Communicator& comm, ConstBuffer data, int peer, bool may_be_any) {
  const bool is_any = may_be_any && peer == kAnySource;
  if (is_any && detail::kSimulated) return "a build for a simulator, which cannot poll, needs to know the source";
  if (!is_any && (peer < 0 || peer >= comm.size())) {
    return comm.size() == 1 ? "there is only rank 0" : text("there are only ", comm.size(), " ranks");
  }
  return detail::find_buffer_problem("data", data);
}

/// Refuses wrong arguments. Nothing numbers messages for ranks that are not involved, and the peer may wait already:
/// the communicator is lost.
void require_right(const Communicator& comm, ConstBuffer data, int peer, const char* verb, bool may_be_any) {
  detail::CommunicatorState& state = comm.state();
  if (state.failures().unusable()) state.failures().throw_unusable();
  const std::string problem = find_problem(comm, data, peer, may_be_any);
  if (problem.empty()) return;
  const bool is_any = may_be_any && peer == kAnySource;
  const std::string why = text(verb, is_any ? "any rank" : text("rank ", peer), ": ", problem);
  state.failures().fail(detail::kNoSequence, why);
  throw InvalidArgument(why);
}

void require_right_send(const Communicator& comm, ConstBuffer data, int to) {
  require_right(comm, data, to, "send to ", false);
}
void require_right_receive(const Communicator& comm, ConstBuffer data, int from) {
  require_right(comm, data, from, "receive from ", true);
}

}  // namespace

Request isend(const Communicator& comm, ConstBuffer data, int to) {
  require_right_send(comm, data, to);
  auto task = std::make_unique<detail::MessageTask>(comm);
  task->send(data, to);
  return Request(std::move(task));
}

void send(const Communicator& comm, ConstBuffer data, int to) { isend(comm, data, to).wait(); }

Request ireceive(const Communicator& comm, Buffer data, int from, int* source) {
  require_right_receive(comm, data, from);
  auto task = std::make_unique<detail::MessageTask>(comm);
  task->receive(data, from, source);
  return Request(std::move(task));
}

int receive(const Communicator& comm, Buffer data, int from) {
  int source = from;
  ireceive(comm, data, from, &source).wait();
  return source;
}

void MessageGroup::send(ConstBuffer data, int to) {
  require_right_send(comm_, data, to);
  sends_.push_back({data, to});
}

void MessageGroup::receive(Buffer data, int from, int* source) {
  require_right_receive(comm_, data, from);
  receives_.push_back({data, from, source});
}

Request MessageGroup::start() {
  if (comm_.unusable()) comm_.state().failures().throw_unusable();
  const std::vector<Sent> sends = std::exchange(sends_, {});
  const std::vector<Received> receives = std::exchange(receives_, {});
  if (sends.empty() && receives.empty()) return {};
  auto task = std::make_unique<detail::MessageTask>(comm_);
  for (const Received& received : receives) task->receive(received.data, received.from, received.source);
  for (const Sent& sent : sends) task->send(sent.data, sent.to);
  return Request(std::move(task));
}

}  // namespace tutti
