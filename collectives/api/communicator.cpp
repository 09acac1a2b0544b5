// The public handle of a communicator; see communicator.hpp.
#include <memory>

#include <tutti/collectives/communicator.hpp>
#include <tutti/collectives/communicator/communicator_state.hpp>
#include <tutti/collectives/system/mpi_call.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti {

Communicator::Communicator(MPI_Comm parent, const CommunicatorOptions& options)
    : state_(std::make_shared<detail::CommunicatorState>(parent, options)) {}

int Communicator::rank() const noexcept { return state_->rank(); }
int Communicator::size() const noexcept { return state_->size(); }
const Topology& Communicator::topology() const noexcept { return state_->topology(); }
const CommunicatorOptions& Communicator::options() const noexcept { return state_->options(); }
const SelectionFacts& Communicator::selection_facts() const noexcept { return state_->selection_facts(); }
MPI_Comm Communicator::mpi() const noexcept { return state_->mpi(); }
bool Communicator::unusable() const noexcept { return state_->failures().unusable(); }
void Communicator::abandon(std::string_view reason) const noexcept { state_->failures().fail(0, reason); }

std::optional<Communicator> Communicator::split(int color, int key) const {
  if (unusable()) state_->failures().throw_unusable();
  MPI_Comm part = MPI_COMM_NULL;
  detail::check_mpi(MPI_Comm_split(mpi(), color < 0 ? MPI_UNDEFINED : color, key, &part), "MPI_Comm_split");
  if (part == MPI_COMM_NULL) return std::nullopt;
  return part_of(part, options());
}

Communicator Communicator::part_of(MPI_Comm part, const CommunicatorOptions& options) const {
  try {
    Communicator result(std::make_shared<detail::CommunicatorState>(part, options, state_.get()));
    MPI_Comm_free(&part);
    return result;
  } catch (...) {  // on every rank of the part
    MPI_Comm_free(&part);
    throw;
  }
}

Communicator Communicator::local_communicator() const { return *split(topology().node, rank()); }

Communicator Communicator::cross_communicator() const {
  if (unusable()) state_->failures().throw_unusable();
  MPI_Comm part = MPI_COMM_NULL;
  detail::check_mpi(MPI_Comm_split(mpi(), topology().local_rank, rank(), &part), "MPI_Comm_split");
  CommunicatorOptions options = this->options();
  if (options.ranks_per_node > 0) options.ranks_per_node = 1;  // one rank of every pretended node
  return part_of(part, options);
}

std::shared_ptr<void> Communicator::allocate_elements(std::size_t count, std::size_t element) const {
  if (count > SIZE_MAX / element) {
    throw OutOfMemory(text("memory for ", count, " elements of ", element, " bytes asked for, more than there is"));
  }
  return allocate_bytes(count * element);
}

std::shared_ptr<void> Communicator::allocate_bytes(std::size_t bytes) const {
  detail::NodeMemory* const shared = state_->node_memory();
  if (shared == nullptr || bytes <= detail::kPublishedBytes) return detail::allocate_plain(bytes);
  if (auto memory = shared->allocate(bytes)) return memory;
  return detail::allocate_plain(bytes, shared->claims());
}

}  // namespace tutti
