/* Communicators made in every way, used and freed; attributes of the program's own; and many one after the other. */
#include <dirent.h>
#include <unistd.h>

#include "program.h"

static int copies = 0;
static int deletions = 0;

static int copy_attribute(MPI_Comm comm, int key, void* extra, void* in, void* out, int* flag) {
  (void)comm, (void)key, (void)extra;
  ++copies;
  *(void**)out = in;
  *flag = 1;
  return MPI_SUCCESS;
}

static int delete_attribute(MPI_Comm comm, int key, void* value, void* extra) {
  (void)comm, (void)key, (void)value, (void)extra;
  ++deletions;
  return MPI_SUCCESS;
}

static void use(const char* how, MPI_Comm comm) {
  if (comm == MPI_COMM_NULL) return;
  int data[2] = {rank + 1, 1};
  int own = 0;
  MPI_Comm_rank(comm, &own);
  is_served(ALLREDUCE, comm, sizeof data);
  MPI_Allreduce(MPI_IN_PLACE, data, 2, MPI_INT, MPI_SUM, comm);
  result(how, data, sizeof data);
  data[0] = own * 10;
  is_served(BCAST, comm, sizeof data);
  MPI_Bcast(data, 2, MPI_INT, data[1] - 1, comm);
  result(how, data, sizeof data);
}

static void use_and_free(const char* how, MPI_Comm* comm) {
  use(how, *comm);
  if (*comm != MPI_COMM_NULL) MPI_Comm_free(comm);
  if (check(*comm == MPI_COMM_NULL, how) != 0) exit(1);
}

static void every_way(void) {
  MPI_Comm comm = MPI_COMM_NULL;
  int key = MPI_KEYVAL_INVALID;
  MPI_Comm_create_keyval(copy_attribute, delete_attribute, &key, NULL);
  MPI_Comm_set_attr(MPI_COMM_WORLD, key, &key);
  MPI_Comm_dup(MPI_COMM_WORLD, &comm);
  use_and_free("dup", &comm);
  MPI_Comm_dup_with_info(MPI_COMM_WORLD, MPI_INFO_NULL, &comm);
  use_and_free("dup_with_info", &comm);
  MPI_Comm_delete_attr(MPI_COMM_WORLD, key);
  MPI_Comm_free_keyval(&key);
  result("copies of an attribute", &copies, sizeof copies);
  result("deletions of an attribute", &deletions, sizeof deletions);

  MPI_Comm_split(MPI_COMM_WORLD, rank == 0 ? MPI_UNDEFINED : 1, -rank, &comm);
  use_and_free("split", &comm);
  MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &comm);
  use_and_free("split_type", &comm);

  MPI_Group world;
  MPI_Group some;
  int last_first[1][3] = {{size - 1, 0, -1}};
  MPI_Comm_group(MPI_COMM_WORLD, &world);
  MPI_Group_range_incl(world, 1, last_first, &some);
  MPI_Comm_create(MPI_COMM_WORLD, some, &comm);
  use_and_free("create", &comm);
  MPI_Group_free(&some);
  const int even = (size + 1) / 2;
  int members[64];
  for (int i = 0; i < even; ++i) members[i] = 2 * i;
  MPI_Group_incl(world, even, members, &some);
  if (rank % 2 == 0) {
    MPI_Comm_create_group(MPI_COMM_WORLD, some, 9, &comm);
    use_and_free("create_group", &comm);
  }
  MPI_Group_free(&some);
  MPI_Group_free(&world);
}

static void topologies(void) {
  MPI_Comm comm = MPI_COMM_NULL;
  const int rows = size % 2 == 0 ? 2 : 1;
  const int dims[2] = {rows, size / rows};
  const int periods[2] = {1, 0};
  const int remains[2] = {0, 1};
  MPI_Comm row = MPI_COMM_NULL;
  MPI_Cart_create(MPI_COMM_WORLD, 2, dims, periods, 0, &comm);
  MPI_Cart_sub(comm, remains, &row);
  use_and_free("cart_sub", &row);
  use_and_free("cart_create", &comm);

  int ends[64];
  int edges[64];
  for (int i = 0; i < size; ++i) {
    ends[i] = i + 1;
    edges[i] = (i + 1) % size;
  }
  MPI_Graph_create(MPI_COMM_WORLD, size, ends, edges, 0, &comm);
  use_and_free("graph_create", &comm);
  const int next = (rank + 1) % size;
  const int before = (rank + size - 1) % size;
  const int one = 1;
  MPI_Dist_graph_create(MPI_COMM_WORLD, 1, &rank, &one, &next, &one, MPI_INFO_NULL, 0, &comm);
  use_and_free("dist_graph_create", &comm);
  MPI_Dist_graph_create_adjacent(MPI_COMM_WORLD, 1, &before, &one, 1, &next, &one, MPI_INFO_NULL, 0, &comm);
  use("dist_graph_create_adjacent", comm);
  MPI_Comm_disconnect(&comm);
}

static int open_files(void) {
  int count = 0;
  DIR* folder = opendir("/proc/self/fd");
  while (readdir(folder) != NULL) ++count;
  closedir(folder);
  return count;
}

static long megabytes(void) {
  long pages = 0;
  FILE* file = fopen("/proc/self/statm", "r");
  if (fscanf(file, "%ld", &pages) != 1) pages = 0;
  fclose(file);
  return pages * sysconf(_SC_PAGESIZE) / 1048576;
}

/* What one takes must be given back, though ranks free them at different times; by whatever name they free them. */
static int many(void) {
  int files = 0;
  long memory = 0;
  for (int i = 0; i < 120; ++i) {
    MPI_Comm comm;
    if (i == 60) {
      files = open_files();
      memory = megabytes();
    }
    MPI_Comm_dup(MPI_COMM_WORLD, &comm);
    use("many", comm);
    if (i % size == rank) usleep(2000);
    if (i % 2 == 0) {
      MPI_Comm_free(&comm);
    } else {
      PMPI_Comm_free(&comm);
    }
  }
  return check(open_files() <= files + 16, "open files grow") + check(megabytes() <= memory + 16, "memory grows");
}

/* Freed by one rank long before the others, which it need not wait for. */
static int early(void) {
  MPI_Comm comm;
  int token = 1;
  MPI_Comm_dup(MPI_COMM_WORLD, &comm);
  use("early", comm);
  const double start = MPI_Wtime();
  if (rank == 0) {
    MPI_Comm_free(&comm);
    for (int r = 1; r < size; ++r) MPI_Send(&token, 1, MPI_INT, r, 4, MPI_COMM_WORLD);
  } else {
    MPI_Recv(&token, 1, MPI_INT, 0, 4, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    MPI_Comm_free(&comm);
  }
  return check(MPI_Wtime() - start < 4, "freeing waits for the other ranks");
}

/* More than get a shadow, MPI_COMM_WORLD being the first. */
static void too_many(int limit) {
  MPI_Comm comms[40];
  for (int i = 0; i < 40; ++i) {
    int one = 1;
    MPI_Comm_dup(MPI_COMM_WORLD, &comms[i]);
    if (i + 1 < limit) {
      is_served(ALLREDUCE, comms[i], sizeof one);
    } else {
      passes(ALLREDUCE, sizeof one);
    }
    MPI_Allreduce(MPI_IN_PLACE, &one, 1, MPI_INT, MPI_SUM, comms[i]);
    result("too many", &one, sizeof one);
  }
  for (int i = 0; i < 39; ++i) MPI_Comm_free(&comms[i]); /* the last is left to MPI_Finalize */
}

int main(int argc, char** argv) {
  int failed = 0;
  MPI_Init(&argc, &argv);
  begin();
  if (argc == 2) {
    too_many(atoi(argv[1]));
  } else {
    every_way();
    topologies();
    failed = many() + early();
  }
  end();
  return failed;
}
