// Messages by UCX; see ucx_transport.hpp.
#include <tutti/collectives/system/mpi_call.hpp>
#include <tutti/collectives/transport/ucx_transport.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::detail {
namespace {

// A tag of UCX's: the sender's rank above, the message's tag below.
constexpr unsigned kRankShift = 32;
constexpr ucp_tag_t kTagMask = (ucp_tag_t{1} << kRankShift) - 1;

ucp_tag_t ucx_tag(int sender, int tag) {
  return (static_cast<ucp_tag_t>(static_cast<unsigned>(sender)) << kRankShift) | static_cast<unsigned>(tag);
}

/// Collectives take host memory, so UCX need not find out of what kind it is.
ucp_request_param_t host_memory() {
  ucp_request_param_t param = {};
  param.op_attr_mask = UCP_OP_ATTR_FIELD_MEMORY_TYPE;
  param.memory_type = UCS_MEMORY_TYPE_HOST;
  return param;
}

}  // namespace

UcxTransport::UcxTransport(MPI_Comm comm) : worker_(comm) { check_mpi(MPI_Comm_rank(comm, &rank_), "MPI_Comm_rank"); }

void UcxTransport::send(int peer, int tag, std::span<const std::byte> bytes, Pending& pending) {
  ucp_ep_h endpoint = worker_.endpoint(peer);
  const ucp_request_param_t param = host_memory();
  void* const request = endpoint == nullptr
                            ? UCS_STATUS_PTR(worker_.failure(peer))
                            : ucp_tag_send_nbx(endpoint, bytes.data(), bytes.size(), ucx_tag(rank_, tag), &param);
  if (request == nullptr) return;  // complete
  ++pending.messages;
  messages_.push_back({{peer, Direction::send, &pending}, request});
}

void UcxTransport::receive(int peer, int tag, std::span<std::byte> bytes, Pending& pending) {
  constexpr ucp_tag_t kWhole = ~ucp_tag_t{0};
  const ucp_request_param_t param = host_memory();
  void* const request =
      worker_.endpoint(peer) == nullptr
          ? UCS_STATUS_PTR(worker_.failure(peer))
          : ucp_tag_recv_nbx(worker_.handle(), bytes.data(), bytes.size(), ucx_tag(peer, tag), kWhole, &param);
  ++pending.messages;
  messages_.push_back({{peer, Direction::receive, &pending}, request});
}

std::optional<int> UcxTransport::probe(int tag) {
  drive();
  ucp_tag_recv_info_t info = {};
  constexpr int kLeave = 0;
  if (ucp_tag_probe_nb(worker_.handle(), ucx_tag(0, tag), kTagMask, kLeave, &info) == nullptr) return std::nullopt;
  return static_cast<int>(info.sender_tag >> kRankShift);
}

/// UCS_OK once the message is complete, UCS_INPROGRESS before, otherwise why it never will be.
ucs_status_t UcxTransport::test(Message& message) {
  if (!UCS_PTR_IS_PTR(message.request)) return UCS_PTR_RAW_STATUS(message.request);
  const ucs_status_t status = ucp_request_check_status(message.request);
  // A request that is under way stays UCX's, whatever became of the peer: its memory may still be read or written.
  if (status == UCS_INPROGRESS) {
    const ucs_status_t failure = worker_.failure(message.who.peer);
    return failure == UCS_OK ? status : failure;
  }
  ucp_request_free(message.request);
  message.request = UCS_STATUS_PTR(status);
  return status;
}

// A call handles a few events. More are left for the next turn, so that what has completed is not held up.
void UcxTransport::drive() {
  constexpr int kMostTurns = 16;
  for (int turn = 0; turn < kMostTurns && ucp_worker_progress(worker_.handle()) != 0; ++turn) {
  }
}

bool UcxTransport::progress() {
  drive();
  bool any = false;
  std::string failure;
  std::size_t kept = 0;
  for (Message& message : messages_) {
    const ucs_status_t status = test(message);
    if (status == UCS_OK) {
      count_down(*message.who.pending);
      any = true;
      continue;
    }
    if (status != UCS_INPROGRESS && failure.empty()) {
      failure = text(message.who.direction == Direction::send ? "message to rank " : "message from rank ",
                     message.who.peer, ": ", ucs_status_string(status));
    }
    messages_[kept++] = message;
  }
  messages_.resize(kept);
  if (!failure.empty()) throw CommunicationError(failure);
  return any;
}

void UcxTransport::wait_any() {
  constexpr auto kTurn = std::chrono::milliseconds(1);
  while (!messages_.empty() && !progress()) sleep(kTurn);
}

std::vector<Underway> UcxTransport::underway() const {
  std::vector<Underway> all;
  all.reserve(messages_.size());
  for (const Message& message : messages_) all.push_back(message.who);
  return all;
}

}  // namespace tutti::detail
