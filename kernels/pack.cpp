// Gathering pieces of memory into one buffer, and back. Per byte it reads 1 and writes 1.
#include <tutti/kernels/pack.hpp>

#include <tutti/kernels/copy.hpp>
#include <tutti/kernels/error.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti {
namespace {

/// Every piece has the dtype of `whole`, and together they have its count.
template <class Piece>
void check(const char* function, std::span<const Piece> pieces, const ConstBuffer& whole) {
  if (whole.space != MemorySpace::host)
    throw InvalidArgument(text(function, ": the contiguous buffer is not in host memory"));
  std::size_t total = 0;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (pieces[i].dtype != whole.dtype) {
      throw InvalidArgument(text(function, ": piece ", i, " has dtype ", name(pieces[i].dtype),
                                 ", the contiguous buffer ", name(whole.dtype)));
    }
    if (pieces[i].space != MemorySpace::host)
      throw InvalidArgument(text(function, ": piece ", i, " is not in host memory"));
    total += pieces[i].count;
  }
  if (total != whole.count) {
    throw InvalidArgument(text(function, ": the ", pieces.size(), " pieces have ", total,
                               " elements, the contiguous buffer has ", whole.count));
  }
}

}  // namespace

void pack(std::span<const ConstBuffer> pieces, Buffer out) {
  check("pack", pieces, out);
  auto* to = static_cast<std::byte*>(out.data);
  for (const ConstBuffer& piece : pieces) {
    copy_bytes(to, piece.data, piece.size_bytes());
    to += piece.size_bytes();
  }
}

void unpack(ConstBuffer in, std::span<const Buffer> pieces) {
  check("unpack", pieces, in);
  const auto* from = static_cast<const std::byte*>(in.data);
  for (const Buffer& piece : pieces) {
    copy_bytes(piece.data, from, piece.size_bytes());
    from += piece.size_bytes();
  }
}

}  // namespace tutti
