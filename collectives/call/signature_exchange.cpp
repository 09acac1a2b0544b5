// What first messages tell of calls; see signature_exchange.hpp.
#include <cstring>

#include <tutti/collectives/call/signature_exchange.hpp>
#include <tutti/collectives/transport/tags.hpp>

namespace tutti::detail {

/// What `peer` is told, or has to tell.
CallHeader SignatureExchange::header_for(int peer, std::span<const std::size_t> offsets) const noexcept {
  CallHeader header = header_;
  const auto at = static_cast<std::size_t>(peer);
  if (!offsets.empty()) header.count = offsets[at + 1] - offsets[at];
  return header;
}

Signature SignatureExchange::signature_of(const CallHeader& header) const noexcept {
  Signature call = own_;
  const bool by_pair = header.root == CallHeader::kByPair;
  if (by_pair != (header_.root == CallHeader::kByPair)) call.variant = by_pair ? kCountedByPair : 0;
  call.count = header.count;
  call.root = by_pair ? 0 : header.root;
  call.collective = header.collective;
  call.dtype = header.dtype;
  call.op = header.op;
  call.algorithm = header.algorithm;
  return call;
}

void SignatureExchange::begin(const Signature& own, std::uint64_t digest, int size,
                              std::span<const std::size_t> sent_offsets, std::span<const std::size_t> awaited_offsets) {
  own_ = own;
  header_ = {.digest = digest,
             .count = own.count,
             .root = own.variant == kCountedByPair ? CallHeader::kByPair : own.root,
             .collective = own.collective,
             .dtype = own.dtype,
             .op = own.op,
             .algorithm = own.algorithm};
  tag_ = static_cast<int>(own.sequence % std::uint64_t{kCollectiveTags});
  sent_offsets_ = sent_offsets;
  awaited_offsets_ = awaited_offsets;
  ++operation_;
  if (sent_to_.empty()) {
    sent_to_.resize(static_cast<std::size_t>(size));
    awaited_from_.resize(static_cast<std::size_t>(size));
  }
  awaited_count_ = 0;
  sent_count_ = 0;
  unverified_ = 0;
}

void SignatureExchange::send(Transport& transport, int peer, std::span<const std::byte> payload, Pending& pending) {
  std::uint64_t& sent_in = sent_to_[static_cast<std::size_t>(peer)];
  if (sent_in != operation_) {
    sent_in = operation_;
    const std::size_t inlined = payload.size() <= kPackedBytes ? payload.size() : 0;
    const std::size_t header = header_bytes();
    const std::size_t size = header + inlined;
    if (sent_count_ == sent_.size()) sent_.emplace_back();
    std::vector<std::byte>& message = sent_[sent_count_++];
    if (message.size() < size) message.resize(size);
    if (header > 0) {
      const CallHeader call = header_for(peer, sent_offsets_);
      std::memcpy(message.data(), &call, sizeof(call));
    }
    if (inlined > 0) std::memcpy(message.data() + header, payload.data(), inlined);
    transport.send(peer, tag_, {message.data(), size}, pending);
    payload = payload.subspan(inlined);
  }
  if (!payload.empty()) transport.send(peer, tag_, payload, pending);
}

const FirstMessage* SignatureExchange::receive(Transport& transport, int peer, std::span<std::byte> payload,
                                               Pending& pending) {
  const FirstMessage* first = nullptr;
  std::uint64_t& awaited_in = awaited_from_[static_cast<std::size_t>(peer)];
  if (awaited_in != operation_) {
    awaited_in = operation_;
    if (awaited_count_ == awaited_.size()) awaited_.push_back(std::make_unique_for_overwrite<FirstMessage>());
    FirstMessage& first_message = *awaited_[awaited_count_++];
    first_message.peer = peer;
    first_message.verified = false;
    transport.receive(peer, tag_, first_message.bytes(sizeof(CallHeader) - header_bytes()), first_message.pending);
    ++unverified_;
    first = &first_message;
  }
  const bool inlined = first != nullptr && payload.size() <= kPackedBytes;
  if (!inlined && !payload.empty()) transport.receive(peer, tag_, payload, pending);
  return first;
}

std::optional<SignatureExchange::Mismatch> SignatureExchange::verify() {
  std::optional<Mismatch> found;
  for (std::size_t i = 0; i < awaited_count_ && unverified_ > 0; ++i) {
    FirstMessage& first_message = *awaited_[i];
    if (first_message.verified || first_message.pending.messages > 0) continue;
    if (compares_) {
      const CallHeader own = header_for(first_message.peer, awaited_offsets_);
      if (first_message.header != own) {
        const Mismatch mismatch = {first_message.peer, signature_of(own), signature_of(first_message.header)};
        if (!found || (found->own == found->theirs && mismatch.own != mismatch.theirs)) found = mismatch;
        continue;
      }
    }
    first_message.verified = true;
    --unverified_;
  }
  return found;
}

}  // namespace tutti::detail
