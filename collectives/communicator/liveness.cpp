// Looking for ranks that have ended or keep others waiting; see liveness.hpp.
#include <algorithm>
#include <utility>
#include <vector>

#include <tutti/collectives/communicator/liveness.hpp>
#include <tutti/collectives/watch/hang_report.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::detail {

void Liveness::look(Clock::time_point now, NotifyScope whom) {
  for (NodeWatch::Gone& found : watch_.look(now)) {
    for (int peer = 0; whom == NotifyScope::other_machines && peer < control_.size(); ++peer) {
      if (watch_.is_peer(peer)) continue;
      ControlMessage message{
          .kind = ControlMessage::Kind::gone, .about = found.rank, .sequence = found.finished ? 1U : 0U};
      message.say(found.words);
      control_.send(peer, message);
    }
    gone_.emplace(found.rank, GoneRank{now, found.finished, std::move(found.words)});
  }
}

void Liveness::handle(const ControlMessage& message, Clock::time_point now) {
  gone_.emplace(message.about, GoneRank{now, message.sequence != 0, message.text.data()});
}

bool Liveness::is_any_gone(Clock::time_point now) const noexcept {
  return std::any_of(gone_.begin(), gone_.end(),
                     [&](const auto& entry) { return now - entry.second.since >= kGoneGrace; });
}

std::string Liveness::node_suspects() const {
  const std::vector<ProcessView> node = watch_.view();
  std::string words;
  for (const Suspect& suspect : HangReport(node).suspects()) {
    if (!suspect.ranks.empty()) words += (words.empty() ? "" : "; ") + suspect.words;
  }
  return words;
}

std::optional<std::string> Liveness::node_hang_report(std::uint64_t sequence) const {
  const std::vector<ProcessView> node = watch_.view();
  const HangReport hang_report(node);
  const auto is_told = [&](const CommunicatorView& communicator) {
    return communicator.stamp == stamp_ && communicator.rank < control_.rank() && communicator.mode != WaitMode::none &&
           communicator.sequence == sequence;
  };
  const bool told = std::any_of(node.begin(), node.end(), [&](const ProcessView& process) {
    return std::any_of(process.communicators.begin(), process.communicators.end(), is_told);
  });
  if (told) return std::nullopt;
  std::string lines;
  for (const ProcessView& process : node) {
    lines += text("tutti:   ", hang_report.name_of(process), " ", hang_report.activity(process), "\n");
  }
  for (const Suspect& suspect : hang_report.suspects()) {
    if (!suspect.ranks.empty()) lines += text("tutti:   suspect: ", suspect.words, "\n");
  }
  return lines;
}

}  // namespace tutti::detail
