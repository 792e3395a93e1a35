#include "coordinator/server/without_paths.h"

#include <algorithm>
#include <utility>

namespace tutti::server {
namespace {

constexpr std::string_view kInstead = "(path)";
constexpr std::string_view kBefore = " \"'`(=:,[{";  // of a path's first slash
constexpr std::string_view kBehind = " \"'`()\\";    // of its last letter
constexpr std::string_view kSentence = ".,;:";       // belongs to the sentence at its end

bool BeginsPath(std::string_view text, size_t at) {
  if (text[at] != '/' || at + 1 >= text.size()) return false;
  if (at > 0 && kBefore.find(text[at - 1]) == std::string_view::npos) return false;
  return text[at + 1] != '/' && kBehind.find(text[at + 1]) == std::string_view::npos;
}

size_t EndOfPath(std::string_view text, size_t begin) {
  size_t end = std::min(text.find_first_of(kBehind, begin), text.size());
  while (kSentence.find(text[end - 1]) != std::string_view::npos) --end;
  return end;
}

}  // namespace

// The home is known: its name may have spaces.
std::string WithoutPaths(std::string_view json, std::string_view home) {
  std::string shown;
  for (size_t i = 0; i < json.size();) {
    const bool in_home = home.size() > 1 && json.substr(i).starts_with(home);
    if (in_home || BeginsPath(json, i)) {
      i = std::max(EndOfPath(json, in_home ? i + home.size() : i), i + 1);
      shown += kInstead;
    } else {
      shown += json[i++];
    }
  }
  return shown;
}

namespace {

class StreamForReaders : public BodyStream {
 public:
  StreamForReaders(std::shared_ptr<BodyStream> whole, std::string home)
      : whole_(std::move(whole)), home_(std::move(home)) {}
  void Next(std::function<void(std::string)> ready) override {
    whole_->Next(
        [ready = std::move(ready), home = home_](const std::string& piece) { ready(WithoutPaths(piece, home)); });
  }

 private:
  const std::shared_ptr<BodyStream> whole_;
  const std::string home_;
};

}  // namespace

Respond ForReaders(Respond respond, std::string home) {
  return [respond = std::move(respond), home = std::move(home)](HttpResponse response) {
    if (response.stream) response.stream = std::make_shared<StreamForReaders>(std::move(response.stream), home);
    if (response.content_type.ends_with("json")) response.body = WithoutPaths(response.body, home);
    respond(std::move(response));
  };
}

}  // namespace tutti::server
