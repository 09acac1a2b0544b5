// Asking and answering; see questions.hpp.
#include <tutti/collectives/communicator/questions.hpp>
#include <tutti/collectives/communicator/sequence.hpp>
#include <tutti/kernels/text.hpp>

namespace tutti::detail {

bool Questions::ask(int peer, std::uint64_t sequence) noexcept {
  Header header = {};
  header.call.sequence = kNoSequence;
  if (const Header* const own = calls_.find(sequence)) header = *own;
  control_.send(peer,
                {.kind = ControlMessage::Kind::asks, .about = control_.rank(), .sequence = sequence, .header = header});
  return header.call.sequence == sequence;
}

std::string Questions::handle_question(const ControlMessage& message) {
  const Header* const own = calls_.find(message.sequence);
  if (own != nullptr && message.header.call.sequence == message.sequence) {
    std::string difference = find_difference(control_.rank(), *own, message.about, message.header);
    if (!difference.empty()) return text(name(own->call.collective), " #", message.sequence, ": ", difference);
  }
  open_.push_back({message.about, message.sequence});
  return {};
}

void Questions::answer(const Question& question, std::string_view what) noexcept {
  ControlMessage message{
      .kind = ControlMessage::Kind::answers, .about = control_.rank(), .sequence = question.sequence};
  message.say(what);
  control_.send(question.peer, message);
}

std::string Questions::answer_of(int peer, std::uint64_t sequence) const {
  const auto found = answers_.find(peer);
  if (found == answers_.end() || found->second.sequence != sequence) return {};
  return found->second.text.data();
}

}  // namespace tutti::detail
