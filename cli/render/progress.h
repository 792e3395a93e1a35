// What a running ensemble looks like: a block that is drawn again and again on a terminal, lines where output is piped.
// Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/render/documents.h"
#include "cli/render/text.h"

namespace tutti::cli {

// Mean progress of all members, 0 to 1; one that ended without finishing has nothing left to do.
double OverallProgress(const EnsembleDocument& document);

// Extrapolates from how fast progress was made since the first observation.
class TimeLeft {
 public:
  // Both rise. Nothing before some progress was seen.
  std::optional<double> Seconds(double progress, double elapsed_seconds);

 private:
  struct Observation {
    double progress;
    double elapsed_seconds;
  };
  std::optional<Observation> first_;
};

struct LiveView {
  size_t width = 80;  // of the terminal, in columns
  size_t height = 24;
  double elapsed_seconds = 0;
  std::optional<double> seconds_left;
  Colour colour = Colour::kOff;
};
// Lines that fit the terminal and leave a row free for the cursor, without newlines: a headline, and the members as
// written. Where they are too many: those that run, the failed, the finished, and a count of the others.
std::vector<std::string> RenderLive(const EnsembleDocument& document, const LiveView& view);

// The members as `tutti show` lists them.
std::string RenderMembers(const EnsembleDocument& document, const Page& page);

// Tells what changed from one document to the next, a line for each change of a member's state and each epoch. What the
// first document holds already is not told.
class ChangeTeller {
 public:
  std::vector<std::string> Tell(const EnsembleDocument& document);

 private:
  struct Told {
    std::string state;
    int attempts = 0;
    int epoch = 0;
  };
  static Told ToldOf(const MemberDocument& member);
  static void TellMember(const MemberDocument& member, const Told& told, std::vector<std::string>& lines);

  std::optional<std::map<std::string, Told>> told_;
};

}  // namespace tutti::cli
