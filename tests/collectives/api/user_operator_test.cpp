// Reductions by functions of the program: any element size, commutative or not, on every algorithm that may run them.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include <tests/support/ranks/grid.hpp>
#include <tutti/allreduce/allreduce.hpp>
#include <tutti/allreduce/allreduce_table.hpp>
#include <tutti/collectives/collectives.hpp>
#include <tutti/collectives/schedule/algorithm_table.hpp>
#include <tutti/collectives/selection/selection.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti {
namespace {

/// The word that is left when words are joined, of up to 7 ranks' letters; 24 bytes, which no dtype has. Joining is
/// associative and not commutative: the result is the ranks' letters in rank order or it is wrong.
struct Word {
  std::uint64_t length;
  std::uint64_t place;
  char letters[8];
};

Word join(const Word& a, const Word& b) {
  Word word = a;
  if (a.place != b.place || a.length + b.length > sizeof(word.letters)) return {999, a.place, {}};
  std::memcpy(word.letters + a.length, b.letters, b.length);
  word.length += b.length;
  return word;
}

Word letter(int rank, std::size_t place) { return {1, place, {static_cast<char>('a' + rank)}}; }

bool is_whole_word(const Word& word, int ranks, std::size_t place) {
  if (word.length != static_cast<std::uint64_t>(ranks) || word.place != place) return false;
  for (int r = 0; r < ranks; ++r) {
    if (word.letters[r] != 'a' + r) return false;
  }
  return true;
}

/// The largest value and who has it: commutative.
struct Largest {
  float value;
  std::int32_t rank;
};
Largest larger(const Largest& a, const Largest& b) {
  if (a.value != b.value) return a.value > b.value ? a : b;
  return a.rank < b.rank ? a : b;
}

template <class T>
Buffer bytes(std::vector<T>& values) {
  return {values.data(), values.size() * sizeof(T), DType::u8};
}

class Functions : public testing::Test {
 protected:
  std::vector<Word> letters(std::size_t count) const {
    std::vector<Word> words;
    for (std::size_t i = 0; i < count; ++i) words.push_back(letter(comm_.rank(), i));
    return words;
  }
  void expect_words(const std::vector<Word>& words, std::size_t first, const std::string& what) const {
    for (std::size_t i = 0; i < words.size(); ++i) {
      ASSERT_TRUE(is_whole_word(words[i], comm_.size(), first + i))
          << what << ": word " << i << " is '" << std::string(words[i].letters, 8) << "'";
    }
  }
  /// Names of the algorithms that may run an operator that is not commutative, and "" for the choice.
  static std::vector<std::string_view> in_rank_order(Collective collective, int root) {
    std::vector<std::string_view> names = {""};
    const auto table = collective == Collective::allreduce ? allreduce_algorithms() : collective_algorithms();
    for (const Algorithm* row : table) {
      bool only_widest = false;
      const Order order = root == 0 ? Order::by_rank_root_first : Order::by_rank;
      if (row->collective == collective && can_serve(*row, {.order = order}, only_widest)) names.push_back(row->name);
    }
    return names;
  }

  Communicator comm_{MPI_COMM_WORLD, test::patient()};
  std::shared_ptr<const UserOperator> join_ = make_user_operator<Word>("join", join, false);
  std::size_t size_ = static_cast<std::size_t>(comm_.size());
  std::vector<std::size_t> counts_ = {0, 1, size_ - 1, size_ + 1, 500};
};

TEST_F(Functions, OfAllreduceRunInRankOrder) {
  const auto names = in_rank_order(Collective::allreduce, 0);
  EXPECT_GE(names.size(), 4U);
  for (const std::string_view name : names) {
    for (const std::size_t count : counts_) {
      for (const std::size_t segment : {0, 100}) {
        std::vector<Word> words = letters(count);
        allreduce(comm_, bytes(words), join_, {.algorithm = name, .segment_bytes = segment});
        expect_words(words, 0, text("allreduce '", name, "' of ", count));
      }
    }
  }
}

TEST_F(Functions, OfReduceRunInRankOrderAtEveryRoot) {
  for (int root = 0; root < comm_.size(); ++root) {
    const auto names = in_rank_order(Collective::reduce, root);
    EXPECT_EQ(names.size(), 3U);  // the choice, knomial, forwarded_knomial
    for (const std::string_view name : names) {
      for (const std::size_t count : counts_) {
        std::vector<Word> words = letters(count);
        std::vector<Word> result(comm_.rank() == root ? count : 0);
        reduce(comm_, bytes(words), bytes(result), join_, root, {.algorithm = name});
        expect_words(result, 0, text("reduce '", name, "' to ", root));
      }
    }
  }
}

TEST_F(Functions, OfReduceScatterRunInRankOrder) {
  for (const std::string_view name : in_rank_order(Collective::reduce_scatter, 0)) {
    for (const std::size_t count : counts_) {
      std::vector<Word> words = letters(count * size_);
      std::vector<Word> result(count);
      reduce_scatter(comm_, bytes(words), bytes(result), join_, {.algorithm = name});
      expect_words(result, count * static_cast<std::size_t>(comm_.rank()), text("reduce_scatter '", name, "'"));
    }
  }
}

TEST_F(Functions, ThatAreCommutativeRunOnEveryAlgorithm) {
  const auto largest = make_user_operator<Largest>("largest", larger);
  for (const Algorithm* row : allreduce_algorithms()) {
    if (row->staged != nullptr) continue;  // which are not for functions
    for (const std::size_t count : counts_) {
      std::vector<Largest> values;
      for (std::size_t i = 0; i < count; ++i) {
        values.push_back({static_cast<float>((comm_.rank() * 7 + static_cast<int>(i) * 3) % 5), comm_.rank()});
      }
      allreduce(comm_, bytes(values), largest, {.algorithm = row->name, .segment_bytes = 64});
      for (std::size_t i = 0; i < count; ++i) {
        Largest expected = {-1, 0};
        for (int r = 0; r < comm_.size(); ++r) {
          expected = larger(expected, {static_cast<float>((r * 7 + static_cast<int>(i) * 3) % 5), r});
        }
        ASSERT_EQ(values[i].rank, expected.rank) << row->name << " of " << count << ", element " << i;
      }
    }
  }
}

/// Larger than the tile through which partial results go.
TEST_F(Functions, TakeLargeElements) {
  using Row = std::array<std::int32_t, 5000>;
  const auto add = make_user_operator<Row>("rows", [](const Row& a, const Row& b) {
    Row sum;
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] = a[i] + b[i];
    return sum;
  });
  std::vector<Row> rows(3);
  for (Row& row : rows) row.fill(comm_.rank() + 1);
  allreduce(comm_, bytes(rows), add, {.algorithm = "recursive_doubling", .radix = std::max(2, comm_.size())});
  const int sum = comm_.size() * (comm_.size() + 1) / 2;
  for (const Row& row : rows) {
    for (const std::int32_t value : row) ASSERT_EQ(value, sum);
  }
}

std::string message_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "nothing thrown";
}

TEST_F(Functions, ThatCannotRunAreInvalid) {
  std::vector<Word> words = letters(4);
  const auto expect = [&](const char* part, const std::function<void()>& act) {
    const std::string message = message_of(act);
    EXPECT_NE(message.find(part), std::string::npos) << message;
  };
  const std::shared_ptr<const UserOperator> none;
  expect("user-defined operator is null", [&] { allreduce(comm_, bytes(words), none); });
  expect("have 0 bytes", [&] {
    allreduce(comm_, bytes(words), std::make_shared<UserOperator>(UserOperator{"nothing", 0, true, join_->function}));
  });
  expect("no multiple of the 24", [&] { allreduce(comm_, bytes(words).slice(0, 25), join_); });
  expect("'ring' does not reduce in rank order, as an operator that is not commutative needs",
         [&] { allreduce(comm_, bytes(words), join_, {.algorithm = "ring"}); });
  if (comm_.size() >= 3) {
    expect("here it must be 3", [&] {
      if (comm_.size() != 3) throw InvalidArgument("here it must be 3");
      std::vector<Word> part(1);
      std::vector<Word> all = letters(3);
      reduce_scatter(comm_, bytes(all), bytes(part), join_, {.radix = 2});
    });
  }
  words = letters(4);
  allreduce(comm_, bytes(words), join_);  // wrong alike, so the communicator is as good as before
  expect_words(words, 0, "after errors");
}

TEST_F(Functions, ThatDifferAreErrors) {
  if (comm_.size() == 1) GTEST_SKIP() << "needs several ranks";
  std::vector<Word> words = letters(4);
  const auto other = make_user_operator<Word>(comm_.rank() == 0 ? "join" : "conjoin", join, false);
  EXPECT_THROW(allreduce(comm_, bytes(words), other), CommunicationError);
}

TEST_F(Functions, ThatThrowAbandonTheCommunicator) {
  if (comm_.size() == 1) GTEST_SKIP() << "alone, nothing is reduced";
  const auto bad = make_user_operator<Word>(
      "bad", [](const Word&, const Word&) -> Word { throw std::runtime_error("cannot be joined"); });
  std::vector<Word> words = letters(4);
  EXPECT_ANY_THROW({
    Request operation = iallreduce(comm_, bytes(words), bad);
    EXPECT_ANY_THROW(operation.wait());
    EXPECT_TRUE(comm_.unusable());
    operation.wait();  // what was reduced half is not reduced again
  });
  EXPECT_TRUE(comm_.unusable());
}

}  // namespace
}  // namespace tutti
