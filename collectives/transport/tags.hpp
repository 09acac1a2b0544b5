// Who uses which tags of a communicator's transport; MPI guarantees 0 to 32767.
#pragma once

namespace tutti::detail {

/// Collectives use tags 0 to kCollectiveTags - 1, by sequence number.
inline constexpr int kCollectiveTags = 32000;

/// Headers of point-to-point messages, with the payloads that ride along, and payloads of their own.
inline constexpr int kMessageTag = kCollectiveTags;
inline constexpr int kMessagePayloadTag = kCollectiveTags + 1;

/// Clocks and timelines, by MPI whatever the transport.
inline constexpr int kTraceTag = kCollectiveTags + 2;

}  // namespace tutti::detail
