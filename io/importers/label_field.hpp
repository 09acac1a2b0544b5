// Class labels among the fields of formats that have no rule for them: a field called "label".
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <tutti/io/dataset.hpp>
#include <tutti/io/import.hpp>

namespace tutti::io {

/// Whether the field holds class labels: it is called "label" and has one integer per sample, in whatever shape.
/// `place` tells where it comes from. \throws DataError for anything else of that name
bool holds_class_labels(const Field& field, const std::string& place);

/// The field that class labels are kept in: "label", i64, a scalar.
Field class_label_field();

/// Adds class labels of another integer type to `out` as i64, having seen each. `place` tells where the label number i
/// of `labels` comes from. \throws DataError as ClassLabels does, and for one beyond i64.
void append_class_labels(DType dtype, std::span<const std::byte> labels, ClassLabels& classes,
                         const std::function<std::string(std::size_t)>& place, std::vector<std::byte>& out);

}  // namespace tutti::io
