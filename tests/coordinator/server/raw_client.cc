#include "raw_client.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "common/network/home_socket.h"

namespace tutti::testing {

Json Answer::json() const { return ParseJson(body).value_or(Json(nullptr)); }

RawClient::RawClient(const std::filesystem::path& home) {
  const auto address = network::HomeSocketAddress::In(home);
  if (!address) return;
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  std::strncpy(name.sun_path, address->path().c_str(), sizeof(name.sun_path) - 1);
  descriptor_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(descriptor_, reinterpret_cast<const sockaddr*>(&name), sizeof(name)) != 0) {
    ::close(std::exchange(descriptor_, -1));
  }
}

RawClient::RawClient(uint16_t port) {
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(port);
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  descriptor_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(descriptor_, reinterpret_cast<const sockaddr*>(&name), sizeof(name)) != 0) {
    ::close(std::exchange(descriptor_, -1));
  }
}

RawClient::RawClient(RawClient&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), buffer_(std::move(other.buffer_)) {}

RawClient::~RawClient() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void RawClient::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
}

bool RawClient::ReadMore() {
  pollfd wait{descriptor_, POLLIN, 0};
  const auto patience = std::chrono::duration_cast<std::chrono::milliseconds>(kPatience).count();
  if (::poll(&wait, 1, static_cast<int>(patience)) <= 0) return false;
  std::array<char, 65536> chunk;
  const ssize_t count = ::recv(descriptor_, chunk.data(), chunk.size(), 0);
  if (count <= 0) return false;
  buffer_.append(chunk.data(), static_cast<size_t>(count));
  return true;
}

std::optional<Answer> RawClient::Receive() {
  size_t head_end;
  while ((head_end = buffer_.find("\r\n\r\n")) == std::string::npos) {
    if (!ReadMore()) return std::nullopt;
  }
  Answer answer;
  answer.head = buffer_.substr(0, head_end);
  answer.status = std::atoi(answer.head.c_str() + std::strlen("HTTP/1.1 "));
  const size_t length_at = answer.head.find("Content-Length: ");
  const size_t length =
      length_at == std::string::npos ? 0 : std::strtoul(answer.head.c_str() + length_at + 16, nullptr, 10);
  const size_t body_at = head_end + 4;
  while (buffer_.size() < body_at + length) {
    if (!ReadMore()) return std::nullopt;
  }
  answer.body = buffer_.substr(body_at, length);
  buffer_.erase(0, body_at + length);
  return answer;
}

bool RawClient::WaitForClose() {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (ReadMore()) {
  }
  return std::chrono::steady_clock::now() < deadline;
}

std::optional<Answer> RawClient::Ask(std::string_view method, std::string_view target, std::string_view body) {
  Send(fmt::format("{} {} HTTP/1.1\r\nHost: tutti\r\nContent-Length: {}\r\n\r\n{}", method, target, body.size(), body));
  return Receive();
}

Answer Request(const std::filesystem::path& home, std::string_view method, std::string_view target,
               std::string_view body) {
  RawClient client(home);
  if (!client.connected()) return {};
  return client.Ask(method, target, body).value_or(Answer{});
}

bool Eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
  }
  return true;
}

}  // namespace tutti::testing
