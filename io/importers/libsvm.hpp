// Imports LIBSVM (SVMlight): text of sparse samples, one a line, `LABEL [qid:QUERY] INDEX:VALUE ... [# COMMENT]`, whose
// indices ascend. Blank lines and lines that begin with # are passed over; a line of a label alone is a sample of
// zeros.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <tutti/io/import.hpp>
#include <tutti/io/importers/text_source.hpp>

namespace tutti::io {

struct LibsvmOptions {
  std::vector<std::filesystem::path> files = {};  ///< one after another; "-" is standard input
  std::uint64_t base = 1;    ///< index of the first feature, 0 or 1: programs differ, and no file says
  std::size_t features = 0;  ///< 0: as many as the largest index wants, of plain files
  bool dense = false;        ///< whether all elements are stored, zeros too
  bool target = false;       ///< labels are numbers to predict instead of classes
  std::map<std::int64_t, std::int64_t> label_map = {};  ///< classes of labels, if not empty: of all that there are
  std::string field = "input";                          ///< name of the field of the features
  std::size_t classes = 0;                              ///< 0: largest label + 1
};

/// Samples of the fields `field` (f32, {features}, sparse or dense), "label" (i64, {}) or "target" (f32, {}), and, if
/// the first line has one, "qid" (i64, {}). \throws DataError naming file, line and column (the byte in the line, from
/// 1).
std::unique_ptr<TextSource> open_libsvm(const LibsvmOptions& options);

}  // namespace tutti::io
