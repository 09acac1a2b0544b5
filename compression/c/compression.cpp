// The C interface over the C++ one: compressed allreduces; see compression.h.
#include <tutti/compression.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <tutti/allreduce/c/handles.hpp>
#include <tutti/compression/codecs.hpp>
#include <tutti/compression/compressed_allreduce.hpp>
#include <tutti/compression/reduction.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

using tutti::c_api::created;
using tutti::c_api::guarded;
using tutti::c_api::op_of;
using tutti::c_api::refuse_placeless_collective;
using tutti::c_api::require;

struct tutti_compression {
  tutti_comm* comm;
  tutti::CompressedAllreduce allreduce;
  std::vector<tutti::CompressionState> state = {};  // once it was asked for
  std::vector<std::string> names = {};              // of its arrays, with the 0 that C wants
};

namespace {

using State = tutti::CompressionState;
static_assert(TUTTI_STATE_HELD_BACK == static_cast<int>(State::Kind::held_back) &&
              TUTTI_STATE_ADDED == static_cast<int>(State::Kind::added) &&
              TUTTI_STATE_COMMON == static_cast<int>(State::Kind::common));

template <class Compression>
Compression& require_compression(Compression* compression) {
  if (compression == nullptr) throw tutti::InvalidArgument("the compression is NULL");
  return *compression;
}

tutti::CodecSettings settings_of(const char* codec) {
  if (codec == nullptr) throw tutti::InvalidArgument("the codec is NULL");
  return tutti::codec_settings(codec);
}

/// Text that stands for no codec is told to all ranks.
tutti::Request start_one(const tutti::Communicator& comm, std::span<float> data, tutti::ReduceOp op, const char* codec,
                         std::uint64_t step) {
  tutti::CodecSettings settings;
  try {
    settings = settings_of(codec);
  } catch (const tutti::InvalidArgument& error) {
    tutti::detail::refuse_reduction(comm, error.what());
  }
  return tutti::icompressed_allreduce(comm, data, op, settings, step);
}

std::vector<tutti::TensorPart> parts_of(const tutti_tensor* tensors, std::size_t count) {
  if (tensors == nullptr && count > 0)
    throw tutti::InvalidArgument(
        tutti::text("tutti_compression_create: tensors is NULL and should hold ", count, " tensors"));
  std::vector<tutti::TensorPart> parts;
  for (const tutti_tensor& tensor : std::span(tensors, count)) {
    parts.push_back(
        {.offset = tensor.offset, .count = tensor.count, .tensor = parts.size(), .first = 0, .rows = tensor.rows});
  }
  return parts;
}

/// Asked anew each time: who asks may write.
const std::vector<State>& state_of(tutti_compression& compression) {
  compression.state = compression.allreduce.state();
  if (compression.names.empty())
    for (const State& array : compression.state) compression.names.emplace_back(array.name);
  return compression.state;
}

}  // namespace

extern "C" {

tutti_result tutti_compressed_allreduce(tutti_comm* comm, float* data, size_t count, tutti_op op, const char* codec,
                                        uint64_t step) {
  return guarded([&] { start_one(require(comm).comm, {data, count}, op_of(op), codec, step).wait(); });
}

tutti_result tutti_icompressed_allreduce(tutti_comm* comm, float* data, size_t count, tutti_op op, const char* codec,
                                         uint64_t step, tutti_request** operation) {
  return tutti::c_api::started(
      operation, [&] { refuse_placeless_collective(require(comm).comm); },
      [&] {
        return start_one(require(comm).comm, {data, count}, op_of(op), codec, step);
      });
}

tutti_result tutti_compression_create(tutti_comm* comm, const tutti_tensor* tensors, size_t count, const char* codec,
                                      tutti_op op, tutti_compression** compression) {
  return created(compression, [&] {
    const tutti::Communicator& of = require(comm).comm;
    return tutti_compression{comm,
                             tutti::CompressedAllreduce(of, parts_of(tensors, count), settings_of(codec), op_of(op))};
  });
}

tutti_result tutti_compression_start(tutti_compression* compression, float* data, size_t count, uint64_t step,
                                     tutti_request** operation) {
  return tutti::c_api::started(
      operation, [&] { refuse_placeless_collective(require_compression(compression).comm->comm); },
      [&] {
        return require_compression(compression).allreduce.start({data, count}, step);
      });
}

size_t tutti_compression_payload_bytes(const tutti_compression* compression) {
  return compression == nullptr ? 0 : compression->allreduce.payload_bytes();
}

tutti_result tutti_compression_facts(const tutti_compression* compression, size_t tensor, tutti_tensor_facts* facts) {
  return guarded([&] {
    const std::span<const tutti::CompressionFacts> all = require_compression(compression).allreduce.facts();
    if (facts == nullptr) throw tutti::InvalidArgument("tutti_compression_facts: facts is NULL");
    if (tensor >= all.size())
      throw tutti::InvalidArgument(
          tutti::text("tutti_compression_facts: there is no tensor ", tensor, " among ", all.size()));
    *facts = {.values = all[tensor].values, .error = all[tensor].error, .saturated = all[tensor].saturated};
  });
}

tutti_result tutti_compression_arrays(tutti_compression* compression, size_t* count) {
  return guarded([&] {
    const std::vector<State>& all = state_of(require_compression(compression));
    if (count == nullptr) throw tutti::InvalidArgument("tutti_compression_arrays: count is NULL");
    *count = all.size();
  });
}

tutti_result tutti_compression_array_at(tutti_compression* compression, size_t index, tutti_compression_array* array) {
  return guarded([&] {
    const std::vector<State>& all = state_of(require_compression(compression));
    if (array == nullptr) throw tutti::InvalidArgument("tutti_compression_array_at: array is NULL");
    if (index >= all.size())
      throw tutti::InvalidArgument(
          tutti::text("tutti_compression_array_at: there is no array ", index, " among ", all.size()));
    const State& state = all[index];
    *array = {.name = compression->names[index].c_str(),
              .kind = static_cast<tutti_state_kind>(state.kind),
              .tensor = state.part,
              .first = state.first,
              .count = state.values.size(),
              .values = state.values.data(),
              .weight = state.weight};
  });
}

void tutti_compression_free(tutti_compression* compression) { delete compression; }

}  // extern "C"
