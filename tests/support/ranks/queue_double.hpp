// A stand-in for a device's transport, which only enqueues: nothing happens in the calls themselves, work is done one
// after the other when somebody looks, and only marks tell how far it is.
#pragma once

#include <mpi.h>

#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include <tutti/collectives/transport/queue.hpp>
#include <tutti/kernels/copy.hpp>

namespace tutti::test {

class QueueDouble final : public detail::Queue {
 public:
  /// Collective over `comm`.
  explicit QueueDouble(MPI_Comm comm) { MPI_Comm_dup(comm, &comm_); }
  ~QueueDouble() override {
    if (works_.empty()) MPI_Comm_free(&comm_);
  }

  void copy(std::byte* to, const std::byte* from, std::size_t bytes) override {
    add([=] { copy_bytes(to, from, bytes); });
  }
  void reduce(ReduceOp op, std::span<const ConstBuffer> inputs, Buffer out) override {
    add([op, kept = std::vector<ConstBuffer>(inputs.begin(), inputs.end()), out] { reduce_all(op, kept, out); });
  }
  void finish(ReduceOp op, Buffer data, int contributions) override {
    add([=] { finish_reduction(op, data, contributions); });
  }
  void exchange(std::span<const detail::QueuedMessage> messages) override {
    works_.push_back({.messages = {messages.begin(), messages.end()}});
  }
  void mark(detail::Pending& pending) override {
    ++pending.messages;
    works_.push_back({.mark = &pending});
  }

  bool progress() override {
    bool any = false;
    for (; !works_.empty(); works_.pop_front(), ++done_) {
      Work& work = works_.front();
      if (work.act) work.act();
      if (!work.messages.empty() && !is_exchanged(work)) break;
      if (work.mark != nullptr) {
        --work.mark->messages;
        any = true;
      }
    }
    return any;
  }

  /// Pieces of work that are done.
  long done() const noexcept { return done_; }

 private:
  struct Work {
    std::function<void()> act = nullptr;
    std::vector<detail::QueuedMessage> messages = {};
    detail::Pending* mark = nullptr;
    std::vector<MPI_Request> requests = {};
  };

  void add(std::function<void()> act) { works_.push_back({.act = std::move(act)}); }

  bool is_exchanged(Work& work) const {
    if (work.requests.empty()) {
      for (const detail::QueuedMessage& message : work.messages) {
        MPI_Request& request = work.requests.emplace_back();
        const int bytes = static_cast<int>(message.size);
        if (message.direction == detail::Direction::send) {
          MPI_Isend(message.bytes, bytes, MPI_BYTE, message.peer, 0, comm_, &request);
        } else {
          MPI_Irecv(message.bytes, bytes, MPI_BYTE, message.peer, 0, comm_, &request);
        }
      }
    }
    int done = 0;
    MPI_Testall(static_cast<int>(work.requests.size()), work.requests.data(), &done, MPI_STATUSES_IGNORE);
    return done != 0;
  }

  MPI_Comm comm_ = MPI_COMM_NULL;
  std::deque<Work> works_;
  long done_ = 0;
};

}  // namespace tutti::test
