// mpirun -n N bench_signatures [BYTES]...: what it costs that ranks compare what they call. Of each collective of so
// many bytes (8 unless said), calls in which ranks do and in which they do not alternate, about 1 ms of the ones and of
// the others, on one communicator and the same memory. Prints a Markdown table: microseconds a call, medians over
// all pairs, and the median of the ratios of pairs with half the range between their quartiles.
#include <mpi.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <vector>

#include <tutti/allreduce/allreduce.hpp>
#include <tutti/collectives/collectives.hpp>
#include <tutti/collectives/inspect/communicator.hpp>
#include <tutti/kernels/clock.hpp>

namespace {

using tutti::Communicator;
using Clock = std::chrono::steady_clock;

constexpr double kSecondsOfAPair = 2e-3;
constexpr int kPairs = 1001;

/// What a rank calls, on memory for the data of all.
struct Work {
  const char* name;
  void (*call)(const Communicator& comm, std::span<const std::byte> data, std::span<std::byte> result);
};

const Work kWorks[] = {
    {"allreduce",
     [](const Communicator& comm, std::span<const std::byte> data, std::span<std::byte> result) {
       const std::size_t count = data.size() / sizeof(float);
       tutti::allreduce(comm, tutti::ConstBuffer(data.data(), count, tutti::DType::f32),
                        tutti::Buffer(result.data(), count, tutti::DType::f32), tutti::ReduceOp::sum);
     }},
    {"broadcast",
     [](const Communicator& comm, std::span<const std::byte> data, std::span<std::byte> result) {
       tutti::broadcast(comm, tutti::Buffer(result.data(), data.size(), tutti::DType::u8), 0);
     }},
    {"all_gather",
     [](const Communicator& comm, std::span<const std::byte> data, std::span<std::byte> result) {
       tutti::all_gather(
           comm, tutti::ConstBuffer(data.data(), data.size(), tutti::DType::u8),
           tutti::Buffer(result.data(), data.size() * static_cast<std::size_t>(comm.size()), tutti::DType::u8));
     }},
    {"barrier",
     [](const Communicator& comm, std::span<const std::byte>, std::span<std::byte>) { tutti::barrier(comm); }},
};

struct Memory {
  std::span<const std::byte> data;
  std::span<std::byte> result;
};

/// Seconds of a call, of `calls` from when all have come to when all are done.
double time_some(const Communicator& comm, const Work& work, const Memory& memory, int calls, bool compares) {
  comm.state().calls().set_compares(compares);
  tutti::barrier(comm);
  const auto begin = Clock::now();
  for (int i = 0; i < calls; ++i) work.call(comm, memory.data, memory.result);
  tutti::barrier(comm);
  return tutti::seconds_since(begin) / calls;
}

/// Of whole elements; 0 if it is none.
std::size_t size_of(const char* words) {
  char* end = nullptr;
  const unsigned long long bytes = std::strtoull(words, &end, 10);
  return *end == '\0' && bytes <= (1U << 20) && bytes % sizeof(float) == 0 ? bytes : 0;
}

/// The value below which the share of them lies.
double quantile(std::vector<double>& values, double share) {
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

void measure(const Communicator& comm, const Work& work, const Memory& memory) {
  int calls = 100;
  double once = 0;
  for (int i = 0; i < 3; ++i) once = time_some(comm, work, memory, calls, true);
  calls = std::max(10, static_cast<int>(kSecondsOfAPair / 2 / once));
  tutti::broadcast(comm, std::span(&calls, 1), 0);
  std::vector<double> with, without, ratios;
  for (int pair = 0; pair < kPairs; ++pair) {
    const bool first = pair % 2 == 0;  // what is called first
    const double one = time_some(comm, work, memory, calls, first);
    const double other = time_some(comm, work, memory, calls, !first);
    with.push_back((first ? one : other) * 1e6);
    without.push_back((first ? other : one) * 1e6);
    ratios.push_back(with.back() / without.back());
  }
  comm.state().calls().set_compares(true);
  if (comm.rank() != 0) return;
  std::printf("| %s | %zu B | %.3f | %.3f | %.3f +- %.3f |\n", work.name, memory.data.size(), quantile(with, 0.5),
              quantile(without, 0.5), quantile(ratios, 0.5), (quantile(ratios, 0.75) - quantile(ratios, 0.25)) / 2);
}

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  {
    const Communicator comm(MPI_COMM_WORLD, {.timeout = std::chrono::seconds(30)});
    std::vector<std::size_t> sizes;
    for (int i = 1; i < argc; ++i) {
      sizes.push_back(size_of(argv[i]));
      if (sizes.back() > 0) continue;
      std::fprintf(stderr, "bench_signatures: '%s' is not a size in bytes, of 4 to 1048576 and a multiple of 4\n",
                   argv[i]);
      MPI_Abort(MPI_COMM_WORLD, 2);
    }
    if (sizes.empty()) sizes.push_back(8);
    if (comm.rank() == 0) std::printf("| %d ranks | data | compared, us | not, us | ratio |\n", comm.size());
    if (comm.rank() == 0) std::printf("| --- | --- | --- | --- | --- |\n");
    for (const std::size_t bytes : sizes) {
      const std::vector<std::byte> data(bytes);
      std::vector<std::byte> result(bytes * static_cast<std::size_t>(comm.size()));
      for (const Work& work : kWorks) measure(comm, work, {data, result});
    }
  }
  MPI_Finalize();
  return 0;
}
