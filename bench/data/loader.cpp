// bench_data FOLDER [ROUNDS]: the loader beside plain loops over the same bytes. It makes data sets of 3,072 random
// bytes and a label a sample in FOLDER, which stay there for other programs to read. README.md tells what is measured.
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include <tutti/io/compression.hpp>
#include <tutti/io/dataset.hpp>
#include <tutti/io/dataset_writer.hpp>
#include <tutti/io/loader.hpp>
#include <tutti/io/sampler.hpp>
#include <tutti/kernels/philox.hpp>

namespace {

namespace fs = std::filesystem;
namespace io = tutti::io;
using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kRows = 50'000;
constexpr std::size_t kRowBytes = 3'072;
constexpr std::uint64_t kBatch = 256;
constexpr std::uint64_t kSeed = 1;

/// MB/s by the clock, and for a second of all threads' processor time: what is left where others use the cores too.
struct Rate {
  double wall;
  double cpu;
};

class Stopwatch {
 public:
  Rate rate(std::size_t bytes) const {
    const double wall = std::chrono::duration<double>(Clock::now() - wall_).count();
    return {static_cast<double>(bytes) / wall / 1e6, static_cast<double>(bytes) / (processor_seconds() - cpu_) / 1e6};
  }

 private:
  static double processor_seconds() {
    timespec now{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
  }
  Clock::time_point wall_ = Clock::now();
  double cpu_ = processor_seconds();
};

// Keeps what is measured from being optimised away.
void use(const std::byte* data) { asm volatile("" : : "r"(data) : "memory"); }

/// About half of a row's bytes are 0, so that they can be compressed as pictures can.
std::vector<std::byte> make_rows() {
  std::vector<std::byte> rows(kRows * kRowBytes);
  for (std::size_t i = 0; i < rows.size(); i += 8) {
    const std::uint64_t random = tutti::random_u64(kSeed, 1, i);
    const std::uint64_t value = (random >> 60) < 8 ? 0 : random & 0x0F0F0F0F0F0F0F0FULL;
    std::memcpy(rows.data() + i, &value, 8);
  }
  return rows;
}

void write_dataset(const fs::path& folder, std::span<const std::byte> rows, const io::Compression& compression) {
  if (fs::exists(folder / "manifest.json")) return;
  io::DatasetWriter writer(folder,
                           {.name = "rows",
                            .fields = {{"image", tutti::DType::u8, {3, 32, 32}}, {"label", tutti::DType::i64, {}}},
                            .samples = kRows,
                            .shards = 4,
                            .classes = 10,
                            .compression = compression});
  for (std::uint64_t row = 0; row < kRows; ++row) {
    const std::uint64_t label = row * 10 / kRows;
    const std::span<const std::byte> data[] = {rows.subspan(row * kRowBytes, kRowBytes),
                                               std::as_bytes(std::span(&label, 1))};
    writer.append(1, data);
  }
  writer.finish();
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

/// Both in turn, so that what disturbs the machine disturbs both; rates in MB/s of rows, and the median of their
/// ratios.
void compare(const std::string& what, const std::string& wanted, int rounds, const std::function<Rate()>& ours,
             const std::function<Rate()>& theirs) {
  std::vector<double> our_rates;
  std::vector<double> their_rates;
  std::vector<double> ratios;
  std::vector<double> cpu_ratios;
  for (int round = 0; round < rounds; ++round) {
    const bool first = round % 2 == 0;
    Rate mine{};
    if (first) mine = ours();
    const Rate plain = theirs();
    if (!first) mine = ours();
    our_rates.push_back(mine.wall);
    their_rates.push_back(plain.wall);
    ratios.push_back(mine.wall / plain.wall);
    cpu_ratios.push_back(mine.cpu / plain.cpu);
  }
  fmt::print("| {} | {:.0f} | {:.0f} | {:.2f} | {:.2f} | {} |\n", what, median(our_rates), median(their_rates),
             median(ratios), median(cpu_ratios), wanted);
  std::fflush(stdout);
}

/// MB/s of the batches of an epoch, without those that were read before it is asked for.
Rate epoch_rate(io::Loader& loader, std::size_t read_ahead) {
  std::size_t bytes = 0;
  std::uint64_t batches = 0;
  Stopwatch watch;
  while (batches < loader.batches_per_epoch()) {
    const auto batch = loader.next();
    if (!batch) throw std::runtime_error("the loader ended");
    use(batch->data[0].data());
    if (++batches > read_ahead) bytes += batch->data[0].size();
    if (batches == read_ahead) watch = {};
  }
  return watch.rate(bytes);
}

/// A loader that lives through all rounds: the data set fits its cache, and the first epoch has filled it.
void fits_the_cache(const io::Dataset& dataset, std::span<const std::byte> rows, int threads, int rounds) {
  const io::LoaderOptions options{
      .order = io::Order::shuffled, .seed = kSeed, .global_batch = kBatch, .epochs = 1'000'000, .threads = threads};
  io::Loader loader(dataset, options);
  epoch_rate(loader, 1);
  const io::Sampler sampler(kRows, io::Order::shuffled, kSeed);
  std::vector<std::uint64_t> ids(kRows);
  std::vector<std::byte> batch(kBatch * kRowBytes);
  const auto gather = [&] {
    sampler.samples(0, 0, ids);
    const Stopwatch watch;
    for (std::uint64_t first = 0; first < kRows; first += kBatch) {
      const std::uint64_t count = std::min(kBatch, kRows - first);
      for (std::uint64_t i = 0; i < count; ++i)
        std::memcpy(batch.data() + i * kRowBytes, rows.data() + ids[first + i] * kRowBytes, kRowBytes);
      use(batch.data());
    }
    return watch.rate(rows.size());
  };
  compare(
      fmt::format("shuffled, fits the cache, {} thread{}; memcpy", threads, threads == 1 ? "" : "s"),
      threads == 1 ? "0.5" : "", rounds, [&] { return epoch_rate(loader, options.prefetch + 1); }, gather);
}

/// A loader that lives through all rounds, whose cache holds a fifth of the data set.
std::function<Rate()> exceeds_the_cache(const io::Dataset& dataset, int threads, io::Order order) {
  constexpr std::size_t kReadAhead = 4;
  const auto loader = std::make_shared<io::Loader>(dataset, io::LoaderOptions{.order = order,
                                                                              .seed = kSeed,
                                                                              .window_bytes = std::size_t{16} << 20,
                                                                              .global_batch = kBatch,
                                                                              .epochs = 1'000'000,
                                                                              .prefetch = kReadAhead,
                                                                              .cache_bytes = std::size_t{32} << 20,
                                                                              .threads = threads});
  epoch_rate(*loader, 1);
  return [loader] { return epoch_rate(*loader, kReadAhead + 1); };
}

Rate sequential_rate(const io::Dataset& dataset) {
  std::vector<std::byte> piece(std::size_t{1} << 20);
  std::size_t bytes = 0;
  const Stopwatch watch;
  for (const io::ShardInfo& shard : dataset.shards()) {
    const int file = ::open(shard.file.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) throw std::runtime_error("cannot open " + shard.file.string());
    ssize_t got = 0;
    for (off_t at = 0; (got = ::pread(file, piece.data(), piece.size(), at)) > 0; at += got) {
      bytes += static_cast<std::size_t>(got);
      use(piece.data());
    }
    ::close(file);
  }
  return watch.rate(bytes);
}

/// What is left of that where as much is read as a chunk at a time, in an order as random as that of blocks.
Rate random_rate(const io::Dataset& dataset) {
  std::vector<std::byte> piece(std::size_t{32} << 10);
  std::size_t bytes = 0;
  const Stopwatch watch;
  for (const io::ShardInfo& shard : dataset.shards()) {
    const int file = ::open(shard.file.c_str(), O_RDONLY | O_CLOEXEC);
    if (file < 0) throw std::runtime_error("cannot open " + shard.file.string());
    const io::Sampler sampler((fs::file_size(shard.file) - 1) / piece.size() + 1, io::Order::shuffled, kSeed);
    std::vector<std::uint64_t> order(sampler.size());
    sampler.samples(0, 0, order);
    for (const std::uint64_t number : order) {
      const ssize_t got = ::pread(file, piece.data(), piece.size(), static_cast<off_t>(number * piece.size()));
      if (got <= 0) throw std::runtime_error("cannot read " + shard.file.string());
      bytes += static_cast<std::size_t>(got);
      use(piece.data());
    }
    ::close(file);
  }
  return watch.rate(bytes);
}

/// What zlib decompresses of the same chunks, compressed as the data set's are, on one core.
class ZlibChunks {
 public:
  ZlibChunks(std::span<const std::byte> rows, std::uint64_t chunk_rows, int level)
      : chunk_bytes_(chunk_rows * kRowBytes) {
    out_.resize(chunk_bytes_);
    for (std::size_t at = 0; at < rows.size(); at += chunk_bytes_) {
      const std::size_t bytes = std::min(chunk_bytes_, rows.size() - at);
      uLongf size = compressBound(bytes);
      std::vector<Bytef> packed(size);
      if (compress2(packed.data(), &size, reinterpret_cast<const Bytef*>(rows.data() + at), bytes, level) != Z_OK)
        throw std::runtime_error("zlib cannot compress");
      packed.resize(size);
      chunks_.push_back(std::move(packed));
    }
  }

  Rate rate() {
    std::size_t bytes = 0;
    const Stopwatch watch;
    for (const auto& chunk : chunks_) {
      uLongf size = out_.size();
      if (uncompress(reinterpret_cast<Bytef*>(out_.data()), &size, chunk.data(), chunk.size()) != Z_OK)
        throw std::runtime_error("zlib cannot decompress");
      bytes += size;
      use(out_.data());
    }
    return watch.rate(bytes);
  }

 private:
  std::size_t chunk_bytes_;
  std::vector<std::vector<Bytef>> chunks_;
  std::vector<std::byte> out_;
};

int run(const fs::path& folder, int rounds) {
  const std::vector<std::byte> rows = make_rows();
  write_dataset(folder / "plain", rows, {});
  write_dataset(folder / "deflate", rows, io::compression_from_name("deflate-1"));
  const io::Dataset plain(folder / "plain");
  const io::Dataset deflate(folder / "deflate");
  fmt::print(
      "| what; beside it | loader, MB/s | plain, MB/s | ratio | in processor time | wanted |\n| --- | --- | --- | --- "
      "| --- | --- |\n");
  for (const int threads : {1, 2}) fits_the_cache(plain, rows, threads, rounds);
  for (const int threads : {1, 2})
    compare(fmt::format("two-level, cache of a fifth, {} thread{}; pread", threads, threads == 1 ? "" : "s"),
            threads == 1 ? "0.5" : "", rounds, exceeds_the_cache(plain, threads, io::Order::two_level),
            [&] { return sequential_rate(plain); });
  compare("contiguous, cache of a fifth, 1 thread; pread", "", rounds,
          exceeds_the_cache(plain, 1, io::Order::contiguous), [&] { return sequential_rate(plain); });
  compare(
      "no loader: pread of 32 KiB in random order; pread", "", rounds, [&] { return random_rate(plain); },
      [&] { return sequential_rate(plain); });
  ZlibChunks zlib(rows, deflate.shards().front().chunk_samples, 1);
  for (const int threads : {1, 2})
    compare(fmt::format("two-level of deflate-1, {} thread{}; zlib", threads, threads == 1 ? "" : "s"),
            threads == 1 ? "0.9" : "more", rounds, exceeds_the_cache(deflate, threads, io::Order::two_level),
            [&] { return zlib.rate(); });
  return EXIT_SUCCESS;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc < 2 || argc > 3) throw std::runtime_error("usage: bench_data FOLDER [ROUNDS]");
    return run(argv[1], argc == 3 ? std::stoi(argv[2]) : 15);
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_data: error: {}\n", error.what());
    return EXIT_FAILURE;
  }
}
