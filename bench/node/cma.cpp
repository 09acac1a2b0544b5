// mpirun -n N bench_cma: collectives on memory that ranks of the node cannot map, staged and by CMA
// in turn, within one run: cores may be near each other at one time and far at another. Prints a Markdown table:
// medians in microseconds, and the time of staging over that of CMA.
#include <mpi.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <span>
#include <vector>

#include <tutti/allreduce/allreduce.hpp>
#include <tutti/collectives/collectives.hpp>
#include <tutti/kernels/clock.hpp>

namespace {

using tutti::Communicator;

constexpr std::size_t kLargest = std::size_t{16} << 20;
constexpr double kSecondsOfASize = 0.2;

Communicator with_cross_memory(const char* said) {
  setenv("TUTTI_CMA", said, 1);
  return Communicator(MPI_COMM_WORLD);
}

/// What a rank calls; `data` and `result` have room for the largest.
struct Work {
  const char* name;
  std::function<void(const Communicator& comm, std::span<float> data, std::span<float> result)> call;
};

const Work kWorks[] = {
    {"allreduce",
     [](const Communicator& comm, std::span<float> data, std::span<float> result) {
       tutti::allreduce(comm, tutti::ConstBuffer(std::span<const float>(data)), tutti::Buffer(result),
                        tutti::ReduceOp::sum);
     }},
    {"broadcast",
     [](const Communicator& comm, std::span<float> data, std::span<float>) { tutti::broadcast(comm, data, 0); }},
    {"all_gather",
     [](const Communicator& comm, std::span<float> data, std::span<float> result) {
       const auto block = data.size() / static_cast<std::size_t>(comm.size());
       tutti::all_gather(comm, std::span<const float>(data.first(block)),
                         result.first(block * static_cast<std::size_t>(comm.size())));
     }},
    {"reduce_scatter",
     [](const Communicator& comm, std::span<float> data, std::span<float> result) {
       const auto block = data.size() / static_cast<std::size_t>(comm.size());
       tutti::reduce_scatter(comm, std::span<const float>(data.first(block * static_cast<std::size_t>(comm.size()))),
                             result.first(block), tutti::ReduceOp::sum);
     }},
};

/// Seconds, from when all have come to when all are done.
double time_one(const Communicator& comm, const Work& work, std::span<float> data, std::span<float> result) {
  std::fill(data.begin(), data.end(), static_cast<float>(comm.rank()));
  tutti::barrier(comm);
  const auto begin = std::chrono::steady_clock::now();
  work.call(comm, data, result);
  tutti::barrier(comm);
  return tutti::seconds_since(begin);
}

double median(std::vector<double>& times) {
  const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  return *middle;
}

void measure(const Communicator& staging, const Communicator& reading, const Work& work, std::span<float> data,
             std::span<float> result) {
  std::vector<double> staged;
  std::vector<double> read;
  double spent = 0;  // on rank 0
  for (int more = 1; more != 0; tutti::broadcast(staging, std::span(&more, 1), 0)) {
    staged.push_back(time_one(staging, work, data, result));
    read.push_back(time_one(reading, work, data, result));
    spent += staged.back() + read.back();
    more = spent < kSecondsOfASize || read.size() < 11 ? 1 : 0;
  }
  const double staged_us = median(staged) * 1e6;
  const double read_us = median(read) * 1e6;
  if (staging.rank() == 0)
    std::printf("| %s | %zu KiB | %.3g | %.3g | %.2f |\n", work.name, data.size_bytes() / 1024, staged_us, read_us,
                staged_us / read_us);
}

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  {
    const Communicator staging = with_cross_memory("0");
    const Communicator reading = with_cross_memory("1");
    std::vector<float> data(kLargest / sizeof(float));
    std::vector<float> result(data.size());
    if (staging.rank() == 0) std::printf("| %d ranks | data | staged | CMA | ratio |\n", staging.size());
    if (staging.rank() == 0) std::printf("| --- | --- | --- | --- | --- |\n");
    for (const Work& work : kWorks) {
      for (std::size_t bytes = std::size_t{1} << 20; bytes <= kLargest; bytes *= 4) {
        const std::size_t count = bytes / sizeof(float);
        measure(staging, reading, work, std::span(data).first(count), std::span(result).first(count));
      }
    }
  }
  MPI_Finalize();
  return 0;
}
