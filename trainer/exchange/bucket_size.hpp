// What an exchange is predicted to cost, and how large buckets are to be, for a model and a network.
#pragma once

#include <cstddef>

#include <tutti/collectives/communicator.hpp>
#include <tutti/compression/prediction.hpp>

namespace tutti::trainer {

/// The shape of a communicator: the constants that algorithms are selected by. Nothing is measured.
ClusterShape shape_of(const Communicator& comm);

/// Seconds that an allreduce of `bytes` is predicted to take: between nodes, or where there is one, inside it.
double predicted_allreduce_seconds(const ClusterShape& cluster, std::size_t bytes);

/// Bytes of a bucket for a model of `model_bytes`: the smallest power of two, from 64 KiB to 64 MiB, with which an
/// exchange of the whole model is predicted to take at most a tenth longer than with the largest; but not above a
/// quarter of the model, so that something can travel while backward goes on, and not below a 32nd of it.
std::size_t bucket_bytes_for(const ClusterShape& cluster, std::size_t model_bytes);

}  // namespace tutti::trainer
