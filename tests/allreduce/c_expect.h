/* What the tests of the C interface share. */
#ifndef TUTTI_TESTS_C_EXPECT_H
#define TUTTI_TESTS_C_EXPECT_H

#include <stdio.h>
#include <string.h>

#include <tutti/tutti.h>

static int failures = 0;
static int rank = 0;
static int size = 1;

#define EXPECT(condition)                                                                           \
  do {                                                                                              \
    if (!(condition)) {                                                                             \
      ++failures;                                                                                   \
      fprintf(stderr, "rank %d: %s:%d: %s; last error: %s\n", rank, __FILE__, __LINE__, #condition, \
              tutti_error_text());                                                                  \
    }                                                                                               \
  } while (0)

static int says(const char* part) { return strstr(tutti_error_text(), part) != NULL; }

#endif /* TUTTI_TESTS_C_EXPECT_H */
