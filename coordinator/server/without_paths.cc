#include "coordinator/server/without_paths.h"

#include <algorithm>
#include <cctype>
#include <optional>
#include <utility>

namespace tutti::server {
namespace {

constexpr std::string_view kInstead = "(path)";
constexpr std::string_view kBefore = " \"'`(=:,[{";  // of a path's first slash
constexpr std::string_view kBehind = " \"'`()\\";    // of the last letter of a path within the home
constexpr std::string_view kSentence = ".,;:";       // belongs to the sentence at its end

bool IsWord(std::string_view text, size_t at) {
  return at < text.size() && (std::isalnum(static_cast<unsigned char>(text[at])) != 0 || text[at] == '_');
}

bool BeginsPath(std::string_view text, size_t at) {
  if (text[at] != '/' || at + 1 >= text.size()) return false;
  if (at > 0 && kBefore.find(text[at - 1]) == std::string_view::npos) return false;
  return text[at + 1] != '/' && kBehind.find(text[at + 1]) == std::string_view::npos;
}

// What closes what stands before a path: the bracket or quote of the same kind; 0: nothing does but the string's end.
char CloserOf(std::string_view text, size_t begin) {
  if (begin > 0 && text[begin - 1] == '"' && (begin < 2 || text[begin - 2] != '\\')) return '\0';
  constexpr std::string_view kOpening = "\"'`([{", kClosing = "\"'`)]}";
  const size_t kind = begin > 0 ? kOpening.find(text[begin - 1]) : std::string_view::npos;
  return kind == std::string_view::npos ? '\0' : kClosing[kind];
}

// Where the JSON string ends that holds `begin`.
size_t EndOfString(std::string_view text, size_t begin) {
  for (size_t i = begin; i < text.size(); ++i) {
    if (text[i] == '"') return i;
    if (text[i] == '\\') ++i;
  }
  return text.size();
}

// Where the part of a sentence ends: before ": ", a line's end, what closes it, or the end of the string.
size_t EndOfPart(std::string_view text, size_t begin, size_t end, char closer) {
  for (size_t i = begin; i < end; ++i) {
    const bool escaped = text[i] == '\\' && i + 1 < end;
    if (escaped && text[i + 1] == 'n') return i;
    const size_t letter = escaped ? i + 1 : i;
    if (closer != '\0' && text[letter] == closer && !IsWord(text, letter + 1)) return i;
    if (kSentence.find(text[i]) != std::string_view::npos && i + 1 < end && text[i + 1] == ' ') return i;
    if (escaped) ++i;
  }
  return end;
}

// Whether words look as if they were of a path still: "set/x.npy", "file.npy".
bool LooksLikePath(std::string_view words) {
  for (size_t i = 1; i < words.size(); ++i) {
    if ((words[i] == '/' || words[i] == '.') && IsWord(words, i - 1) && IsWord(words, i + 1)) return true;
  }
  return false;
}

// Names may have blanks, quotes and colons: rather too much is hidden than the tail of one is shown. `known`: the path
// is within the home, where few have; up to there it is.
size_t EndOfPath(std::string_view text, size_t begin, std::optional<size_t> known) {
  const size_t end_of_string = EndOfString(text, begin);
  const char closer = CloserOf(text, begin);
  size_t end = EndOfPart(text, known.value_or(begin), end_of_string, closer);
  if (known) {
    const size_t word = std::min(text.find_first_of(kBehind, *known), end);
    if (!LooksLikePath(text.substr(word, end - word))) end = word;
  }
  while (end < end_of_string) {
    const size_t next = EndOfPart(text, end + 1, end_of_string, closer);
    if (!LooksLikePath(text.substr(end, next - end))) break;
    end = next;
  }
  while (end > begin + 1 && kSentence.find(text[end - 1]) != std::string_view::npos) --end;
  return end;
}

}  // namespace

// The home is known: its name may have spaces.
std::string WithoutPaths(std::string_view json, std::string_view home) {
  std::string shown;
  for (size_t i = 0; i < json.size();) {
    const bool in_home = home.size() > 1 && json.substr(i).starts_with(home);
    if (in_home || BeginsPath(json, i)) {
      i = std::max(EndOfPath(json, i, in_home ? std::optional(i + home.size()) : std::nullopt), i + 1);
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
