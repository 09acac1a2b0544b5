// Tuning files without MPI: what is written is read back, and what is wrong is refused with its line.
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include <tutti/collectives/selection/tuning.hpp>
#include <tutti/kernels/error.hpp>

#include "tests/support/temporary_folder.hpp"

namespace tutti {
namespace {

namespace fs = std::filesystem;

Tuning example() {
  Tuning tuning;
  tuning.measured_on = {.cpu = "A \"processor\"", .cores = 64, .mpi = "Some MPI 1.2", .network = NetworkClass::rdma};
  tuning.costs.node = {"shared memory", 1.0 / 3, 2e-7, 0, 1.5e-10, 0, 8e-11, 7e-11, true};
  tuning.costs.network = {"RDMA", 1e-6, 2e-6, 3e-6, 4e-10, 0.07, 5e-11, 6e-11, false};
  tuning.node_measured = true;
  return tuning;
}

void expect_same(const TransportCosts& a, const TransportCosts& b) {
  EXPECT_EQ(a.name, b.name);
  EXPECT_EQ(a.latency, b.latency);
  EXPECT_EQ(a.overhead, b.overhead);
  EXPECT_EQ(a.gap, b.gap);
  EXPECT_EQ(a.byte, b.byte);
  EXPECT_EQ(a.distance, b.distance);
  EXPECT_EQ(a.reduce, b.reduce);
  EXPECT_EQ(a.copy, b.copy);
  EXPECT_EQ(a.overlaps, b.overlaps);
}

TEST(TuningFile, IsReadBackWithTheSameBits) {
  const Tuning before = example();
  const Tuning after = parse_tuning(tuning_text(before), "f");
  expect_same(after.costs.node, before.costs.node);
  expect_same(after.costs.network, before.costs.network);
  EXPECT_TRUE(after.node_measured);
  EXPECT_FALSE(after.network_measured);
  EXPECT_NO_THROW(require_measured_at(after, before.measured_on, "f"));
}

/// What is said of the example's text with the first `from` replaced by `to`.
std::string refusal(const std::string& from, const std::string& to) {
  std::string content = tuning_text(example());
  const auto at = content.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  content.replace(at, from.size(), to);
  try {
    parse_tuning(content, "t.json");
  } catch (const DataError& error) {
    return error.what();
  }
  return "accepted";
}

// Lines of the example: 2 format, 3 version, 4 measured_on to 9, 10 node, 11 measured, 12 latency ... 19 overlaps,
// 21 network, 22 measured, 23 latency.
TEST(TuningFile, IsRefusedWithItsLine) {
  const auto expect = [](const std::string& from, const std::string& to, const std::string& why) {
    EXPECT_EQ(refusal(from, to), "t.json:" + why) << from << " -> " << to;
  };
  expect("0.3333333333333333", "-3", "12: \"node.latency\" is -3, not a number of at least 0");
  expect("0.3333333333333333", "-0.5", "12: \"node.latency\" is -0.5, not a number of at least 0");
  expect("0.3333333333333333", "\"1\"", "12: \"node.latency\" is \"1\", not a number of at least 0");
  expect("0.3333333333333333", "null", "12: \"node.latency\" is null, not a number of at least 0");
  expect("0.3333333333333333", "{}", "12: \"node.latency\" is an object, not a number of at least 0");
  expect("\"overlaps\": true\n", "\"overlaps\": 1\n", "19: \"node.overlaps\" is 1, not true or false");
  expect("1e-06", "[1]", "23: \"network.latency\" is an array, which nothing in this format is");
  expect("    \"gap\": 0.0,\n", "", "10: \"node.gap\" is missing");
  expect("\"gap\": 0.0", "\"gap\": 0.0, \"gasp\": 1", "14: unknown key \"node.gasp\"");
  expect("\"gap\": 0.0", "\"gap\": 0.0, \"gap\": 1", "14: \"node.gap\" is there for the second time, after line 14");
  expect("\"node\": {", "\"torus\": 4, \"node\": {", "10: unknown key \"torus\"");
  expect("tutti tuning", "tutti results", "2: \"format\" is \"tutti results\", not \"tutti tuning\"");
  expect("\"version\": 1", "\"version\": 2", "3: \"version\" is 2, not 1");
  expect("\"cores\": 64", "\"cores\": 6.5", "6: \"measured_on.cores\" is 6.5, not a whole number of at least 0");
  expect("\"rdma\"", "\"ether\"", "8: \"measured_on.network\" is \"ether\", not \"rdma\" or \"tcp\"");
}

TEST(TuningFile, ThatIsNotJsonIsRefusedWithItsLine) {
  const auto begins = [](const std::string& message, const std::string& with) {
    EXPECT_EQ(message.substr(0, with.size()), with) << message;
  };
  begins(refusal("\"gap\": 0.0,", "\"gap\": 0.0"), "t.json:15: not JSON: syntax error");
  begins(refusal("0.3333333333333333", "nan"), "t.json:12: not JSON: syntax error");
  begins(refusal("0.3333333333333333", "1e999"), "t.json:12: not JSON: ");
  begins(refusal("\"format\"", "format"), "t.json:2: not JSON: syntax error");
  for (const char* content : {"[]", "3", "\"x\"", "null"}) {
    try {
      parse_tuning(content, "t");
      ADD_FAILURE() << content;
    } catch (const DataError& error) {
      EXPECT_STREQ(error.what(), "t:1: not a JSON object") << content;
    }
  }
  EXPECT_THROW(parse_tuning("", "t"), DataError);
  const std::string whole = tuning_text(example());
  for (std::size_t length = 0; length + 2 < whole.size(); ++length) {
    EXPECT_THROW(parse_tuning(whole.substr(0, length), "t"), DataError) << length;
  }
}

TEST(TuningFile, OfAnotherMachineIsRefused) {
  const auto refused = [](auto change) {
    Fingerprint here = example().measured_on;
    change(here);
    try {
      require_measured_at(example(), here, "t.json");
    } catch (const DataError& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  EXPECT_EQ(refused([](Fingerprint& f) { f.cpu = "B"; }),
            "t.json: measured elsewhere: the processor here is B, not A \"processor\"");
  EXPECT_EQ(refused([](Fingerprint& f) { f.cores = 2; }),
            "t.json: measured elsewhere: the number of cores is 2, not 64");
  EXPECT_EQ(refused([](Fingerprint& f) { f.mpi = "Other MPI"; }),
            "t.json: measured elsewhere: the MPI library is Other MPI, not Some MPI 1.2");
  EXPECT_EQ(refused([](Fingerprint& f) { f.network = NetworkClass::tcp; }),
            "t.json: measured elsewhere: the network is tcp, not rdma");
}

TEST(TuningFile, ThatCannotBeReadIsRefused) {
  const test::TemporaryFolder folder;
  for (const fs::path& path : {folder.path() / "nothing", folder.path()}) {
    try {
      read_tuning(path.string());
      ADD_FAILURE() << path;
    } catch (const DataError& error) {
      EXPECT_NE(std::string(error.what()).find(path.string()), std::string::npos) << error.what();
    }
  }
}

TEST(Network, IsRdmaWhereADeviceIsActive) {
  const test::TemporaryFolder folder;
  const fs::path devices = folder.path();
  const auto port = [&](const char* device, const char* number, const char* state) {
    fs::create_directories(devices / "infiniband" / device / "ports" / number);
    std::ofstream(devices / "infiniband" / device / "ports" / number / "state") << state << '\n';
  };
  EXPECT_EQ(find_network_class(devices), NetworkClass::tcp);
  port("mlx5_0", "1", "1: DOWN");
  fs::create_directories(devices / "infiniband/mlx5_0/device");
  EXPECT_EQ(find_network_class(devices), NetworkClass::tcp);
  port("rxe0", "1", "4: ACTIVE");  // RDMA made up over an Ethernet interface
  EXPECT_EQ(find_network_class(devices), NetworkClass::tcp);
  port("mlx5_0", "2", "4: ACTIVE");
  EXPECT_EQ(find_network_class(devices), NetworkClass::rdma);
  fs::remove_all(devices / "infiniband");
  fs::create_directories(devices / "cxi/cxi0");
  EXPECT_EQ(find_network_class(devices), NetworkClass::rdma);
}

}  // namespace
}  // namespace tutti
