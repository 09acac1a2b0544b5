// Messages between two ranks: send and receive, alone, started, or in groups.
//
// There are no tags: the messages from one rank to another match in the order in which they are started on either side,
// whatever their size. Each carries a header with its number, count and dtype, which the receiver compares with what it
// awaits. Only the two ranks take part: messages need not be in one order with the collectives of their communicator,
// and may be under way beside them. Every message has to be received before the communicator is freed.
//
// A receive from kAnySource takes a message that no receive of its own source awaits; several such receives are served
// in the order in which they were started. Which source comes first depends on time; the messages of one source still
// come in their order.
//
// Messages to oneself: a send is complete at once, by a copy if no receive of it has been started; waiting for a
// receive of what has not been sent is a CommunicationError, because nothing can come any more.
//
// Common to all:
//
// \throws InvalidArgument     wrong arguments. The communicator is unusable, because the peer may wait: the other ranks
//                             get CommunicationError naming this one.
// \throws CommunicationError  the two ranks differ in count or dtype (thrown where the message is received; the others
//                             learn of it in their next call), a peer failed or is missing. Buffers must not be reused,
//                             `comm` is unusable.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <vector>

#include <tutti/collectives/communicator.hpp>
#include <tutti/collectives/request.hpp>
#include <tutti/kernels/buffer.hpp>
#include <tutti/kernels/ranges.hpp>

#pragma GCC visibility push(default)
namespace tutti {

/// Instead of the rank that a message comes from: any, the receiver itself included. Not in a build for a simulator.
inline constexpr int kAnySource = -1;

// Each has a form that only starts it, named with an i in front; the buffer belongs to the operation until it is
// complete. Local: nobody but the two ranks is involved.

/// Sends `data` to rank `to`, where a receive of the same count and dtype takes it. Returns once `data` may be reused,
/// which may be before it is received or, with any size, only then: two ranks that first send to each other need a
/// MessageGroup.
void send(const Communicator& comm, ConstBuffer data, int to);
[[nodiscard]] Request isend(const Communicator& comm, ConstBuffer data, int to);

/// Receives into `data` from rank `from` or from kAnySource; returns the rank it came from. The form that starts it
/// writes that rank to `source`, unless null, when test() or wait() finds the operation complete.
int receive(const Communicator& comm, Buffer data, int from);
[[nodiscard]] Request ireceive(const Communicator& comm, Buffer data, int from, int* source = nullptr);

/// Messages that are started together, receives before sends, each in the order in which they were added: exchanges
/// among ranks that all use groups cannot deadlock, whatever the order.
class MessageGroup {
 public:
  explicit MessageGroup(const Communicator& comm) : comm_(comm) {}

  /// As isend() and ireceive(), but started by start(). Wrong arguments are found here.
  void send(ConstBuffer data, int to);
  void receive(Buffer data, int from, int* source = nullptr);

  template <ReadableRange Data>
  void send(Data&& data, int to) {
    send(detail::readable(data), to);
  }
  template <WritableRange Data>
  void receive(Data&& data, int from, int* source = nullptr) {
    receive(detail::writable(data), from, source);
  }

  /// Starts what was added and forgets it; the group may be filled anew. The operation is complete when all messages
  /// are: at once if there are none.
  [[nodiscard]] Request start();

 private:
  struct Sent {
    ConstBuffer data;
    int to;
  };
  struct Received {
    Buffer data;
    int from;
    int* source;
  };

  Communicator comm_;
  std::vector<Sent> sends_;
  std::vector<Received> receives_;
};

// ---- For containers, arrays and spans (kernels/ranges.hpp)

template <ReadableRange Data>
void send(const Communicator& comm, Data&& data, int to) {
  send(comm, detail::readable(data), to);
}

template <ReadableRange Data>
[[nodiscard]] Request isend(const Communicator& comm, Data&& data, int to) {
  return isend(comm, detail::readable(data), to);
}

template <WritableRange Data>
int receive(const Communicator& comm, Data&& data, int from) {
  return receive(comm, detail::writable(data), from);
}

template <WritableRange Data>
[[nodiscard]] Request ireceive(const Communicator& comm, Data&& data, int from, int* source = nullptr) {
  return ireceive(comm, detail::writable(data), from, source);
}

}  // namespace tutti
#pragma GCC visibility pop
