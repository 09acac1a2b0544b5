// What nearly every test includes anyway, read once for all of them where several sources are compiled at a time
// (TUTTI_UNITY). Not nlohmann/json.hpp:
// every test would pay a third of a second for the nine that want it. No test may rely on this file: builds without
// TUTTI_UNITY have it not.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <sstream>
#include <string>
#include <thread>
#include <vector>
