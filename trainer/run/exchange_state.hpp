// What an exchange keeps between steps, on its way into and out of files: what ranks hold back of their gradients is
// never lost, whatever the number of ranks and the layout that a run goes on with.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <tutti/collectives/communicator.hpp>
#include <tutti/io/checkpoint.hpp>
#include <tutti/trainer/exchange/exchange.hpp>
#include <tutti/trainer/memory/parameters.hpp>

namespace tutti::trainer {

/// Collective: the arrays of each rank in turn come to rank 0, which calls `write` for each rank, unless all are zeros.
/// Returns a digest of the layout of each rank's arrays, on all ranks; empty: nothing was written.
/// \throws AgreedError of what `write` throws
std::vector<std::uint32_t> save_exchange_state(const Communicator& comm, Exchange& exchange,
                                               const std::vector<ParameterInfo>& parameters,
                                               const std::function<void(int rank, const io::Checkpoint& state)>& write);

/// Collective: gives the arrays that ranks had back, whose layouts were `layouts`; rank 0 reads them by `read`. Where
/// ranks and layouts are as they were, every rank gets its own. Otherwise what all ranks held back is added up and goes
/// into the next step, by blocks of kNormBlock elements that go round the ranks: in the sum over ranks nothing is
/// missing. Returns a note then. \throws AgreedError of what `read` throws, or naming what does not fit
std::optional<std::string> restore_exchange_state(const Communicator& comm, Exchange& exchange,
                                                  const std::vector<ParameterInfo>& parameters,
                                                  const std::vector<std::uint32_t>& layouts,
                                                  const std::function<io::Checkpoint(int rank)>& read);

}  // namespace tutti::trainer
