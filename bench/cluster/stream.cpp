// stream SECONDS PORT [ADDRESS]: one TCP connection, full both ways for so long. Two processes run it, the one without
// ADDRESS first; it prints the bytes that it received per second. What a link carries, for collectives to be held
// against.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kPiece = std::size_t{256} << 10;
constexpr auto kPatience = std::chrono::seconds(10);

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "stream: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

int listen_and_accept(sockaddr_in address) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  const int yes = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  const timeval patience{.tv_sec = kPatience.count(), .tv_usec = 0};
  setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) fail("bind");
  if (listen(listener, 1) != 0) fail("listen");
  const int connection = accept(listener, nullptr, nullptr);
  if (connection < 0) fail("accept");
  return connection;
}

/// The other side may not listen yet.
int connect_to(sockaddr_in address) {
  for (const auto begin = Clock::now();; std::this_thread::sleep_for(std::chrono::milliseconds(50))) {
    const int connection = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(connection, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return connection;
    close(connection);
    if (Clock::now() - begin > kPatience) fail("connect");
  }
}

void send_for(int connection, std::chrono::duration<double> time) {
  const std::vector<char> piece(kPiece, 'x');
  for (const auto begin = Clock::now(); Clock::now() - begin < time;) {
    if (send(connection, piece.data(), piece.size(), MSG_NOSIGNAL) < 0) fail("send");
  }
  shutdown(connection, SHUT_WR);
}

/// Bytes per second between the first bytes and the last.
double receive_all(int connection) {
  std::vector<char> piece(kPiece);
  const auto receive = [&] {
    const ssize_t got = recv(connection, piece.data(), piece.size(), 0);
    if (got < 0) fail("recv");
    return got;
  };
  receive();
  const auto begin = Clock::now();
  std::int64_t bytes = 0;
  for (ssize_t got = receive(); got > 0; got = receive()) bytes += got;
  return static_cast<double>(bytes) / std::chrono::duration<double>(Clock::now() - begin).count();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3 && argc != 4) {
    std::fprintf(stderr, "usage: stream SECONDS PORT [ADDRESS]\n");
    return 2;
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(argv[2])));
  address.sin_addr.s_addr = argc == 4 ? inet_addr(argv[3]) : htonl(INADDR_ANY);
  const int connection = argc == 4 ? connect_to(address) : listen_and_accept(address);
  const timeval patience{.tv_sec = kPatience.count(), .tv_usec = 0};
  setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  std::thread sender([&] { send_for(connection, std::chrono::duration<double>(std::atof(argv[1]))); });
  const double rate = receive_all(connection);
  sender.join();
  close(connection);
  std::printf("%.0f\n", rate);
}
