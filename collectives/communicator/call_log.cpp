// Recording calls; see call_log.hpp.
#include <tutti/collectives/communicator/call_log.hpp>
#include <tutti/collectives/communicator/sequence.hpp>

namespace tutti::detail {

CallLog::CallLog(PublishedCommunicator& published) noexcept : published_(published) {
  for (KeptHeader& recent : recent_) recent.header.call.sequence = kNoSequence;
}

std::uint64_t CallLog::record(const Header& header, bool in_order, bool of_all, const ExecutionInfo& how,
                              BeginTime timed) noexcept {
  const Signature& call = header.call;
  published_.begin(published_.flight_of(call, how), call.sequence, timed);
  if (!compares_) return 0;
  const std::uint64_t digest = digest_of(call);
  KeptHeader& recent = recent_[call.sequence % recent_.size()];
  recent = {.header = header};
  if (in_order) {
    last_call_ = call;
    last_call_.sequence = 0;
    last_call_.history = 0;
    last_kind_ = 0;
    history_ = digest;
  }
  // Other ranks may rightly run something else under this number.
  if (!of_all) recent.header.call.sequence = kNoSequence;
  return digest;
}

const KeptHeader* CallLog::record(const CachedNodePlan& kind, std::uint64_t sequence, BeginTime timed) noexcept {
  published_.begin(kind.flight, sequence, timed);
  if (!compares_) return nullptr;
  KeptHeader& recent = recent_[sequence % recent_.size()];
  if (!recent.is_like(kind.number, last_kind_)) {
    recent = {.header = {.call = kind.signature, .before = last_call_}, .kind = kind.number, .kind_before = last_kind_};
  }
  recent.header.call.sequence = sequence;
  recent.header.call.history = history_;
  if (last_kind_ != kind.number) {
    last_call_ = kind.signature;
    last_kind_ = kind.number;
  }
  history_ = mixed(history_, kind.digest + sequence);
  return &recent;
}

const Header* CallLog::find(std::uint64_t sequence) const noexcept {
  const Header& recent = recent_[sequence % recent_.size()].header;
  return sequence != kNoSequence && recent.call.sequence == sequence ? &recent : nullptr;
}

}  // namespace tutti::detail
