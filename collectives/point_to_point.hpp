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

#include <span>
#include <type_traits>
#include <vector>

#include <tutti/collectives/communicator.hpp>
#include <tutti/collectives/operation.hpp>
#include <tutti/kernels/buffer.hpp>

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
[[nodiscard]] Operation isend(const Communicator& comm, ConstBuffer data, int to);

/// Receives into `data` from rank `from` or from kAnySource; returns the rank it came from. The form that starts it
/// writes that rank to `source`, unless null, when test() or wait() finds the operation complete.
int receive(const Communicator& comm, Buffer data, int from);
[[nodiscard]] Operation ireceive(const Communicator& comm, Buffer data, int from, int* source = nullptr);

/// Messages that are started together, receives before sends, each in the order in which they were added: exchanges
/// among ranks that all use groups cannot deadlock, whatever the order.
class MessageGroup {
 public:
  explicit MessageGroup(const Communicator& comm) : comm_(comm) {}

  /// As isend() and ireceive(), but started by start(). Wrong arguments are found here.
  void send(ConstBuffer data, int to);
  void receive(Buffer data, int from, int* source = nullptr);

  template <class T>
  requires Element<std::remove_const_t<T>>
  void send(std::span<T> data, int to) { send(ConstBuffer(data), to); }

  template <Element T>
  void receive(std::span<T> data, int from, int* source = nullptr) {
    receive(Buffer(data), from, source);
  }

  /// Starts what was added and forgets it; the group may be filled anew. The operation is complete when all messages
  /// are: at once if there are none.
  [[nodiscard]] Operation start();

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

// ---- Typed doors

template <class T>
requires Element<std::remove_const_t<T>>
void send(const Communicator& comm, std::span<T> data, int to) { send(comm, ConstBuffer(data), to); }

template <class T>
requires Element<std::remove_const_t<T>>
[[nodiscard]] Operation isend(const Communicator& comm, std::span<T> data, int to) {
  return isend(comm, ConstBuffer(data), to);
}

template <Element T>
int receive(const Communicator& comm, std::span<T> data, int from) {
  return receive(comm, Buffer(data), from);
}

template <Element T>
[[nodiscard]] Operation ireceive(const Communicator& comm, std::span<T> data, int from, int* source = nullptr) {
  return ireceive(comm, Buffer(data), from, source);
}

}  // namespace tutti
#pragma GCC visibility pop
