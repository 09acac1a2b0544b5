// Batch normalisation by the statistics of all ranks' samples.
#pragma once

#include <ATen/core/Tensor.h>

#include <tutti/trainer/models/model.hpp>
#include <tutti/trainer/models/shared_statistics.hpp>

namespace tutti::trainer {

/// x {samples, channels, ...} normalised over the values of all ranks, times gamma, plus beta, as autograd knows it.
/// Its backward gives the gradient of x by sums over all ranks, and those of gamma and beta by the values of this rank:
/// the exchange of gradients adds them up. Moves the running statistics. Collective, and so is its backward. \throws
/// InvalidArgument on every rank if there is one value of a channel in all.
at::Tensor synchronised_batch_norm(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta,
                                   const BatchNormLayer& layer, const Pass& pass);

/// The part of a rank without samples in the layers that forward has still to come to. `failed`: it has no samples
/// because something failed. Then statistics become NaN everywhere, so that no rank blames its batch for the few values
/// it sees.
void join_forward(std::span<const BatchNormLayer> layers, const Pass& pass, bool failed);

/// The same in backward.
void join_backward(SharedStatistics& statistics);

}  // namespace tutti::trainer
