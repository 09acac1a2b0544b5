// Included first by every public header, so that a compiler of an older standard says this before anything else.
#pragma once

#if __cplusplus < 202002L
#error "tutti needs C++20: compile with -std=c++20 or later"
#endif
