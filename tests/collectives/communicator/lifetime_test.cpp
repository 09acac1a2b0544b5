// Communicators before MPI's life, during a Session, and after; alone, because a process has only one such life.
#include <gtest/gtest.h>
#include <mpi.h>

#include <memory>
#include <string>

#include <tutti/collectives/collectives.hpp>
#include <tutti/collectives/session.hpp>
#include <tutti/kernels/error.hpp>

namespace tutti {
namespace {

std::string refusal() {
  try {
    const Communicator comm(MPI_COMM_WORLD);
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "none";
}

bool is_finalized() {
  int finalized = 0;
  MPI_Finalized(&finalized);
  return finalized != 0;
}

TEST(Lifetime, OfMpiIsThatOfItsSession) {
  EXPECT_EQ(refusal(), "Communicator: MPI is not initialised");
  std::unique_ptr<Communicator> survivor;
  {
    const Session session(nullptr, nullptr);
    int level = -1;
    MPI_Query_thread(&level);
    EXPECT_GE(level, MPI_THREAD_FUNNELED);
    {
      const Session second(nullptr, nullptr);  // not the owner: MPI lives on
    }
    ASSERT_FALSE(is_finalized());
    survivor = std::make_unique<Communicator>(MPI_COMM_WORLD);
    barrier(*survivor);
    EXPECT_EQ(survivor->size(), 1);
  }
  EXPECT_TRUE(is_finalized());
  survivor.reset();  // too late to be freed, which must not matter
  EXPECT_EQ(refusal(), "Communicator: MPI is not initialised");
}

}  // namespace
}  // namespace tutti
