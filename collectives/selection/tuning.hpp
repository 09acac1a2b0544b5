// Tuning files: measured costs, with where they were measured, which `tutti tune` writes and communicators read.
//
// A file is JSON. All keys are mandatory and others an error; costs are seconds, and seconds per byte, as in
// TransportCosts. A level that could not be measured holds built-in constants and says so.
//
//   {
//     "format": "tutti tuning",
//     "version": 1,
//     "measured_on": {"cpu": "AMD EPYC 7B13", "cores": 64, "mpi": "Open MPI v4.1.4", "network": "tcp"},
//     "node": {"measured": true, "latency": 3e-07, "overhead": 2e-07, "gap": 4e-07, "byte": 1.5e-10,
//              "distance": 0, "reduce": 8e-11, "copy": 8e-11, "overlaps": false},
//     "network": {the same}
//   }
#pragma once

#include <string>
#include <string_view>

#include <tutti/collectives/selection/cost_model.hpp>
#include <tutti/collectives/selection/fingerprint.hpp>

namespace tutti {

struct Tuning {
  Fingerprint measured_on;
  LevelCosts costs = {kSharedMemoryCosts, kTcpCosts};
  bool node_measured = false;
  bool network_measured = false;
};

/// What is written in a tuning file; `file` is its name in messages.
/// \throws DataError "FILE:LINE: what is wrong".
Tuning parse_tuning(std::string_view content, const std::string& file);

/// parse_tuning() of the file. \throws DataError also if it cannot be read.
Tuning read_tuning(const std::string& file);

/// \throws DataError if it was measured where costs may be others; `file` is its name in messages.
void require_measured_at(const Tuning& tuning, const Fingerprint& here, const std::string& file);

/// The content of a file, which parse_tuning() reads back with the same bits.
std::string tuning_text(const Tuning& tuning);

}  // namespace tutti
