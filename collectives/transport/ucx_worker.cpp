// A UCX worker and its endpoints; see ucx_worker.hpp.
#include <poll.h>

#include <cstdlib>
#include <numeric>

#include <tutti/collectives/system/mpi_call.hpp>
#include <tutti/collectives/transport/ucx_worker.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::detail {
namespace {

constexpr auto kCloseLimit = std::chrono::seconds(1);

ucs_status_t open_context(ucp_context_h& context) {
  ucp_config_t* config = nullptr;
  ucs_status_t status = ucp_config_read(nullptr, nullptr, &config);
  if (status != UCS_OK) return status;
  if (std::getenv("UCX_TLS") == nullptr) status = ucp_config_modify(config, "TLS", "^sm");
  if (status == UCS_OK && std::getenv("UCX_ZCOPY_THRESH") == nullptr) {
    status = ucp_config_modify(config, "ZCOPY_THRESH", "0");
  }
  if (status == UCS_OK) {
    ucp_params_t params = {};
    params.field_mask = UCP_PARAM_FIELD_FEATURES | UCP_PARAM_FIELD_NAME;
    params.features = UCP_FEATURE_TAG | UCP_FEATURE_WAKEUP;
    params.name = "tutti";
    status = ucp_init(&params, config, &context);
  }
  ucp_config_release(config);
  return status;
}

}  // namespace

UcxWorker::UcxWorker(MPI_Comm comm) {
  std::vector<std::byte> own;
  const ucs_status_t status = open(own);
  exchange(comm, status, own);
}

UcxWorker::~UcxWorker() {
  if (worker_ == nullptr || close_endpoints()) return;
  // Never freed, since UCX may still be at work.
  static_cast<void>(worker_.release());
  static_cast<void>(context_.release());
}

ucs_status_t UcxWorker::open(std::vector<std::byte>& address) {
  ucp_context_h context = nullptr;
  ucs_status_t status = open_context(context);
  if (status != UCS_OK) return status;
  context_.reset(context);

  ucp_worker_params_t params = {};
  params.field_mask = UCP_WORKER_PARAM_FIELD_THREAD_MODE;
  params.thread_mode = UCS_THREAD_MODE_SERIALIZED;  // one thread at a time, not always the same
  ucp_worker_h worker = nullptr;
  status = ucp_worker_create(context, &params, &worker);
  if (status != UCS_OK) return status;
  worker_.reset(worker);
  status = ucp_worker_get_efd(worker, &event_);
  if (status != UCS_OK) return status;

  ucp_address_t* begin = nullptr;
  std::size_t length = 0;
  status = ucp_worker_get_address(worker, &begin, &length);
  if (status != UCS_OK) return status;
  const auto* bytes = reinterpret_cast<const std::byte*>(begin);
  address.assign(bytes, bytes + length);
  ucp_worker_release_address(worker, begin);
  return UCS_OK;
}

void UcxWorker::exchange(MPI_Comm comm, ucs_status_t status, const std::vector<std::byte>& own) {
  int size = 0;
  check_mpi(MPI_Comm_size(comm, &size), "MPI_Comm_size");
  peers_.resize(static_cast<std::size_t>(size));
  // What is negative is not a length but UCX's status.
  const int length = status == UCS_OK ? static_cast<int>(own.size()) : static_cast<int>(status);
  std::vector<int> lengths(static_cast<std::size_t>(size));
  check_mpi(MPI_Allgather(&length, 1, MPI_INT, lengths.data(), 1, MPI_INT, comm), "MPI_Allgather");
  for (int r = 0; r < size; ++r) {
    const int theirs = lengths[static_cast<std::size_t>(r)];
    if (theirs < 0) {
      throw CommunicationError(
          text("UCX cannot be opened on rank ", r, ": ", ucs_status_string(static_cast<ucs_status_t>(theirs))));
    }
  }
  address_begin_.resize(lengths.size() + 1);
  std::partial_sum(lengths.begin(), lengths.end(), address_begin_.begin() + 1);
  addresses_.resize(static_cast<std::size_t>(address_begin_.back()));
  check_mpi(MPI_Allgatherv(own.data(), length, MPI_BYTE, addresses_.data(), lengths.data(), address_begin_.data(),
                           MPI_BYTE, comm),
            "MPI_Allgatherv");
}

ucp_ep_h UcxWorker::endpoint(int peer) {
  const auto number = static_cast<std::size_t>(peer);
  Peer& known = peers_[number];
  if (known.failure != UCS_OK) return nullptr;
  if (known.endpoint != nullptr) return known.endpoint;
  ucp_ep_params_t params = {};
  params.field_mask =
      UCP_EP_PARAM_FIELD_REMOTE_ADDRESS | UCP_EP_PARAM_FIELD_ERR_HANDLING_MODE | UCP_EP_PARAM_FIELD_ERR_HANDLER;
  params.address =
      reinterpret_cast<const ucp_address_t*>(&addresses_[static_cast<std::size_t>(address_begin_[number])]);
  params.err_mode = UCP_ERR_HANDLING_MODE_PEER;
  params.err_handler.cb = on_failure;
  params.err_handler.arg = &known;
  const ucs_status_t status = ucp_ep_create(worker_.get(), &params, &known.endpoint);
  if (status != UCS_OK) {
    known.endpoint = nullptr;
    known.failure = status;
  }
  return known.endpoint;
}

void UcxWorker::on_failure(void* peer, ucp_ep_h /*endpoint*/, ucs_status_t status) {
  static_cast<Peer*>(peer)->failure = status;
}

void UcxWorker::sleep(Clock::duration longest) {
  if (ucp_worker_arm(worker_.get()) != UCS_OK) return;  // there is something already
  pollfd event = {.fd = event_, .events = POLLIN, .revents = 0};
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(longest);
  const std::chrono::nanoseconds rest = longest - seconds;
  const timespec limit = {.tv_sec = seconds.count(), .tv_nsec = rest.count()};
  ppoll(&event, 1, &limit, nullptr);  // an interrupted sleep is a short one
}

bool UcxWorker::close_endpoints() noexcept {
  const auto limit = Clock::now() + kCloseLimit;
  ucp_request_param_t force = {};
  force.op_attr_mask = UCP_OP_ATTR_FIELD_FLAGS;
  force.flags = UCP_EP_CLOSE_FLAG_FORCE;
  std::vector<ucs_status_ptr_t> closing;
  for (Peer& peer : peers_) {
    if (peer.endpoint == nullptr) continue;
    void* const request = ucp_ep_close_nbx(peer.endpoint, &force);
    peer.endpoint = nullptr;
    if (UCS_PTR_IS_PTR(request)) closing.push_back(request);
  }
  for (void* const request : closing) {
    while (ucp_request_check_status(request) == UCS_INPROGRESS) {
      if (Clock::now() >= limit) return false;
      ucp_worker_progress(worker_.get());
    }
    ucp_request_free(request);
  }
  return true;
}

std::string ucx_library_version() {
  unsigned major = 0;
  unsigned minor = 0;
  unsigned release = 0;
  ucp_get_version(&major, &minor, &release);
  return text(major, ".", minor, ".", release);
}

}  // namespace tutti::detail
