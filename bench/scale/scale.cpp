// scale COLLECTIVE [--check] [--sizes BYTES,...] CANDIDATE...: one collective of tutti and of MPI in a simulator of
// MPI, in simulated time. README.md tells the rules.
//
// A candidate is `mpi`, `chosen` (what tutti chooses), `all` (every algorithm and radix that might be worth it) or
// ALGORITHM:RADIX:SEGMENT_BYTES, each number 0 for tutti's own choice. For every size and candidate rank 0 prints a
// line BYTES,CANDIDATE,SECONDS. With --check nothing is timed: tutti's results are verified (of allreduce only, with
// memory that ranks do not share), and the line ends in `ok` or the program in failure.
#include <mpi.h>
#include <simgrid/actor.h>
#include <simgrid/engine.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tutti/allreduce/allreduce.hpp>
#include <tutti/allreduce/allreduce_table.hpp>
#include <tutti/collectives/inspect/mpi.hpp>
#include <tutti/collectives/inspect/selection.hpp>

namespace {

using tutti::Collective;
using tutti::detail::check_mpi;

constexpr std::array kCollectives = {Collective::allreduce,      Collective::broadcast, Collective::all_gather,
                                     Collective::reduce_scatter, Collective::reduce,    Collective::all_to_all};

// Two links of 1 us between any two hosts of the flat network, 0.4 us per message at either end, 12.5 GB/s; computing
// costs nothing in the simulator, and what a receiver pays for its messages hides in part behind those it sends.
// What distance costs is the library's guess for networks that it knows nothing about.
constexpr tutti::TransportCosts kCosts = {.name = "simulated",
                                          .latency = 2e-6,
                                          .overhead = 0.4e-6,
                                          .gap = 0.5e-6,
                                          .byte = 0.8e-10,
                                          .distance = tutti::kRdmaCosts.distance,
                                          .reduce = 0.0,
                                          .copy = 0.0,
                                          .overlaps = true};

/// What run.sh says of the network (TUTTI_NETWORK), if anything.
tutti::NetworkDescription network() {
  const char* described = std::getenv("TUTTI_NETWORK");
  return described == nullptr || *described == '\0' ? tutti::NetworkDescription{} : tutti::parse_network(described);
}

/// Neighbours on a torus have one link between them, not two.
tutti::TransportCosts costs() {
  tutti::TransportCosts costs = kCosts;
  if (const auto known = network(); known.hop > 0) costs.latency = known.hop;
  return costs;
}

constexpr int kRoot = 0;
constexpr int kWarmUps = 2;

struct Candidate {
  std::string algorithm;  // `mpi`, empty for tutti's choice, or a row of the table
  int radix = 0;
  std::size_t segment_bytes = 0;

  bool is_mpi() const { return algorithm == "mpi"; }
  std::string label() const {
    if (is_mpi()) return algorithm;
    if (algorithm.empty()) return "chosen";
    return algorithm + ":" + std::to_string(radix) + ":" + std::to_string(segment_bytes);
  }
};

struct Request {
  Collective collective = Collective::allreduce;
  bool check = false;
  std::vector<std::size_t> sizes = {8, 64, 512, 4096, 32768, 262144, 2097152, 16777216};
  std::vector<std::string> candidates;
};

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == separator) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

Request parse(std::span<char*> arguments) {
  Request request;
  if (arguments.size() < 2)
    throw std::invalid_argument("usage: scale COLLECTIVE [--check] [--sizes B,...] CANDIDATE...");
  const auto found = std::find_if(kCollectives.begin(), kCollectives.end(),
                                  [&](Collective c) { return tutti::name(c) == arguments[1]; });
  if (found == kCollectives.end()) throw std::invalid_argument(std::string("no collective ") + arguments[1]);
  request.collective = *found;
  for (std::size_t i = 2; i < arguments.size(); ++i) {
    const std::string_view argument = arguments[i];
    if (argument == "--check") {
      request.check = true;
    } else if (argument == "--sizes" && i + 1 < arguments.size()) {
      request.sizes.clear();
      for (const std::string& size : split(arguments[++i], ',')) request.sizes.push_back(std::stoull(size));
    } else {
      request.candidates.emplace_back(argument);
    }
  }
  return request;
}

/// The sizes of a call; README.md says what `bytes` counts.
struct Shape {
  Shape(Collective collective, std::size_t bytes, int size) {
    const auto ranks = static_cast<std::size_t>(size);
    const bool per_rank = collective == Collective::all_gather || collective == Collective::reduce_scatter ||
                          collective == Collective::all_to_all;
    block = std::max<std::size_t>(bytes / sizeof(float) / (per_rank ? ranks : 1), 1);
    whole = per_rank ? block * ranks : block;
  }
  std::size_t block;  // elements of the smaller buffer
  std::size_t whole;  // elements of the larger one
};

/// User buffers, as large as the largest call; folded by the simulator where they are large.
class Memory {
 public:
  explicit Memory(std::size_t bytes) : data_(SMPI_SHARED_MALLOC(std::max(bytes, kLeast))) {}
  ~Memory() { SMPI_SHARED_FREE(data_); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  float* data() const { return static_cast<float*>(data_); }

 private:
  static constexpr std::size_t kLeast = std::size_t{1} << 20;
  void* data_;
};

void call_mpi(Collective collective, const Shape& shape, const float* input, float* output) {
  const int block = static_cast<int>(shape.block);
  switch (collective) {
    case Collective::allreduce:
      check_mpi(MPI_Allreduce(input, output, block, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD), "MPI_Allreduce");
      break;
    case Collective::broadcast:
      check_mpi(MPI_Bcast(output, block, MPI_FLOAT, kRoot, MPI_COMM_WORLD), "MPI_Bcast");
      break;
    case Collective::all_gather:
      check_mpi(MPI_Allgather(input, block, MPI_FLOAT, output, block, MPI_FLOAT, MPI_COMM_WORLD), "MPI_Allgather");
      break;
    case Collective::reduce_scatter:
      check_mpi(MPI_Reduce_scatter_block(input, output, block, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD),
                "MPI_Reduce_scatter_block");
      break;
    case Collective::reduce:
      check_mpi(MPI_Reduce(input, output, block, MPI_FLOAT, MPI_SUM, kRoot, MPI_COMM_WORLD), "MPI_Reduce");
      break;
    default:
      check_mpi(MPI_Alltoall(input, block, MPI_FLOAT, output, block, MPI_FLOAT, MPI_COMM_WORLD), "MPI_Alltoall");
  }
}

void call_tutti(const tutti::Communicator& comm, Collective collective, const Shape& shape, const Candidate& candidate,
                float* in, float* out) {
  const tutti::CollectiveOptions options = {
      .algorithm = candidate.algorithm, .radix = candidate.radix, .segment_bytes = candidate.segment_bytes};
  const std::span<float> output(out, shape.whole);
  const std::span<const float> input(in, shape.whole);
  switch (collective) {
    case Collective::allreduce:
      tutti::allreduce(comm, tutti::ConstBuffer(input), tutti::Buffer(output), tutti::ReduceOp::sum, options);
      break;
    case Collective::broadcast:
      tutti::broadcast(comm, output, kRoot, options);
      break;
    case Collective::all_gather:
      tutti::all_gather(comm, input.first(shape.block), output, options);
      break;
    case Collective::reduce_scatter:
      tutti::reduce_scatter(comm, input, output.first(shape.block), tutti::ReduceOp::sum, options);
      break;
    case Collective::reduce:
      tutti::reduce(comm, input, output, tutti::ReduceOp::sum, kRoot, options);
      break;
    default:
      tutti::all_to_all(comm, input, output, options);
  }
}

/// The latest instant at which a rank calls this.
double meet() {
  double latest = simgrid_get_clock();
  MPI_Allreduce(MPI_IN_PLACE, &latest, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
  return latest;
}

/// Simulated seconds from the instant at which all ranks start to the one at which the last has ended.
double time(const std::function<void()>& call) {
  meet();  // the first time it sets up what MPI's collective needs, and takes longer
  const double start = meet() + 1e-3;
  if (simgrid_get_clock() >= start) throw std::runtime_error("a rank learnt too late when to start");
  sg_actor_sleep_until(start);
  call();
  return meet() - start;
}

class Program {
 public:
  explicit Program(Request request)
      : request_(std::move(request)), rank_(rank()), size_(size()), input_(room()), output_(room()) {}

  void run() {
    for (const std::size_t bytes : request_.sizes) {
      for (const Candidate& candidate : candidates(bytes)) {
        if (request_.check) {
          check(bytes, candidate);
        } else {
          measure(bytes, candidate);
        }
      }
    }
  }

 private:
  static int rank() {
    int rank = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    return rank;
  }
  static int size() {
    int size = 1;
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    return size;
  }

  /// Made when first asked for: with 1,024 ranks that takes the simulator a while. Every rank is a node of its own.
  const tutti::Communicator& comm() {
    if (!comm_)
      comm_.emplace(MPI_COMM_WORLD,
                    tutti::CommunicatorOptions{.costs = tutti::LevelCosts{costs(), costs()}, .ranks_per_node = 1});
    return *comm_;
  }

  std::size_t room() const {
    const std::size_t largest = *std::max_element(request_.sizes.begin(), request_.sizes.end());
    return std::max(largest, static_cast<std::size_t>(size_) * sizeof(float)) + sizeof(float);
  }

  void measure(std::size_t bytes, const Candidate& candidate) {
    const Shape shape(request_.collective, bytes, size_);
    const auto call = [&] {
      if (candidate.is_mpi()) return call_mpi(request_.collective, shape, input_.data(), output_.data());
      call_tutti(comm(), request_.collective, shape, candidate, input_.data(), output_.data());
    };
    // What a call sets up depends on the communicator: tutti's is ready, MPI's becomes so in calls like the timed one.
    for (int i = 0; i < kWarmUps && (candidate.is_mpi() || !warm_); ++i) call();
    warm_ = warm_ || !candidate.is_mpi();
    const double seconds = time(call);
    if (rank_ == 0) {
      std::printf("%zu,%s,%.9f\n", bytes, candidate.label().c_str(), seconds);
      std::fflush(stdout);
    }
  }

  /// Small integers, whose sums are exact in any order.
  static float value(int rank, std::size_t i) {
    return static_cast<float>((static_cast<std::size_t>(rank) * 7 + i * 3) % 61);
  }

  void check(std::size_t bytes, const Candidate& candidate) {
    const Shape shape(request_.collective, bytes, size_);
    for (std::size_t i = 0; i < shape.whole; ++i) {
      input_.data()[i] = value(rank_, i);
      output_.data()[i] = -1;
    }
    call_tutti(comm(), request_.collective, shape, candidate, input_.data(), output_.data());
    for (std::size_t i = 0; i < shape.whole; ++i) {
      float sum = 0;
      for (int rank = 0; rank < size_; ++rank) sum += value(rank, i);
      if (output_.data()[i] != sum) {
        throw std::runtime_error(candidate.label() + ": wrong at rank " + std::to_string(rank_) + ", element " +
                                 std::to_string(i) + " of " + std::to_string(shape.whole));
      }
    }
    if (rank_ == 0) std::printf("%zu,%s,ok\n", bytes, candidate.label().c_str());
  }

  std::vector<Candidate> candidates(std::size_t bytes) const {
    std::vector<Candidate> out;
    for (const std::string& text : request_.candidates) {
      const std::vector<std::string> fields = split(text, ':');
      if (text == "all") {
        add_all(bytes, out);
      } else if (text == "chosen") {
        out.emplace_back();
      } else if (text == "mpi") {
        out.push_back({.algorithm = text});
      } else if (fields.size() == 3) {
        out.push_back({fields[0], std::stoi(fields[1]), std::stoull(fields[2])});
      } else {
        throw std::invalid_argument("no candidate " + text);
      }
    }
    return out;
  }

  /// Of every algorithm and radix the number of segments that the cost model finds best; neither radices that change
  /// nothing nor what it finds thrice as slow as the best.
  void add_all(std::size_t bytes, std::vector<Candidate>& out) const {
    const auto table =
        request_.collective == Collective::allreduce ? tutti::allreduce_algorithms() : tutti::collective_algorithms();
    const std::size_t data = Shape(request_.collective, bytes, size_).whole * sizeof(float);
    std::set<std::pair<std::string_view, double>> seen;
    std::set<std::pair<std::string_view, int>> done;
    const std::vector<tutti::Plan> plans =
        tutti::Selector(size_, costs(), {.network = network()}).candidates(table, request_.collective, data);
    for (const tutti::Plan& plan : plans) {
      if (plan.predicted.total() > 3 * plans.front().predicted.total()) break;
      const bool is_new = done.insert({plan.algorithm->name, plan.radix}).second &&
                          seen.insert({plan.algorithm->name, plan.predicted.total()}).second;
      if (!is_new) continue;
      const int radix = plan.algorithm->radix != tutti::Radix::none ? plan.radix : 0;
      out.push_back({std::string(plan.algorithm->name), radix, tutti::segment_bytes(plan, size_, data)});
    }
  }

  Request request_;
  int rank_;
  int size_;
  std::optional<tutti::Communicator> comm_;
  Memory input_;
  Memory output_;
  bool warm_ = false;
};

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  try {
    Program(parse({argv, static_cast<std::size_t>(argc)})).run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "scale: error: %s\n", error.what());
    std::_Exit(1);  // all ranks are one process; MPI_Abort would end in success
  }
  MPI_Finalize();
  return 0;
}
