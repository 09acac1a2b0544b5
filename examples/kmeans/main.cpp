// K-means over a data set of HDF5 shards, of which each rank reads its part of every batch.
//
// Pixels are small integers, and so are their sums per cluster: allreduce adds them exactly, in whatever order. Every
// rank then divides the same sums, so the result is the same to the bit for any number of ranks.
//
//   kmeans DATASET [CLUSTERS [ROUNDS]]     the data set has fields image (u8) and label (i64)
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <tutti/io/dataset.hpp>
#include <tutti/io/loader.hpp>
#include <tutti/kernels/crc32c.hpp>
#include <tutti/tutti.hpp>

namespace {

/// Samples of this rank, which are read once and stay in memory.
struct Samples {
  std::size_t pixels = 0;  ///< of an image
  std::vector<std::uint8_t> images;
  std::vector<std::int64_t> labels;

  std::size_t size() const { return labels.size(); }
  std::span<const std::uint8_t> image(std::size_t i) const { return std::span(images).subspan(i * pixels, pixels); }
};

Samples read_part(const tutti::io::Dataset& dataset, const tutti::Communicator& comm) {
  const std::size_t image = dataset.field("image");
  const std::size_t label = dataset.field("label");
  Samples samples{.pixels = dataset.fields()[image].elements(), .images = {}, .labels = {}};
  tutti::io::Loader loader(dataset, {.global_batch = 256, .rank = comm.rank(), .ranks = comm.size()});
  while (const auto batch = loader.next()) {
    const auto* const pixels = reinterpret_cast<const std::uint8_t*>(batch->data[image].data());
    samples.images.insert(samples.images.end(), pixels, pixels + batch->data[image].size());
    for (std::size_t i = 0; i < batch->ids.size(); ++i) {
      std::int64_t number = 0;
      std::memcpy(&number, batch->data[label].data() + i * sizeof number, sizeof number);
      samples.labels.push_back(number);
    }
  }
  return samples;
}

/// What allreduce adds up: for each cluster the sum of its images, their number, and how many have each label.
class Totals {
 public:
  Totals(const tutti::Communicator& comm, std::size_t clusters, std::size_t pixels, std::size_t classes)
      : row_(pixels + 1 + classes), pixels_(pixels), numbers_(comm.allocate<std::int64_t>(clusters * row_)) {}

  void clear() { std::fill(numbers_.begin(), numbers_.end(), 0); }
  std::span<std::int64_t> sums(std::size_t cluster) { return numbers_.span().subspan(cluster * row_, pixels_); }
  std::int64_t& count(std::size_t cluster) { return numbers_[cluster * row_ + pixels_]; }
  std::span<std::int64_t> labels(std::size_t cluster) {
    return numbers_.span().subspan(cluster * row_ + pixels_ + 1, row_ - pixels_ - 1);
  }
  std::span<std::int64_t> all() { return numbers_.span(); }

 private:
  std::size_t row_;
  std::size_t pixels_;
  tutti::Allocation<std::int64_t> numbers_;
};

double squared_distance(std::span<const std::uint8_t> image, std::span<const double> center) {
  double sum = 0;
  for (std::size_t i = 0; i < image.size(); ++i) {
    const double d = image[i] - center[i];
    sum += d * d;
  }
  return sum;
}

/// The first images of the data set, which every rank reads for itself.
std::vector<double> first_centers(const tutti::io::Dataset& dataset, std::size_t clusters) {
  if (clusters == 0 || clusters > dataset.size()) {
    throw tutti::InvalidArgument("there are " + std::to_string(dataset.size()) + " samples, not enough for " +
                                 std::to_string(clusters) + " clusters, or no clusters are wanted");
  }
  tutti::io::Loader loader(dataset, {.global_batch = clusters, .prefetch = 1});
  const tutti::io::Batch batch = loader.next().value();
  std::vector<double> centers;
  for (const std::byte pixel : batch.data[dataset.field("image")]) centers.push_back(std::to_integer<int>(pixel));
  return centers;
}

/// Adds this rank's samples to the totals of the nearest centers.
void assign(const Samples& samples, std::span<const double> centers, std::size_t clusters, Totals& totals) {
  totals.clear();
  for (std::size_t i = 0; i < samples.size(); ++i) {
    std::size_t nearest = 0;
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t k = 0; k < clusters; ++k) {
      const double distance = squared_distance(samples.image(i), centers.subspan(k * samples.pixels, samples.pixels));
      if (distance < least) {
        least = distance;
        nearest = k;
      }
    }
    const auto image = samples.image(i);
    const auto sums = totals.sums(nearest);
    for (std::size_t p = 0; p < image.size(); ++p) sums[p] += image[p];
    ++totals.count(nearest);
    ++totals.labels(nearest)[static_cast<std::size_t>(samples.labels[i])];
  }
}

int run(const char* folder, std::size_t clusters, int rounds) {
  const tutti::Communicator comm(MPI_COMM_WORLD, {.timeout = std::chrono::seconds(60)});
  const tutti::io::Dataset dataset(folder);
  if (dataset.classes() == 0) throw tutti::InvalidArgument("the data set has no class labels");
  const Samples samples = read_part(dataset, comm);
  std::vector<double> centers = first_centers(dataset, clusters);
  Totals totals(comm, clusters, samples.pixels, dataset.classes());
  int round = 0;
  for (bool moved = true; moved && round < rounds; ++round) {
    assign(samples, centers, clusters, totals);
    tutti::allreduce(comm, totals.all(), tutti::ReduceOp::sum);
    moved = false;
    for (std::size_t k = 0; k < clusters; ++k) {
      for (std::size_t p = 0; p < samples.pixels && totals.count(k) > 0; ++p) {
        double& center = centers[k * samples.pixels + p];
        const double mean = static_cast<double>(totals.sums(k)[p]) / static_cast<double>(totals.count(k));
        moved = moved || mean != center;
        center = mean;
      }
    }
  }
  // How many samples have the label that is most frequent in their cluster.
  std::int64_t right = 0;
  for (std::size_t k = 0; k < clusters; ++k) {
    const auto labels = totals.labels(k);
    right += *std::max_element(labels.begin(), labels.end());
  }
  if (comm.rank() == 0) {
    std::printf(
        "%llu samples, %zu clusters, %d rounds: %.4f have the label of their cluster, checksum of centers %08x\n",
        static_cast<unsigned long long>(dataset.size()), clusters, round,
        static_cast<double>(right) / static_cast<double>(dataset.size()),
        tutti::crc32c(std::as_bytes(std::span(centers))));
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  tutti::Session session(&argc, &argv);
  if (argc < 2 || argc > 4) {
    std::fprintf(stderr, "usage: kmeans DATASET [CLUSTERS [ROUNDS]]\n");
    return 2;
  }
  try {
    return run(argv[1], argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 10, argc > 3 ? std::atoi(argv[3]) : 100);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "kmeans: %s\n", error.what());
    MPI_Abort(MPI_COMM_WORLD, 1);
  }
}
