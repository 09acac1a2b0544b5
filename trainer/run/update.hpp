// Where exchange and optimizer meet: the second half of a step.
#pragma once

#include <cstddef>
#include <optional>

#include <tutti/trainer/exchange/exchange.hpp>
#include <tutti/trainer/memory/buckets.hpp>
#include <tutti/trainer/optimizers/optimizer.hpp>

namespace tutti::trainer {

/// Collective, after backward: waits for the gradients of one bucket after another and updates its parameters, while
/// later buckets are exchanged. If a gradient that all ranks have is not finite, returns the number of its parameter,
/// the same on all ranks: no parameter of its bucket is updated then, and the exchange is to be ended by discard().
/// \throws CommunicationError
[[nodiscard]] std::optional<std::size_t> update_parameters(Exchange& exchange, const Optimizer& optimizer,
                                                           const Buckets& buckets, const UpdateStep& step);

}  // namespace tutti::trainer
