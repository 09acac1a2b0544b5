// Staging, phase by phase: what there is, who lacks what, space, the transfer, the names. Each phase ends in a meeting,
// where all nodes learn whether one has failed; see staging.hpp.
#include "tools/data/staging.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <functional>
#include <limits>
#include <numeric>
#include <optional>
#include <random>
#include <span>
#include <system_error>
#include <utility>

#include <tutti/allreduce/allreduce.hpp>
#include <tutti/collectives/collectives.hpp>
#include <tutti/kernels/clock.hpp>
#include <tutti/kernels/error.hpp>

#include "tools/data/stage_meeting.hpp"
#include "tools/data/stage_progress.hpp"
#include "tools/data/stage_set.hpp"
#include "tools/data/stage_target.hpp"
#include "tools/data/stage_transfer.hpp"

namespace tutti::tools::data {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

// A file system slower than that is taken to hang.
constexpr double kSlowestBytesPerSecond = 20e6;
constexpr int kAttempts = 3;

std::string with_names(std::string path, int node) {
  std::array<char, 64> host{};
  ::gethostname(host.data(), host.size() - 1);
  const auto replace = [&](const std::string& word, const std::string& by) {
    for (std::size_t at = 0; (at = path.find(word, at)) != std::string::npos; at += by.size())
      path.replace(at, word.size(), by);
  };
  replace("{node}", std::to_string(node));
  replace("{host}", host.data());
  return path;
}

/// One staging on one node.
class Staging {
 public:
  Staging(const Communicator& leaders, const StageOptions& options)
      : leaders_(leaders), options_(options), meeting_(leaders), local_(with_names(options.to, leaders.rank())) {}
  ~Staging() {
    target_.reset();
    std::error_code not_empty;
    if (made_) fs::remove(local_, not_empty);
  }
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  StageResult run();

 private:
  bool is_first() const noexcept { return leaders_.rank() == 0; }

  /// Does a part of the work on this node; all learn of what fails on any.
  void together(std::string_view what, double limit, const std::function<void()>& work);
  double limit_for_all_bytes() const;

  void share_set();
  void find_movers();
  void find_missing();
  void require_space();
  void send_missing();
  void transfer_once(std::uint64_t bytes);

  const Communicator& leaders_;
  const StageOptions& options_;
  Meeting meeting_;
  fs::path local_;
  bool made_ = false;  // by this run
  StageSet set_;
  std::optional<Communicator> movers_;  // of one rank for each file system that is written
  std::optional<StageTarget> target_;   // of a mover
  std::optional<StageSource> source_;   // of the first
  std::vector<std::uint8_t> missing_;   // on any node, by block
  StageResult result_;
};

void Staging::together(std::string_view what, double limit, const std::function<void()>& work) {
  std::optional<std::string> problem;
  try {
    work();
  } catch (const CommunicationError&) {
    throw;
  } catch (const std::exception& error) {
    problem = fmt::format("{}: {}", meeting_.own_name(), error.what());
  }
  meeting_.agree(problem, what, limit);
}

double Staging::limit_for_all_bytes() const {
  return options_.timeout + static_cast<double>(set_.bytes()) / kSlowestBytesPerSecond;
}

/// All nodes get to know the files, which node 0 looks at.
void Staging::share_set() {
  together("it reads the headers of the data set", 4 * options_.timeout, [&] {
    if (is_first()) set_ = read_stage_set(options_.source);
  });
  std::string text = is_first() ? to_text(set_) : std::string();
  std::uint64_t length = text.size();
  broadcast(leaders_, std::span(&length, 1), 0);
  text.resize(length);
  broadcast(leaders_, Buffer(text.data(), text.size(), DType::u8), 0);
  if (!is_first()) set_ = set_from_text(text);
  result_.files = set_.files.size() + 1;
  result_.bytes = set_.bytes();
  result_.fingerprint = set_.fingerprint();
}

/// An empty file, for as long as the object lives.
class Probe {
 public:
  explicit Probe(fs::path file) : file_(std::move(file)) {}
  ~Probe() { ::unlink(file_.c_str()); }
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;

  void make() const {
    const int descriptor = ::open(file_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (descriptor < 0)
      throw DataError(fmt::format("{}: cannot be written: {}", file_.parent_path().string(),
                                  std::generic_category().message(errno)));
    ::close(descriptor);
  }

 private:
  fs::path file_;
};

/// Each node makes a file in its folder; the lowest whose file is seen there writes to the folder. Of nodes that share
/// a file system that is one.
void Staging::find_movers() {
  std::uint64_t token = is_first() ? std::random_device()() : 0;
  broadcast(leaders_, std::span(&token, 1), 0);
  const auto path = [&](int node) { return local_ / fmt::format(".stage-probe-{:08x}-{}", token, node); };
  const Probe probe(path(leaders_.rank()));
  together("it makes the folder", options_.timeout, [&] {
    std::error_code unseen;  // the source, from here
    if (fs::equivalent(local_, options_.source, unseen) && !unseen)
      throw DataError(fmt::format("{}: is the data set itself", local_.string()));
    std::error_code failed;
    made_ = fs::create_directories(local_, failed);
    if (failed) throw DataError(fmt::format("{}: cannot be made: {}", local_.string(), failed.message()));
    probe.make();
  });
  int lowest = 0;
  together("it looks at the folder", options_.timeout, [&] {
    while (lowest < leaders_.rank() && !fs::exists(path(lowest))) ++lowest;
  });
  const bool moves = lowest == leaders_.rank();
  movers_ = leaders_.split(moves ? 0 : -1, leaders_.rank());
  std::int32_t copies = moves ? 1 : 0;
  allreduce(leaders_, std::span(&copies, 1), ReduceOp::sum);
  result_.nodes = leaders_.size();
  result_.copies = copies;
}

/// What is there already, here and everywhere.
void Staging::find_missing() {
  together("it looks at what is in the folder", options_.timeout, [&] {
    if (!movers_) return;
    target_.emplace(local_, set_);
    const std::optional<std::string> obstacle = target_->obstacle();
    if (obstacle && !options_.force) throw DataError(*obstacle);
  });
  together("it verifies what is in the folder", limit_for_all_bytes(), [&] {
    if (!movers_) return;
    if (target_->obstacle()) target_->clear();
    target_->survey();
  });
  missing_.assign(set_.blocks(), 0);
  if (movers_) std::copy(target_->missing().begin(), target_->missing().end(), missing_.begin());
  allreduce(leaders_, std::span(missing_), ReduceOp::max);
}

/// Before anything is sent.
void Staging::require_space() {
  together("it looks for space", options_.timeout, [&] {
    if (!movers_) return;
    const std::uint64_t needed = target_->needed_bytes();
    const std::uint64_t free = target_->free_bytes();
    if (needed > free)
      throw DataError(fmt::format("{}: {} are needed, {} are free", local_.string(),
                                  decimal_bytes(static_cast<double>(needed)),
                                  decimal_bytes(static_cast<double>(free))));
  });
  together("it reserves space", limit_for_all_bytes(), [&] {
    if (movers_) target_->reserve();
  });
}

void Staging::transfer_once(std::uint64_t bytes) {
  const StagePlan& plan = result_.plans.front();
  const std::vector<Piece> pieces = cut_pieces(set_, missing_, plan.piece_bytes);
  std::FILE* const stream = options_.json ? stderr : stdout;
  StageProgress progress(bytes, is_first() ? stream : nullptr);
  const auto begin = Clock::now();
  std::uint64_t sent = 0;
  // Nodes that move nothing wait without a limit of their own: those that do have one.
  together("it stages", movers_ ? limit_for_all_bytes() : std::numeric_limits<double>::infinity(), [&] {
    if (!movers_) return;
    try {
      const TransferResult done = transfer(*movers_, pieces, plan, source_ ? &*source_ : nullptr, *target_,
                                           [&](std::uint64_t moved) { progress.show(moved); });
      sent = done.bytes_sent;
      if (done.problem) throw DataError(*done.problem);
    } catch (const CommunicationError& error) {
      throw CommunicationError(fmt::format("{}: {}: {}", meeting_.own_name(), local_.string(), error.what()));
    }
  });
  result_.transfer_seconds += seconds_since(begin);
  if (!movers_) return;
  std::vector<std::uint64_t> links(static_cast<std::size_t>(movers_->size()));
  all_gather(*movers_, std::span(&sent, 1), std::span(links));
  links.pop_back();  // the last one sends nothing
  result_.link_bytes.resize(links.size());
  std::transform(links.begin(), links.end(), result_.link_bytes.begin(), result_.link_bytes.begin(), std::plus<>());
}

void Staging::send_missing() {
  if (is_first()) source_.emplace(options_.source, set_);
  for (int attempt = 0;; ++attempt) {
    const std::vector<Piece> all = cut_pieces(set_, missing_, kStageBlockBytes);
    const std::uint64_t bytes =
        std::accumulate(all.begin(), all.end(), std::uint64_t{0},
                        [](std::uint64_t sum, const Piece& piece) { return sum + piece.bytes; });
    if (bytes == 0) return;
    if (movers_) result_.plans = plan_staging(*movers_, bytes, options_.algorithm, options_.piece_bytes);
    if (is_first() && !options_.json && attempt == 0) {
      const StagePlan& plan = result_.plans.front();
      fmt::print("staging {} of {} files from {} to {} on {} {}: {} in pieces of {} KiB{}\n",
                 decimal_bytes(static_cast<double>(bytes)), result_.files, options_.source, options_.to, result_.nodes,
                 result_.nodes == 1 ? "node" : "nodes", plan.name(), plan.piece_bytes >> 10,
                 plan.seconds > 0 ? fmt::format(", {:.3g} s by the {}", plan.seconds, result_.costs) : "");
      std::fflush(stdout);
    }
    if (!movers_) result_.plans.resize(1, {.algorithm = {}, .piece_bytes = kStageBlockBytes});
    transfer_once(bytes);
    result_.sent_bytes += bytes;
    std::fill(missing_.begin(), missing_.end(), std::uint8_t{0});
    if (movers_) std::copy(target_->missing().begin(), target_->missing().end(), missing_.begin());
    together("it looks at what was written", options_.timeout, [&] {
      if (attempt + 1 == kAttempts && movers_ && !target_->complete())
        throw DataError(fmt::format("{} reads back wrong, however often it is written", target_->first_missing()));
    });
    allreduce(leaders_, std::span(missing_), ReduceOp::max);
  }
}

StageResult Staging::run() {
  const auto begin = Clock::now();
  share_set();
  find_movers();
  find_missing();
  require_space();
  const SelectionFacts& facts = leaders_.selection_facts();
  result_.costs = fmt::format("{} of {}", name(facts.source), facts.costs.network.name);
  send_missing();
  together("it looks whether the source is as it was", options_.timeout, [&] {
    if (source_) source_->require_unchanged();
  });
  together("it gives the files their names", limit_for_all_bytes(), [&] {
    if (movers_) target_->publish();
  });
  result_.read_bytes = source_ ? source_->bytes_read() : 0;
  allreduce(leaders_, std::span(&result_.read_bytes, 1), ReduceOp::sum);
  result_.seconds = seconds_since(begin);
  return result_;
}

}  // namespace

StageResult stage_on_nodes(const Communicator& leaders, const StageOptions& options) {
  Staging staging(leaders, options);
  return staging.run();
}

}  // namespace tutti::tools::data
