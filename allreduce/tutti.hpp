// The whole C++ library: communicator, collectives, allreduce, fused buffers.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <tutti/allreduce/allreduce.hpp>
#include <tutti/allreduce/allreduce_group.hpp>
#include <tutti/allreduce/fused_buffer.hpp>
#include <tutti/allreduce/version.hpp>
#include <tutti/collectives/collectives.hpp>
#include <tutti/collectives/communicator.hpp>
#include <tutti/collectives/flight_recorder.hpp>
#include <tutti/collectives/point_to_point.hpp>
#include <tutti/collectives/session.hpp>
#include <tutti/kernels/error.hpp>
