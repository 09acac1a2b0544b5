// Divides a data set into parts: training, validation and test sets, or other shards of the same samples.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <tutti/io/dataset.hpp>
#include <tutti/io/import.hpp>

namespace tutti::io {

struct SplitPart {
  std::string name;
  double share = 1.0;  ///< of the samples
};

struct SplitOptions {
  std::vector<SplitPart> parts;  ///< shares that sum to 1; at most 255
  bool stratified = false;       ///< every class is divided like the whole
  bool shuffle = false;          ///< parts are stored in a random order, not in that of the data set
  std::uint64_t seed = 0;
};

/// Which sample goes to which part. Every sample goes to exactly one. That is a function of the seed, the shares, the
/// samples' order and, if it is stratified, their labels: never of shards, chunks and ranks.
///
/// A part has its share of the samples, rounded by the largest remainder. If it is stratified, every part but the first
/// gets of each class its share rounded down, what it lacks then from the classes with the largest remainders (the
/// lower class first), and the first part the rest: always one at least of each class, so that a class of one sample is
/// in it alone.
class Split {
 public:
  /// Reads the labels if it is stratified. \throws InvalidArgument: shares that are not above 0 or do not sum to 1,
  /// parts without a name or of the same; a part that would have no sample; no classes to go by. DataError.
  Split(std::shared_ptr<const Dataset> dataset, const SplitOptions& options);

  const Dataset& dataset() const noexcept { return *dataset_; }
  const std::vector<SplitPart>& parts() const noexcept { return options_.parts; }
  std::uint64_t samples(std::size_t part) const noexcept { return sizes_[part]; }
  std::size_t part_of(std::uint64_t id) const noexcept { return part_of_sample_[id]; }

  /// Classes that have one sample only, ascending (stratified).
  const std::vector<std::size_t>& lone_classes() const noexcept { return lone_classes_; }

  /// The samples of a part, for import_samples(). `split` outlives what it returns.
  static std::unique_ptr<SampleSource> source(std::shared_ptr<const Split> split, std::size_t part);

 private:
  void require_valid() const;
  std::vector<std::uint64_t> part_sizes() const;
  void divide_all();
  void divide_classes();

  std::shared_ptr<const Dataset> dataset_;
  SplitOptions options_;
  std::vector<std::uint64_t> sizes_;  // by part
  std::vector<std::size_t> lone_classes_;
  std::vector<std::uint8_t> part_of_sample_;

  friend class SplitSource;
};

}  // namespace tutti::io
