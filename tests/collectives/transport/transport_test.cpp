// Which transport a communicator gets: by option, by environment, and what is wrong on some or on all ranks.
#include <gtest/gtest.h>

#include <cstdlib>
#include <optional>
#include <string>

#include <tests/support/ranks/errors.hpp>
#include <tests/support/ranks/members.hpp>
#include <tutti/collectives/communicator/communicator_state.hpp>
#include <tutti/collectives/transport/open_transport.hpp>
#include <tutti/collectives/transport/routed_transport.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::test {
namespace {

/// Sets TUTTI_TRANSPORT for a while; null: unset.
class Environment {
 public:
  explicit Environment(const char* value) {
    if (const char* before = std::getenv(kName)) before_ = before;
    set(value);
  }
  ~Environment() { set(before_ ? before_->c_str() : nullptr); }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  static constexpr const char* kName = "TUTTI_TRANSPORT";
  static void set(const char* value) {
    if (value == nullptr) {
      unsetenv(kName);
    } else {
      setenv(kName, value, 1);
    }
  }
  std::optional<std::string> before_;
};

Communicator make(std::optional<TransportKind> kind) {
  CommunicatorOptions options = patient();
  options.ranks_per_node = 1;
  options.transport = kind;
  return Communicator(MPI_COMM_WORLD, options);
}

bool has_ucx() { return !detail::ucx_version().empty(); }

/// Only where other nodes are reached by UCX is there anything to route.
bool is_by_ucx(const Communicator& comm) {
  return dynamic_cast<const detail::RoutedTransport*>(&comm.state().transport()) != nullptr;
}

TEST(Transport, IsMpiByDefault) {
  const Environment none(nullptr);
  const Communicator comm = make(std::nullopt);
  EXPECT_EQ(comm.options().transport, TransportKind::mpi);
  EXPECT_FALSE(is_by_ucx(comm));
}

TEST(Transport, IsWhatTheEnvironmentSaysUnlessThereIsAnOption) {
  const Environment mpi("mpi");
  EXPECT_EQ(make(std::nullopt).options().transport, TransportKind::mpi);
  const Environment ucx("ucx");
  EXPECT_EQ(make(TransportKind::mpi).options().transport, TransportKind::mpi);
  if (!has_ucx()) GTEST_SKIP() << "UCX is not built";
  const Communicator comm = make(std::nullopt);
  EXPECT_EQ(comm.options().transport, TransportKind::ucx);
  EXPECT_EQ(is_by_ucx(comm), comm.size() > 1);
}

TEST(Transport, IsInheritedAndOnlyForOtherNodes) {
  const Environment none(nullptr);
  if (!has_ucx()) GTEST_SKIP() << "UCX is not built";
  const Communicator comm = make(TransportKind::ucx);
  const auto part = comm.split(0, -comm.rank());
  EXPECT_EQ(part->options().transport, TransportKind::ucx);
  EXPECT_EQ(is_by_ucx(*part), comm.size() > 1);
  EXPECT_EQ(is_by_ucx(comm.cross_communicator()), comm.size() > 1);
  EXPECT_EQ(comm.local_communicator().options().transport, TransportKind::ucx);
  EXPECT_FALSE(is_by_ucx(comm.local_communicator()));
}

TEST(Transport, UnknownToSomeIsInvalidOnAll) {
  const int last = [] {
    int size = 0;
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    return size - 1;
  }();
  const Environment wrong(world_rank() == last ? "tcp" : "mpi");
  const Result result = attempt([] { make(std::nullopt); });
  EXPECT_EQ(result.outcome, Outcome::invalid);
  EXPECT_TRUE(contains(result.message, "TUTTI_TRANSPORT is 'tcp', neither mpi nor ucx"));
  EXPECT_EQ(contains(result.message, text("rank ", last, ": ")), world_rank() != last);
  EXPECT_EQ(attempt([] { make(static_cast<TransportKind>(77)); }).outcome, Outcome::invalid);
}

TEST(Transport, DifferentOnSomeIsInvalidOnAll) {
  int size = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  if (size == 1 || !has_ucx()) GTEST_SKIP() << "needs a peer, and UCX";
  const Environment wrong(world_rank() == 0 ? "ucx" : "mpi");
  const Result result = attempt([] { make(std::nullopt); });
  EXPECT_EQ(result.outcome, Outcome::invalid);
  EXPECT_TRUE(contains(result.message, "the transports (options.transport, or TUTTI_TRANSPORT"));
  EXPECT_TRUE(contains(result.message,
                       size == 2 ? "differ between rank 0 and rank 1" : "differ between rank 0 and ranks 1, 2"));
}

TEST(Transport, ThatIsNotBuiltIsInvalid) {
  if (has_ucx()) GTEST_SKIP() << "UCX is built";
  const Result result = attempt([] { make(TransportKind::ucx); });
  EXPECT_EQ(result.outcome, Outcome::invalid);
  EXPECT_TRUE(contains(result.message, "libucx-dev"));
}

}  // namespace
}  // namespace tutti::test
