// A mistake in an experiment, and where it stands.
#pragma once

#include <compare>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace tutti::spec {

// What is wrong; what is allowed. Both names and messages hold text as it was written; Text() and Messages() are fit to
// be shown: control characters in them are written out. Lines and columns count from 1, columns in characters; both are
// 0 where there is no such place (an override of the command line, JSON).
struct Diagnostic {
  std::string file;
  int line = 0;
  int column = 0;
  std::string message;
  bool operator==(const Diagnostic&) const = default;

  std::string Text() const;  // "exp.yaml:3:5: message", "--set a=b: message", "message"
};

// Where a value was written: in which of the sources, and there at which place.
struct Position {
  int source = 0;
  int line = 0;
  int column = 0;
  auto operator<=>(const Position&) const = default;
};

// Collects all mistakes of some sources: a file, and the overrides after it. Beyond kMostMistakes nobody reads on: the
// rest is not kept, and a last line says so.
class Problems {
 public:
  static constexpr size_t kMostMistakes = 300;

  // The index by which positions name it.
  int AddSource(std::string name);
  // Said once, however often the same default is read again for another member.
  void Add(Position position, std::string message);

  bool empty() const { return found_.empty(); }
  std::vector<Diagnostic> Diagnostics() const;  // by source, line and column
  std::string Messages() const;                 // without places, one after the other

 private:
  using Found = std::pair<Position, std::string>;

  std::vector<std::string> sources_;
  std::vector<Found> found_;  // in the order in which they were found
  std::set<Found> known_;
  bool more_ = false;
};

}  // namespace tutti::spec
