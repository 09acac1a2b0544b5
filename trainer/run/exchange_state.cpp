// A file holds the arrays of one rank: their list as JSON, and all their values as one tensor.
#include <tutti/trainer/run/exchange_state.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <span>
#include <utility>

#include <nlohmann/json.hpp>

#include <tutti/allreduce/allreduce.hpp>
#include <tutti/collectives/collectives.hpp>
#include <tutti/collectives/point_to_point.hpp>
#include <tutti/kernels/crc32c.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/gradients.hpp>
#include <tutti/trainer/run/agreed_error.hpp>

namespace tutti::trainer {

namespace {

using nlohmann::json;
using Kind = CompressionState::Kind;

constexpr const char* kKind = "tutti exchange state";
constexpr const char* kValues = "values";
constexpr std::array<std::pair<Kind, const char*>, 3> kKinds = {
    {{Kind::held_back, "held_back"}, {Kind::added, "added"}, {Kind::common, "common"}}};

/// An array of a file.
struct StoredArray {
  std::string name;
  Kind kind = Kind::held_back;
  std::size_t parameter = 0;
  std::size_t first = 0;
  std::span<const float> values = {};
  double weight = 1.0;
};

json layout_of(const std::vector<ExchangeState>& state, const std::vector<ParameterInfo>& parameters) {
  json arrays = json::array();
  for (const ExchangeState& its : state) {
    const auto* const kind =
        std::find_if(kKinds.begin(), kKinds.end(), [&](const auto& row) { return row.first == its.kind; });
    arrays.push_back({{"name", its.name},
                      {"kind", kind->second},
                      {"parameter", parameters[its.parameter].name},
                      {"first", its.first},
                      {"count", its.values.size()},
                      {"weight", its.weight}});
  }
  return arrays;
}

std::uint32_t digest(const std::string& layout) { return crc32c(std::as_bytes(std::span(layout))); }

std::vector<float> values_of(const std::vector<ExchangeState>& state) {
  std::vector<float> all;
  for (const ExchangeState& its : state) all.insert(all.end(), its.values.begin(), its.values.end());
  return all;
}

std::vector<StoredArray> arrays_of(const std::string& layout, std::span<const float> values,
                                   const std::vector<ParameterInfo>& parameters) {
  std::vector<StoredArray> arrays;
  const json listed = json::parse(layout);
  arrays.reserve(listed.size());
  for (const json& array : listed) {
    const auto name = array.at("parameter").get<std::string>();
    const auto parameter = std::find_if(parameters.begin(), parameters.end(),
                                        [&](const ParameterInfo& info) { return info.name == name; });
    const auto* const kind =
        std::find_if(kKinds.begin(), kKinds.end(), [&](const auto& row) { return array.at("kind") == row.second; });
    StoredArray its{.name = array.at("name").get<std::string>(),
                    .kind = kind == kKinds.end() ? throw DataError("an array of an unknown kind") : kind->first,
                    .parameter = static_cast<std::size_t>(parameter - parameters.begin()),
                    .first = array.at("first").get<std::size_t>(),
                    .weight = array.at("weight").get<double>()};
    const auto count = array.at("count").get<std::size_t>();
    if (parameter == parameters.end()) throw DataError(fmt::format("the model has no parameter {}", name));
    const bool fits = its.kind == Kind::common || its.first + count <= parameter->count();
    if (!fits || count > values.size())
      throw DataError(fmt::format("array {} of {} is longer than there are values", its.name, name));
    its.values = values.first(count);
    values = values.subspan(count);
    arrays.push_back(std::move(its));
  }
  return arrays;
}

/// Which rank holds what an element lacks, where ranks or layouts are others than they were.
int holder_of(std::size_t parameter, std::size_t element, int ranks) {
  return static_cast<int>((parameter + element / kNormBlock) % static_cast<std::size_t>(ranks));
}

/// Adds what this rank is to hold of an array to the next step.
void hold(Exchange& exchange, const StoredArray& array, int rank, int ranks) {
  std::vector<float> scaled;
  for (std::size_t i = 0; i < array.values.size();) {
    const std::size_t element = array.first + i;
    const std::size_t end = std::min(array.values.size(), i + kNormBlock - element % kNormBlock);
    if (holder_of(array.parameter, element, ranks) == rank) {
      scaled.assign(array.values.begin() + static_cast<std::ptrdiff_t>(i),
                    array.values.begin() + static_cast<std::ptrdiff_t>(end));
      for (float& value : scaled) value = static_cast<float>(static_cast<double>(value) * array.weight);
      exchange.add_to_next_step(array.parameter, element, scaled);
    }
    i = end;
  }
}

/// Brings arrays of this rank's own into which a stored one fits up to date. False if there are none.
bool take_over(const std::vector<ExchangeState>& own, const StoredArray& array, int rank, int ranks) {
  bool found = false;
  for (const ExchangeState& its : own) {
    if (its.name != array.name || its.kind != array.kind || its.parameter != array.parameter) continue;
    if (array.kind == Kind::common) {
      if (its.first != array.first || its.values.size() != array.values.size()) continue;
      std::copy(array.values.begin(), array.values.end(), its.values.begin());
      found = true;
      continue;
    }
    const std::size_t begin = std::max(its.first, array.first);
    const std::size_t end = std::min(its.first + its.values.size(), array.first + array.values.size());
    for (std::size_t element = begin; element < end; ++element) {
      found = true;
      if (holder_of(array.parameter, element, ranks) == rank)
        its.values[element - its.first] += array.values[element - array.first];
    }
  }
  return found;
}

}  // namespace

std::vector<std::uint32_t> save_exchange_state(const Communicator& comm, Exchange& exchange,
                                               const std::vector<ParameterInfo>& parameters,
                                               const std::function<void(int, const io::Checkpoint&)>& write) {
  const std::vector<ExchangeState> state = exchange.state();
  std::string layout = layout_of(state, parameters).dump();
  std::vector<float> values = values_of(state);
  const bool is_new = std::all_of(values.begin(), values.end(), [](float value) { return value == 0.0F; });
  const std::array<std::uint64_t, 4> mine{layout.size(), values.size(), digest(layout), is_new ? 0U : 1U};
  const auto ranks = static_cast<std::size_t>(comm.size());
  std::vector<std::uint64_t> all(mine.size() * ranks);
  all_gather(comm, std::span<const std::uint64_t>(mine), std::span<std::uint64_t>(all));
  bool all_are_new = true;
  std::vector<std::uint32_t> layouts;
  for (std::size_t r = 0; r < ranks; ++r) {
    layouts.push_back(static_cast<std::uint32_t>(all[r * mine.size() + 2]));
    all_are_new = all_are_new && all[r * mine.size() + 3] == 0;
  }
  if (all_are_new) return {};
  for (int r = 0; r < comm.size(); ++r) {
    if (r > 0 && comm.rank() == r) {
      send(comm, ConstBuffer(layout.data(), layout.size(), DType::u8), 0);
      send(comm, std::span<const float>(values), 0);
    } else if (r > 0 && comm.rank() == 0) {
      layout.resize(all[static_cast<std::size_t>(r) * mine.size()]);
      values.resize(all[static_cast<std::size_t>(r) * mine.size() + 1]);
      receive(comm, Buffer(layout.data(), layout.size(), DType::u8), r);
      receive(comm, std::span<float>(values), r);
    }
    agree_at_root(comm, [&] {
      const auto bytes = std::as_bytes(std::span(values));
      const json description = {{"kind", kKind}, {"rank", r}, {"ranks", comm.size()}, {"arrays", json::parse(layout)}};
      io::Checkpoint file{.description = description.dump(), .tensors = {}};
      file.tensors.push_back(
          {.name = kValues, .dtype = DType::f32, .shape = {values.size()}, .bytes = {bytes.begin(), bytes.end()}});
      write(r, file);
    });
  }
  return layouts;
}

std::optional<std::string> restore_exchange_state(const Communicator& comm, Exchange& exchange,
                                                  const std::vector<ParameterInfo>& parameters,
                                                  const std::vector<std::uint32_t>& layouts,
                                                  const std::function<io::Checkpoint(int)>& read) {
  if (layouts.empty()) return std::nullopt;
  const std::vector<ExchangeState> own = exchange.state();
  const auto rank = static_cast<std::size_t>(comm.rank());
  std::array<std::uint8_t, 1> is_same{layouts.size() == static_cast<std::size_t>(comm.size()) &&
                                              layouts[rank] == digest(layout_of(own, parameters).dump())
                                          ? std::uint8_t{1}
                                          : std::uint8_t{0}};
  allreduce(comm, std::span<std::uint8_t>(is_same), ReduceOp::min);
  const bool exact = is_same[0] != 0;
  std::size_t dropped = 0;
  for (std::size_t r = 0; r < layouts.size(); ++r) {
    std::string layout;
    std::vector<float> values;
    agree_at_root(comm, [&] {
      const io::Checkpoint file = read(static_cast<int>(r));
      const io::NamedTensor& tensor = file.tensor(kValues);
      layout = json::parse(file.description).at("arrays").dump();
      values.resize(tensor.bytes.size() / sizeof(float));
      if (digest(layout) != layouts[r] || tensor.dtype != DType::f32)
        throw DataError(fmt::format("what rank {} held back is of another checkpoint", r));
      if (!values.empty()) std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
    });
    layout = broadcast_text(comm, layout);
    std::array<std::uint64_t, 1> count{values.size()};
    broadcast(comm, std::span<std::uint64_t>(count), 0);
    values.resize(count[0]);
    broadcast(comm, std::span<float>(values), 0);
    const std::vector<StoredArray> arrays = agree(comm, [&] { return arrays_of(layout, values, parameters); });
    if (exact && r != rank) continue;
    for (std::size_t i = 0; i < arrays.size(); ++i) {
      const StoredArray& array = arrays[i];
      if (exact) {
        std::copy(array.values.begin(), array.values.end(), own[i].values.begin());
      } else if (array.kind == Kind::held_back) {
        hold(exchange, array, comm.rank(), comm.size());
      } else if (array.kind != Kind::common || r == 0) {
        dropped += take_over(own, array, comm.rank(), comm.size()) ? 0 : 1;
      }
    }
  }
  if (exact) return std::nullopt;
  std::string note = fmt::format(
      "gradients are exchanged otherwise than in the {} ranks of the checkpoint: what those held back goes into the "
      "next step",
      layouts.size());
  if (dropped > 0) note += fmt::format("; {} arrays of their codecs have no place here", dropped);
  return note;
}

}  // namespace tutti::trainer
