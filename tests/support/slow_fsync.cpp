// Preloaded, makes a disk of which every write that is to last takes TUTTI_TEST_FSYNC_SECONDS seconds, on rank 0.
#include <unistd.h>

#include <cstdlib>
#include <cstring>

extern "C" int fsync(int) {
  const char* rank = std::getenv("OMPI_COMM_WORLD_RANK");
  if (rank == nullptr) rank = std::getenv("PMI_RANK");
  const char* seconds = std::getenv("TUTTI_TEST_FSYNC_SECONDS");
  if (seconds != nullptr && rank != nullptr && std::strcmp(rank, "0") == 0)
    ::sleep(static_cast<unsigned>(std::atoi(seconds)));
  return 0;
}
