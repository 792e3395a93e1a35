// A client that says exactly what a test wants, and waits for answers with a deadline.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "common/json.h"

namespace tutti::testing {

inline constexpr std::chrono::seconds kPatience{60};  // far beyond what any answer takes

struct Answer {
  int status = 0;
  std::string head;
  std::string body;

  Json json() const;  // null when the body is none
};

class RawClient {
 public:
  // Connects to HOME/coordinator.sock; connected() says whether someone listens.
  explicit RawClient(const std::filesystem::path& home);
  // Connects to a TCP port of this machine.
  explicit RawClient(uint16_t port);
  RawClient(RawClient&& other) noexcept;
  RawClient& operator=(RawClient&&) = delete;
  ~RawClient();

  bool connected() const { return descriptor_ >= 0; }
  void Send(std::string_view bytes);  // as much as the peer takes
  // One whole answer; nothing when the peer closed before, or patience ran out.
  std::optional<Answer> Receive();
  // Reads until the peer closes. False when it did not within kPatience.
  bool WaitForClose();
  std::optional<Answer> Ask(std::string_view method, std::string_view target, std::string_view body = "");

 private:
  bool ReadMore();

  int descriptor_ = -1;
  std::string buffer_;
};

// One request over a connection of its own. Status 0: nobody answered.
Answer Request(const std::filesystem::path& home, std::string_view method, std::string_view target,
               std::string_view body = "");

// Asks again and again until it holds; what is waited for comes from other threads.
bool Eventually(const std::function<bool()>& condition);

}  // namespace tutti::testing
