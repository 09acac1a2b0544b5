// Point-to-point messages that are waited for together.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <tutti/collectives/engine/waiting_task.hpp>
#include <tutti/collectives/messages/mailbox.hpp>

namespace tutti::detail {

class MessageTask final : public WaitingTask {
 public:
  explicit MessageTask(const Communicator& comm);
  MessageTask(const MessageTask&) = delete;
  MessageTask& operator=(const MessageTask&) = delete;
  ~MessageTask() override;

  /// Start a message; arguments have been checked. What fails is an error of the whole. \throws CommunicationError
  void send(ConstBuffer data, int to);
  void receive(Buffer data, int from, int* source);

  Progress advance() override;

 private:
  std::string label() const override;
  bool awaits_anyone() const override;
  std::string hopeless() const override;

  struct Part {
    std::shared_ptr<Message> message;
    int* source;           ///< of a receive, may be null
    std::uint64_t flight;  ///< its record
  };
  template <class Start>
  void start(Start start, int* source, std::uint64_t flight);
  void end(const Part& part, bool failed) noexcept;

  std::vector<Part> parts_;  ///< incomplete
  int sends_ = 0;            ///< started
  int receives_ = 0;
};

}  // namespace tutti::detail
