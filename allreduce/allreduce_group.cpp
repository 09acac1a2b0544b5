// Groups of allreduces; see allreduce_group.hpp.
#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include <tutti/allreduce/allreduce_group.hpp>
#include <tutti/allreduce/fused_buffer.hpp>
#include <tutti/collectives/call/call.hpp>
#include <tutti/collectives/communicator/communicator_state.hpp>
#include <tutti/collectives/system/leak_until_exit.hpp>
#include <tutti/collectives/system/task.hpp>

namespace tutti {
namespace {

/// One allreduce of the group: of a tensor where it lies, or of several that have been copied together.
struct Piece {
  ReduceOp op{};
  std::vector<Buffer> tensors;
  std::shared_ptr<const FusedBuffer> fused = nullptr;  ///< none for a single tensor
  bool started = false;
  bool complete = false;
  Request operation = {};
};

/// All of a group under way. Pieces are whole operations of their own, which every wait on the communicator advances.
class GroupTask final : public detail::Task {
 public:
  explicit GroupTask(std::vector<Piece> pieces) : pieces_(std::move(pieces)) {}
  GroupTask(const GroupTask&) = delete;
  GroupTask& operator=(const GroupTask&) = delete;

  /// The transport may still touch the copies of pieces that are given up, or that failed when they were started.
  ~GroupTask() override {
    for (const Piece& piece : pieces_) {
      if (piece.started && !piece.complete && piece.fused) {
        detail::leak_until_exit(std::make_shared<std::shared_ptr<const FusedBuffer>>(piece.fused));
      }
    }
  }

  void start(const Communicator& comm, const CollectiveOptions& options) {
    for (Piece& piece : pieces_) {
      Buffer data = piece.tensors.front();
      if (piece.tensors.size() > 1) {
        std::vector<std::size_t> counts;
        for (const Buffer& tensor : piece.tensors) counts.push_back(tensor.count);
        piece.fused = std::make_shared<const FusedBuffer>(data.dtype, counts);
        const std::vector<ConstBuffer> sources(piece.tensors.begin(), piece.tensors.end());
        piece.fused->copy_in(sources);
        data = piece.fused->all();
      }
      piece.started = true;
      piece.operation = iallreduce(comm, data, piece.op, options);
    }
  }

  Progress advance() override { return poll() ? Progress::complete : Progress::none; }

  bool poll() override {
    bool all = true;
    for (Piece& piece : pieces_) {
      if (!piece.complete && piece.operation.test()) finish(piece);
      all = all && piece.complete;
    }
    return all;
  }

  void wait() override {
    for (Piece& piece : pieces_) {
      if (piece.complete) continue;
      piece.operation.wait();
      finish(piece);
    }
  }

 private:
  static void finish(Piece& piece) {
    piece.complete = true;
    if (piece.fused) piece.fused->copy_out(piece.tensors);
  }

  std::vector<Piece> pieces_;
};

}  // namespace

Request AllreduceGroup::start(const CollectiveOptions& options) {
  const std::vector<Member> members = std::exchange(members_, {});
  for (const auto& [data, op] : members) {
    const detail::Call call = {.collective = Collective::allreduce,
                               .input = data,
                               .output = data,
                               .data_count = data.count,
                               .dtype = data.dtype,
                               .op = op,
                               .options = options};
    // A wrong one is started by itself, which tells the other ranks.
    if (!detail::find_problem(call, comm_.rank(), comm_.size()).empty()) iallreduce(comm_, data, op, options).wait();
  }
  std::vector<Piece> pieces;
  for (const auto& [data, op] : members) {
    const auto takes = [&, &data = data, op = op](const Piece& piece) {
      std::size_t bytes = data.size_bytes();
      for (const Buffer& tensor : piece.tensors) bytes += tensor.size_bytes();
      return piece.op == op && piece.tensors.front().dtype == data.dtype && bytes <= options_.piece_bytes &&
             piece.tensors.front().size_bytes() <= options_.fused_bytes;
    };
    const bool is_small = data.size_bytes() <= options_.fused_bytes;
    const auto piece = is_small ? std::find_if(pieces.begin(), pieces.end(), takes) : pieces.end();
    if (piece != pieces.end()) {
      piece->tensors.push_back(data);
    } else {
      pieces.push_back({.op = op, .tensors = {data}});
    }
  }
  auto task = std::make_unique<GroupTask>(std::move(pieces));
  task->start(comm_, options);
  return Request(std::move(task));
}

}  // namespace tutti
