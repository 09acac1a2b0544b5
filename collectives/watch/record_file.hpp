// The flight record as JSON:
//
//   {"format": "tutti flight record 1", "host": "node1", "pid": 1234, "rank": 3, "ranks": 8, "program": "train",
//    "launcher_job": "...", "batch_job": "...", "written": "2026-11-25T12:00:00Z", "why": "...",
//    "epoch_s": 1795608000.123456,
//    "communicators": [{"id": 1, "stamp": "...", "rank": 3, "ranks": 8, "state": "usable", "begun": 1042,
//                       "wait": {"operation": "...", "waited_s": 12.3, "awaited": 1, "ranks": [5]}}],
//    "dropped": 42,
//    "operations": [{"number": 43, "kind": "allreduce", "communicator": 1, "sequence": 7, "count": 1000, "dtype":
//    "f32",
//                    "op": "sum", "bytes": 4000, "algorithm": "ring", "radix": 2, "segments": 1,
//                    "begin_s": 1.234567890, "end_s": null, "state": "running"}]}
//
// Oldest operations come first; `dropped` older ones have been overwritten. Times are seconds since the process made
// its first communicator, which was at `epoch_s` seconds since 1970. `count` is of all blocks together, as are `bytes`.
// `state` is running, complete or failed. Rooted collectives have a `root`, messages a `peer` (-1: any) and no sequence
// number. A communicator is usable, failed or freed; `stamp` is the same on all its ranks.
#pragma once

#include <string>
#include <string_view>

#include <tutti/collectives/system/json_writer.hpp>
#include <tutti/collectives/watch/control_block.hpp>
#include <tutti/collectives/watch/process_view.hpp>

namespace tutti::detail {

/// What records and timelines say of an operation alike.
JsonWriter& add_details(JsonWriter& object, const OperationView& view);

/// `why` is left out if it is empty.
std::string record_as_json(const ControlBlock& block, const Record* records, std::string_view why = {});

/// Where TUTTI_FLIGHT_RECORD tells this process to write: a folder, in which the file is called
/// tutti-record-RANK.json, or a file in whose name %r stands for the rank, %h for the host, %p for the process, %j for
/// the job and %% for %. Empty if it is not set.
std::string record_path(const ControlBlock& block);

/// Writes this process's record there, if it is set: after the first error of a communicator. What fails is said on
/// standard error.
void write_record_on_error(std::string_view why) noexcept;

}  // namespace tutti::detail
