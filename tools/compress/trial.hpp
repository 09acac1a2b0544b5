// What codecs make of tensors: size, error and speed.
#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include <tutti/collectives/communicator.hpp>
#include <tutti/compression/codecs.hpp>
#include <tutti/compression/rehearsal.hpp>

#include "tools/compress/tensor_file.hpp"

namespace tutti::tools {

/// Of one tensor, or of all together.
struct CodecTrial {
  std::size_t bytes = 0;    ///< as f32
  std::size_t encoded = 0;  ///< of a rank's contribution
  EncodingError error = {};
  double encode_seconds = 0.0;  ///< of a rank's work in one call
  double decode_seconds = 0.0;
  std::string problem = {};  ///< why the codec cannot; empty if it can

  double ratio() const noexcept { return static_cast<double>(bytes) / static_cast<double>(encoded); }
  CodecTrial& operator+=(const CodecTrial& other);
};

struct TrialTable {
  CodecSettings settings;
  std::vector<CodecTrial> trials = {};  ///< by tensor
  CodecTrial total = {};                ///< of those without a problem

  std::size_t worked() const;  ///< how many they are
};

/// Of a rank among `ranks` that all have the same tensor. Local: `comm` gives memory only.
TrialTable try_codec(const Communicator& comm, const std::vector<FloatTensor>& tensors, const CodecSettings& settings,
                     int ranks);

/// Lines of text, beginning with the settings.
std::string trial_text(const TensorFile& file, const TrialTable& table);
nlohmann::ordered_json trial_json(const TensorFile& file, const std::vector<TrialTable>& tables, int ranks);

}  // namespace tutti::tools
