#include <tutti/io/import.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <system_error>
#include <utility>

#include <tutti/io/dataset_writer.hpp>
#include <tutti/io/files.hpp>
#include <tutti/io/importers/spool.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti::io {

namespace {

namespace fs = std::filesystem;

constexpr const char* kSpoolName = ".import.spool";

std::string folder_name(const fs::path& folder) {
  const fs::path normal = fs::absolute(folder).lexically_normal();
  return (normal.has_filename() ? normal : normal.parent_path()).filename().string();
}

// What is known of the labels once all of them have been seen.
struct Classes {
  bool known = false;
  std::size_t count = 0;
};

// A temporary file that goes when it is no longer needed.
class Spool {
 public:
  explicit Spool(fs::path file) : file_(std::move(file)) {}
  ~Spool() {
    std::error_code ignored;
    fs::remove(file_, ignored);
  }
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;
  const fs::path& file() const noexcept { return file_; }

 private:
  fs::path file_;
};

class Import {
 public:
  Import(const ImportOptions& options, Ranks& ranks) : options_(options), ranks_(ranks) {}

  void run(const std::function<std::unique_ptr<SampleSource>()>& make) {
    source_ = agree(ranks_, make);
    source_->survey(ranks_);
    Classes classes = stated_classes();
    std::optional<FolderLock> lock;  // before the spool, which is one file of a folder
    std::optional<Spool> spool;
    if (!source_->samples()) {
      agree(ranks_, [&] {
        if (ranks_.rank() != 0) return;
        prepare_folder(options_.folder, options_.replace);
        lock.emplace(options_.folder);
        spool.emplace(options_.folder / kSpoolName);
      });
      classes = spool_samples(options_.folder / kSpoolName, classes);
      spool.reset();  // all ranks have it open
    }
    const std::uint64_t samples = *source_->samples();
    if (samples == 0) throw DataError(fmt::format("{}: there are no samples to be imported", options_.folder.string()));
    DatasetWriter writer(options_.folder, plan(samples, classes), ranks_, std::move(lock));
    agree(ranks_, [&] { copy(writer, samples); });
    take_notes();
    if (!classes.known) classes = agreed_classes(samples);
    writer.finish(classes.count);
    if (options_.note && ranks_.rank() == 0)
      for (const std::string& note : notes_) options_.note(note);
  }

 private:
  DatasetPlan plan(std::uint64_t samples, const Classes& classes) const {
    const DatasetLinks* const links = source_->links();
    return {.name = options_.name.empty() ? folder_name(options_.folder) : options_.name,
            .fields = source_->fields(),
            .samples = samples,
            .shards = links != nullptr ? links->files.size() : options_.shards,
            .classes = classes.known ? classes.count : 0,
            .class_names = class_names_,
            .links = links != nullptr ? std::optional(*links) : std::nullopt,
            .replace = options_.replace,
            .chunk_samples = options_.chunk_samples,
            .compression = options_.compression};
  }

  Classes stated_classes() {
    class_names_ = source_->class_names();
    if (source_->labels() == nullptr) return {.known = true, .count = 0};
    const std::size_t stated = source_->labels()->classes();
    return {.known = stated > 0, .count = stated};
  }

  // The largest label of all ranks decides. Requires that all samples have been read.
  Classes agreed_classes(std::uint64_t samples) {
    const ClassLabels& labels = *source_->labels();
    agree(ranks_, [&] {
      if (labels.largest() < ClassLabels::kPlausible || static_cast<std::uint64_t>(labels.largest()) < samples) return;
      throw DataError(
          fmt::format("{}: label {} would make {} classes for {} samples; if so many are meant, say so by "
                      "--classes",
                      labels.place(), labels.largest(), static_cast<std::uint64_t>(labels.largest()) + 1, samples));
    });
    std::uint64_t count = 0;
    for (const auto& numbers : ranks_.all_gather({static_cast<std::uint64_t>(labels.largest() + 1)}))
      count = std::max(count, numbers[0]);
    return {.known = true, .count = count};
  }

  // Rank 0 reads the source into a file, which takes its place on all ranks.
  Classes spool_samples(const fs::path& file, Classes classes) {
    std::uint64_t samples = 0;
    agree(ranks_, [&] {
      if (ranks_.rank() == 0) samples = write_spool(*source_, file, [&](std::uint64_t seen) { tell(seen, {}); });
    });
    samples = ranks_.all_gather({samples})[0][0];
    if (!classes.known && samples > 0) classes = agreed_classes(samples);
    take_notes();
    std::vector<Field> fields = source_->fields();
    source_ = agree(ranks_, [&] { return open_spool(file, std::move(fields), samples); });
    return classes;
  }

  void take_notes() {
    std::vector<std::string> notes = source_->notes(ranks_);
    notes_.insert(notes_.end(), notes.begin(), notes.end());
  }

  void copy(DatasetWriter& writer, std::uint64_t samples) {
    const Range own = writer.own_samples();
    if (own.size() == 0) return;
    source_->skip_to(own.first);
    constexpr std::uint64_t kMost = 4096;
    SampleBlock block(source_->fields().size());
    for (std::uint64_t done = 0; done < own.size();) {
      block.clear();
      const std::uint64_t count = source_->read(std::min(kMost, own.size() - done), block);
      if (count == 0)
        throw DataError(fmt::format("{}: the input ends after {} samples instead of {}", options_.folder.string(),
                                    own.first + done, samples));
      writer.append(block);
      done += count;
      tell(done, own.size());
    }
    block.clear();
    if (own.last == samples && source_->read(1, block) != 0)
      throw DataError(fmt::format("{}: the input has more than {} samples", options_.folder.string(), samples));
  }

  void tell(std::uint64_t samples, std::optional<std::uint64_t> total) const {
    if (options_.progress)
      options_.progress({.samples = samples, .bytes = source_->bytes_read(), .samples_total = total});
  }

  const ImportOptions& options_;
  Ranks& ranks_;
  std::unique_ptr<SampleSource> source_;
  std::vector<std::string> class_names_;
  std::vector<std::string> notes_;
};

}  // namespace

void ClassLabels::refuse(std::int64_t label, const std::string& place) const {
  if (classes_ == 0) throw DataError(fmt::format("{}: label {} is below 0, the first class", place, label));
  throw DataError(fmt::format("{}: label {} is not in 0 .. {}", place, label, classes_ - 1));
}

void import_samples(const std::function<std::unique_ptr<SampleSource>()>& make, const ImportOptions& options,
                    Ranks& ranks) {
  if (options.folder.empty()) throw InvalidArgument("the name of the new data set's folder is empty");
  std::error_code unseen;
  const bool was_there = fs::exists(options.folder, unseen) || unseen;
  try {
    Import(options, ranks).run(make);
  } catch (...) {
    std::error_code not_empty;
    if (!was_there && ranks.rank() == 0) fs::remove(options.folder, not_empty);
    throw;
  }
}

}  // namespace tutti::io
