// From another format to shards: what an importer has to tell, and the one way in which all of them make a data set.
#pragma once

#include <tutti/kernels/cpp20.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <tutti/io/compression.hpp>
#include <tutti/io/dataset.hpp>
#include <tutti/io/dataset_writer.hpp>
#include <tutti/io/ranks.hpp>
#include <tutti/io/sample_block.hpp>

namespace tutti::io {

/// Class labels as they are read: each is checked, and the largest decides the number of classes if none was stated.
class ClassLabels {
 public:
  /// `classes` of 0: not stated.
  explicit ClassLabels(std::size_t classes = 0) noexcept : classes_(classes) {}

  /// `place` gives the words for where the label stands, "data.csv: line 7"; it is called only where they are needed.
  /// \throws DataError for a label below 0, or not below the stated classes.
  template <class Place>
  void see(std::int64_t label, Place place) {
    if (label < 0 || (classes_ > 0 && static_cast<std::uint64_t>(label) >= classes_)) refuse(label, place());
    if (label <= largest_) return;
    largest_ = label;
    if (label >= kPlausible) place_ = place();
  }

  std::size_t classes() const noexcept { return classes_; }     ///< as stated
  std::int64_t largest() const noexcept { return largest_; }    ///< -1: none seen
  const std::string& place() const noexcept { return place_; }  ///< of the largest, if that is implausible

  /// Up to so many classes are believed without as many samples.
  static constexpr std::int64_t kPlausible = 10000;

 private:
  [[noreturn]] void refuse(std::int64_t label, const std::string& place) const;

  std::size_t classes_;
  std::int64_t largest_ = -1;
  std::string place_;
};

/// The samples of one or more files of another format, in order. A source reads forward, holds little in memory, and
/// says in every DataError which file, and which record or line and column, is meant.
class SampleSource {
 public:
  virtual ~SampleSource() = default;

  /// Collective, called once before anything else: what can be known only by reading, such as the number of lines, may
  /// be found out together, each rank looking through its part of the files. \throws alike on all ranks (agree()).
  virtual void survey(Ranks& /*ranks*/) {}

  virtual const std::vector<Field>& fields() const = 0;

  /// Samples in all; nothing if that is known only at the end (a pipe, compressed text).
  virtual std::optional<std::uint64_t> samples() const = 0;

  /// Class labels, which are in an i64 field "label" of shape {}; null if the samples have none.
  virtual const ClassLabels* labels() const { return nullptr; }

  /// Names of the classes from 0 on, if the format has them.
  virtual std::vector<std::string> class_names() const { return {}; }

  /// Where the samples stay if they are not to be copied; null: they are copied. Then a shard is made of each file.
  virtual const DatasetLinks* links() const { return nullptr; }

  /// Makes `first` the next sample to be read; at most once, before read().
  virtual void skip_to(std::uint64_t first) = 0;

  /// Adds the next samples to `block`, at most `most` of them, and returns how many; 0 after the last one, having seen
  /// that nothing follows which should not be there.
  virtual std::uint64_t read(std::uint64_t most, SampleBlock& block) = 0;

  /// Collective, called after the last read(): what is no error but should be known, a sentence each. Rank 0's count.
  virtual std::vector<std::string> notes(Ranks& /*ranks*/) { return {}; }

  // ---- For whoever watches
  virtual std::uint64_t bytes_read() const = 0;                  ///< of the files
  virtual std::optional<std::uint64_t> bytes_total() const = 0;  ///< nothing for a pipe
};

struct ImportProgress {
  std::uint64_t samples = 0;                   ///< by this rank
  std::uint64_t bytes = 0;                     ///< of the files, by this rank
  std::optional<std::uint64_t> samples_total;  ///< of this rank's part
};

struct ImportOptions {
  std::filesystem::path folder;                              ///< of the data set to be written
  std::string name = {};                                     ///< of the data set; empty: the folder's name
  std::uint64_t shards = 1;                                  ///< of no matter to a source whose samples are linked to
  std::uint64_t chunk_samples = 0;                           ///< as in DatasetPlan
  Compression compression = {};                              ///< likewise
  bool replace = false;                                      ///< as in DatasetPlan
  std::function<void(const ImportProgress&)> progress = {};  ///< called now and then; may be empty
  std::function<void(const std::string&)> note = {};  ///< called on rank 0 with each of the source's notes; likewise
};

/// Collective: writes the samples of a source as a data set. Shards do not depend on the number of ranks; each rank
/// reads and writes those that fall to it. A source that does not know the number of its samples is read by rank 0
/// into a temporary file in the folder, from which the shards are made.
///
/// `make` opens the source and is local. \throws DataError, InvalidArgument, alike on all ranks: what the source and
/// DatasetWriter throw; no samples; labels that would make implausibly many classes. An earlier data set is untouched
/// then.
void import_samples(const std::function<std::unique_ptr<SampleSource>()>& make, const ImportOptions& options,
                    Ranks& ranks = one_rank());

}  // namespace tutti::io
