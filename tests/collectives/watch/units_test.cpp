// Parts of collectives/watch by themselves: the ring of operations while it is written, JSON, clocks, processes.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <locale>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <tutti/collectives/schedule/schedule.hpp>
#include <tutti/collectives/system/json_writer.hpp>
#include <tutti/collectives/system/process_stat.hpp>
#include <tutti/collectives/system/ticks.hpp>
#include <tutti/collectives/transport/clock_offset.hpp>
#include <tutti/collectives/watch/flight_log.hpp>
#include <tutti/collectives/watch/process_view.hpp>
#include <tutti/collectives/watch/record_file.hpp>
#include <tutti/kernels/dtype.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::detail {
namespace {

// ---- The ring

/// A block and ring in plain memory.
class Ring : public testing::Test {
 protected:
  static std::unique_ptr<ControlBlock> make_block() {
    auto block = std::make_unique<ControlBlock>();
    block->record_count = kCount;
    block->tick_source = find_tick_source();
    block->made = take_moment(block->tick_source);
    return block;
  }

  static constexpr std::uint32_t kCount = 64;
  std::unique_ptr<ControlBlock> block_ = make_block();
  std::unique_ptr<Record[]> records_ = std::make_unique<Record[]>(kCount);
  FlightRecorder recorder_{*block_, records_.get(), true, false};
};

TEST_F(Ring, HoldsTheLastInOrder) {
  for (std::uint64_t i = 1; i <= 100; ++i) {
    const std::uint64_t number = recorder_.begin({.sequence = i, .count = 2 * i, .communicator = 1});
    EXPECT_EQ(number, i);
    if (i != 99) recorder_.end(number, i % 10 == 0);
  }
  const auto seen = view_operations(*block_, records_.get());
  ASSERT_EQ(seen.size(), kCount);
  EXPECT_EQ(seen.front().number, 37U);
  for (std::size_t i = 0; i < seen.size(); ++i) {
    EXPECT_EQ(seen[i].sequence, 37 + i);
    EXPECT_EQ(seen[i].count, 2 * seen[i].sequence);
    EXPECT_EQ(seen[i].failed, seen[i].number % 10 == 0);
    EXPECT_EQ(seen[i].end_ns.has_value(), seen[i].number != 99);
    EXPECT_GE(seen[i].end_ns.value_or(INT64_MAX), seen[i].begin_ns);
    EXPECT_GE(seen[i].begin_ns, seen[i == 0 ? 0 : i - 1].begin_ns);
  }
  EXPECT_EQ(recorder_.find(1, 50), 50U);
  EXPECT_EQ(recorder_.find(1, 36), 0U);  // overwritten
  EXPECT_EQ(recorder_.find(2, 50), 0U);
}

TEST_F(Ring, LeavesOverwrittenRecordsAlone) {
  const std::uint64_t early = recorder_.begin({.sequence = 1});
  for (std::uint64_t i = 0; i < kCount; ++i) recorder_.begin({.sequence = 100 + i});
  recorder_.end(early, false);
  recorder_.set_peer(early, 7);
  EXPECT_FALSE(recorder_.set_begin(early));
  for (const OperationView& view : view_operations(*block_, records_.get())) EXPECT_FALSE(view.end_ns.has_value());
}

TEST_F(Ring, ReadsTheClockAsSaid) {
  const auto times = [&](std::uint64_t number) {
    const Record& record = records_[number % kCount];
    return std::pair(record.begin.load(), record.end.load());
  };
  const std::uint64_t timed = recorder_.begin({});
  EXPECT_NE(times(timed).first, 0U);
  EXPECT_FALSE(recorder_.set_begin(timed));
  const std::uint64_t at_end = recorder_.begin({}, false);
  EXPECT_EQ(times(at_end).first, 0U);
  recorder_.end(at_end, false);
  EXPECT_EQ(times(at_end).first, times(at_end).second);
  const std::uint64_t waited = recorder_.begin({}, false);
  EXPECT_TRUE(recorder_.set_begin(waited));
  const std::uint64_t begun = times(waited).first;
  recorder_.end(waited, false, true);
  EXPECT_EQ(times(waited), std::pair(begun, begun));
}

TEST_F(Ring, ForgetsWhatWasNotMade) {
  recorder_.begin({.sequence = 1});
  const std::uint64_t second = recorder_.begin({.sequence = 2});
  recorder_.end(second, false);
  recorder_.forget(second);
  recorder_.begin({.sequence = 3});
  const auto seen = view_operations(*block_, records_.get());
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_EQ(seen[0].sequence, 1U);
  EXPECT_EQ(seen[1].sequence, 3U);
  EXPECT_EQ(dropped_operations(*block_), 0U);
  EXPECT_EQ(recorder_.find(0, 2), 0U);
}

/// What another process shows may be anything.
TEST_F(Ring, IsReadWhateverItHolds) {
  block_->recorded = UINT64_MAX;
  EXPECT_TRUE(view_operations(*block_, records_.get()).empty());
  EXPECT_EQ(dropped_operations(*block_), UINT64_MAX - kCount);
  recorder_.begin({});     // number 0
  block_->host.fill('h');  // without an end
  block_->program.fill('\xFF');
  const std::string record = record_as_json(*block_, records_.get());
  EXPECT_NE(record.find("\"host\": \"" + std::string(block_->host.size(), 'h') + '"'), std::string::npos) << record;
  EXPECT_NE(record.find("\"program\": \"\\ufffd\\ufffd"), std::string::npos) << record;
}

TEST(Json, IsUtf8) {
  EXPECT_EQ(json_string("a\"\\\n"), "\"a\\\"\\\\\\u000a\"");
  const std::string good = "\xC3\xA4 \xE2\x82\xAC \xF0\x9F\x8E\xB5";
  EXPECT_EQ(json_string(good), '"' + good + '"');
  const std::pair<std::string, std::string> bad[] = {
      {"\xC3", "\\ufffd"},                        // cut
      {"\x80!", "\\ufffd!"},                      // begins with nothing
      {"\xC0\xAF", "\\ufffd\\ufffd"},             // longer than needed
      {"\xED\xA0\x80", "\\ufffd\\ufffd\\ufffd"},  // half of a pair
      {"\xF4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd"},
  };
  for (const auto& [bytes, wanted] : bad) EXPECT_EQ(json_string(bytes), '"' + wanted + '"');
}

/// A locale as programs may set it: numbers have groups of digits.
TEST(Json, IsTheSameInEveryLocale) {
  struct Groups : std::numpunct<char> {
    char do_thousands_sep() const override { return ','; }
    std::string do_grouping() const override { return "\3"; }
    char do_decimal_point() const override { return ','; }
  };
  const std::locale before = std::locale::global(std::locale(std::locale::classic(), new Groups));
  const std::string object = JsonWriter().add("count", 1234567).add_raw("s", fixed(0.25, 3)).str();
  const std::string words = text(1234567, ' ', 0.5);
  std::locale::global(before);
  EXPECT_EQ(object, "{\"count\": 1234567, \"s\": 0.250}");
  EXPECT_EQ(words, "1234567 0.5");
}

/// Readers see whole records or none, whatever the writers do meanwhile.
TEST_F(Ring, IsNeverTorn) {
  std::atomic<bool> stop{false};
  std::vector<std::thread> writers;
  for (std::uint64_t w = 1; w <= 2; ++w) {
    writers.emplace_back([&, w] {
      for (std::uint64_t i = 0; !stop; ++i) {
        const std::uint64_t value = i * 2 + w;
        const std::uint64_t number = recorder_.begin({.sequence = value, .count = value * 3, .bytes = value * 5});
        recorder_.end(number, value % 2 == 0);
      }
    });
  }
  std::size_t read = 0;
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(500);
  while (std::chrono::steady_clock::now() < end) {
    for (const OperationView& view : view_operations(*block_, records_.get())) {
      ++read;
      ASSERT_EQ(view.count, view.sequence * 3);
      ASSERT_EQ(view.bytes, view.sequence * 5);
    }
  }
  stop = true;
  for (std::thread& writer : writers) writer.join();
  EXPECT_GT(read, 0U);
}

TEST_F(Ring, HasRoomForTheWaysThatOperationsRun) {
  block_->algorithms[0] = {'r', 'i', 'n', 'g'};
  block_->way_count = 1;
  recorder_.begin({.collective = static_cast<std::uint8_t>(Collective::broadcast),
                   .dtype = static_cast<std::uint8_t>(DType::f32),
                   .algorithm = 1,
                   .radix = 4,
                   .segments = 9});
  recorder_.begin({.peer = -1, .collective = kReceive, .dtype = static_cast<std::uint8_t>(DType::i8)});
  recorder_.begin({.collective = 99, .algorithm = 77});  // as from a block that went bad
  const auto seen = view_operations(*block_, records_.get());
  ASSERT_EQ(seen.size(), 3U);
  EXPECT_EQ(describe(seen[0]), "broadcast #0 (f32 x 0 root 0)");
  EXPECT_EQ(seen[0].algorithm, "ring");
  EXPECT_EQ(seen[0].radix, 4);
  EXPECT_EQ(seen[0].segments, 9);
  EXPECT_EQ(describe(seen[1]), "receive from any rank (i8 x 0)");
  EXPECT_EQ(seen[2].kind, "collective 99");
  EXPECT_EQ(seen[2].algorithm, "");
}

// ---- Clocks

TEST(Ticks, AreWhatTheClockSays) {
  const TickSource source = find_tick_source();
  const Moment early = take_moment(source);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const std::uint64_t between = read_ticks(source);
  const std::int64_t between_ns = monotonic_ns();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const TickScale scale(early, take_moment(source));
  EXPECT_EQ(scale.monotonic_ns(early.ticks), early.monotonic_ns);
  // Another process may run between the two readings.
  EXPECT_NEAR(static_cast<double>(scale.monotonic_ns(between) - between_ns), 0, 50e6);
  EXPECT_GE(scale.monotonic_ns(between) - early.monotonic_ns, 20'000'000);
}

TEST(Alignment, FollowsADrift) {
  Alignment alignment;
  EXPECT_EQ(alignment.aligned(5000), 5000);
  alignment.add({1000, 100, 1});
  EXPECT_EQ(alignment.aligned(5000), 4900);
  alignment.add({2000, 200, 1});
  EXPECT_EQ(alignment.aligned(1500), 1500 - 150);
  EXPECT_EQ(alignment.aligned(0), -100);        // before and after the measurements
  EXPECT_EQ(alignment.aligned(10'000), 9'800);  // nothing is known of the drift
}

// ---- Processes

TEST(ProcessStatTest, IsThisProcesss) {
  const auto own = read_process_stat(getpid());
  ASSERT_TRUE(own.has_value());
  EXPECT_EQ(own->state, 'R');
  EXPECT_EQ(own->parent, getppid());
  EXPECT_GT(own->start_time, 0U);
  EXPECT_EQ(read_process_stat(getpid())->start_time, own->start_time);
  EXPECT_FALSE(read_process_stat(1 << 30).has_value());
  EXPECT_TRUE(is_stopped('T') && is_stopped('t') && is_dead('Z') && is_dead('X') && !is_dead('S'));
}

TEST(Json, IsQuoted) {
  EXPECT_EQ(json_string("a\"b\\c\n\x01"), "\"a\\\"b\\\\c\\u000a\\u0001\"");
  EXPECT_EQ(JsonWriter().add("a", 1).add("b", "x").add("c", true).add("d", std::string("y")).str(),
            R"({"a": 1, "b": "x", "c": true, "d": "y"})");
}

}  // namespace
}  // namespace tutti::detail
