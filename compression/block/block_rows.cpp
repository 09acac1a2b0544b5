#include <tutti/compression/block/block_rows.hpp>

#include <vector>

#include <tutti/compression/codec_rows.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::detail {
namespace {

const std::vector<BlockRow>& all_block_rows() {
  static const std::vector<BlockRow> kRows = [] {
    std::vector<BlockRow> rows;
    for (const auto& family : {cast_rows(), small_float_rows(), block_integer_rows(), qsgd_rows(), terngrad_rows(),
                               natural_rows(), sign_rows()})
      rows.insert(rows.end(), family.begin(), family.end());
    return rows;
  }();
  return kRows;
}

}  // namespace

std::span<const Codec* const> block_codecs() noexcept {
  static const std::vector<const Codec*> kCodecs = [] {
    std::vector<const Codec*> codecs;
    for (const BlockRow& row : all_block_rows()) codecs.push_back(row.codec);
    return codecs;
  }();
  return kCodecs;
}

std::unique_ptr<const BlockCodec> make_block_codec(const CodecSettings& settings) {
  for (const BlockRow& row : all_block_rows())
    if (row.codec->name == settings.codec) return row.make(settings);
  throw InvalidArgument(text("codec '", settings.codec, "' does not encode block by block"));
}

}  // namespace tutti::detail
