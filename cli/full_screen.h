// A terminal's whole screen, for as long as something is watched. What stood there before comes back after it.
#pragma once

#include <string>
#include <vector>

namespace tutti::cli {

class FullScreen {
 public:
  FullScreen() = default;
  FullScreen(const FullScreen&) = delete;
  FullScreen& operator=(const FullScreen&) = delete;
  ~FullScreen() { Leave(); }

  // Lines that fit the terminal, from its first row on. The first call takes the screen.
  void Draw(const std::vector<std::string>& lines);
  void Leave();
  // For a process that ends at once: gives back a terminal's screen, whoever took it.
  static void GiveBack();

 private:
  bool taken_ = false;
};

}  // namespace tutti::cli
