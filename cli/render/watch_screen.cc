#include "cli/render/watch_screen.h"

#include <algorithm>

namespace tutti::cli {
namespace {

constexpr size_t kRowsForNews = 16;  // a lower terminal shows members alone
constexpr const char* kFooter = "Ctrl-C leaves; the ensemble goes on.";

}  // namespace

std::vector<std::string> RenderWatchScreen(const EnsembleDocument& document, const std::deque<std::string>& news,
                                           LiveView view) {
  const size_t height = view.height;
  const size_t told = height < kRowsForNews ? 0 : std::min(news.size(), height / 4);
  const size_t below = (told > 0 ? told + 2 : 0) + 1;  // with a blank line and a heading
  view.height = height > below ? height - below : 1;
  std::vector<std::string> lines = RenderLive(document, view);
  if (told > 0) {
    lines.emplace_back();
    lines.push_back(Paint(view.colour, Ink::kBold, "what happened last"));
    for (size_t i = news.size() - told; i < news.size(); ++i) lines.push_back(Shorten(OneLine(news[i]), view.width));
  }
  if (lines.size() < height) lines.push_back(Paint(view.colour, Ink::kDim, Shorten(kFooter, view.width)));
  return lines;
}

}  // namespace tutti::cli
