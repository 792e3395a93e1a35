#include "common/spec/yaml.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <array>
#include <istream>
#include <map>
#include <sstream>
#include <utility>

#include "common/utf8.h"

namespace tutti::spec {
namespace {

constexpr size_t kMaximumDepth = 64;
// Aliases are expanded: a few lines of them can stand for billions of nodes. What an anchor keeps for them counts too.
constexpr size_t kMaximumNodes = 300'000;
constexpr std::string_view kNothing = "nothing in it; see docs/experiment.md";
constexpr std::string_view kOpenQuote = "a quote without its end; close it";
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// Ends the reading from within yaml-cpp; caught in LoadYaml.
struct Stop {
  Position position;
  std::string message;
};

// Turns yaml-cpp's marks, which count bytes from 0, into places.
class Places {
 public:
  Places(std::string_view text, int source) : source_(source) {
    size_t begin = 0;
    while (begin <= text.size()) {
      const size_t end = std::min(text.find('\n', begin), text.size());
      lines_.push_back(text.substr(begin, end - begin));
      begin = end + 1;
    }
  }

  Position At(const YAML::Mark& mark) const {
    if (mark.is_null()) return {source_, 1, 1};
    return At(static_cast<size_t>(std::max(mark.line, 0)), static_cast<size_t>(std::max(mark.column, 0)));
  }
  Position At(size_t line, size_t byte_column) const {
    return {source_, static_cast<int>(line) + 1, CharactersBefore(line, byte_column) + 1};
  }
  Position AtOffset(std::string_view text, size_t offset) const {
    const std::string_view before = text.substr(0, offset);
    const auto line = static_cast<size_t>(std::count(before.begin(), before.end(), '\n'));
    const size_t last_break = before.rfind('\n');
    return At(line, last_break == std::string_view::npos ? offset : offset - last_break - 1);
  }
  // True for a quote at `mark` that nothing closes before the text ends. yaml-cpp takes it as closed there.
  bool IsOpenQuote(const YAML::Mark& mark) const {
    const auto line = static_cast<size_t>(std::max(mark.line, 0));
    if (line >= lines_.size() || mark.column < 0) return false;
    const char* begin = lines_[line].data() + mark.column;
    const char* end = lines_.back().data() + lines_.back().size();
    if (begin >= end || (*begin != '"' && *begin != '\'')) return false;
    for (const char* at = begin + 1; at < end; ++at) {
      if (*at == *begin) return false;
      if (*at == '\\' && *begin == '"') ++at;
    }
    return true;
  }
  // Where a '$' stands before the bracket at `mark`: "${DATA}", in which YAML sees a map begin.
  std::optional<Position> VariableAt(const YAML::Mark& mark) const {
    const auto line = static_cast<size_t>(std::max(mark.line, 0));
    const auto bracket = static_cast<size_t>(std::max(mark.column, 0));
    if (line >= lines_.size() || bracket == 0 || bracket > lines_[line].size()) return std::nullopt;
    if (!lines_[line].substr(bracket - 1).starts_with("${")) return std::nullopt;
    return At(line, bracket - 1);
  }
  // Where a line's indentation has a tab, if it has one.
  std::optional<Position> TabInIndentation(int line) const {
    if (line < 0 || static_cast<size_t>(line) >= lines_.size()) return std::nullopt;
    const std::string_view text = lines_[static_cast<size_t>(line)];
    const size_t first_other = text.find_first_not_of(' ');
    if (first_other == std::string_view::npos || text[first_other] != '\t') return std::nullopt;
    return At(static_cast<size_t>(line), first_other);
  }

 private:
  int CharactersBefore(size_t line, size_t byte_column) const {
    if (line >= lines_.size()) return 0;
    const std::string_view text = lines_[line].substr(0, byte_column);
    if (line != last_.line || text.size() < last_.bytes) last_ = {line, 0, 0};
    const std::string_view more = text.substr(last_.bytes);
    last_.characters += static_cast<int>(std::ranges::count(more, false, IsContinuationByte));
    last_.bytes = text.size();
    return last_.characters;
  }

  // The place asked for last: the next one is mostly behind it, and a line can be very long.
  struct Counted {
    size_t line = 0;
    size_t bytes = 0;
    int characters = 0;
  };

  int source_;
  std::vector<std::string_view> lines_;
  mutable Counted last_;
};

size_t CountNodes(const Node& node) {
  size_t count = 1;
  for (const Node& item : node.items) count += CountNodes(item);
  for (const Entry& entry : node.entries) count += CountNodes(entry.value);
  return count;
}

size_t Depth(const Node& node) {
  size_t deepest = 0;
  for (const Node& item : node.items) deepest = std::max(deepest, Depth(item));
  for (const Entry& entry : node.entries) deepest = std::max(deepest, Depth(entry.value));
  return deepest + 1;
}

class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(const Places& places, Problems& problems) : places_(places), problems_(problems) {}

  Node TakeRoot() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Node node;
    node.position = places_.At(mark);
    Finish(std::move(node), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto target = anchors_.find(anchor);
    if (target == anchors_.end()) throw Stop{places_.At(mark), "an alias that contains itself; write the value out"};
    Count(CountNodes(target->second), places_.At(mark));
    CheckDepth(Depth(target->second), places_.At(mark));
    Attach(target->second);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    Node node;
    node.kind = Node::Kind::kScalar;
    node.position = places_.At(mark);
    node.scalar = value;
    node.style = tag == "!" ? Node::Style::kQuoted : Node::Style::kPlain;
    if (tag != "!") RefuseTag(tag, node.position);
    if (places_.IsOpenQuote(mark)) throw Stop{node.position, std::string(kOpenQuote)};
    Finish(std::move(node), anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    Open(Node::Kind::kList, mark, tag, anchor);
  }
  void OnSequenceEnd() override { Close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    Open(Node::Kind::kMap, mark, tag, anchor);
  }
  void OnMapEnd() override { Close(); }

 private:
  struct Frame {
    Node node;
    YAML::anchor_t anchor = 0;
    std::optional<Node> key;               // of a map, once read
    std::map<std::string, int> key_lines;  // of a map, so far
  };

  void RefuseTag(const std::string& tag, Position position) {
    if (tag.empty() || tag == "?") return;
    throw Stop{position, fmt::format("a tag ('{}'); tags are not used in an experiment, write the plain value", tag)};
  }

  void Count(size_t nodes, Position position) {
    nodes_ += nodes;
    if (nodes_ <= kMaximumNodes) return;
    throw Stop{position,
               fmt::format("more than {} values, anchors and aliases written out; an experiment needs far fewer",
                           kMaximumNodes)};
  }

  void CheckDepth(size_t more, Position position) {
    if (frames_.size() + more <= kMaximumDepth) return;
    throw Stop{position, fmt::format("nested deeper than {} levels; an experiment needs far fewer", kMaximumDepth)};
  }

  void Open(Node::Kind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    Frame frame;
    frame.node.kind = kind;
    frame.node.position = places_.At(mark);
    frame.anchor = anchor;
    RefuseTag(tag, frame.node.position);
    CheckDepth(1, frame.node.position);
    Count(1, frame.node.position);
    frames_.push_back(std::move(frame));
  }

  void Close() {
    Frame frame = std::move(frames_.back());
    frames_.pop_back();
    if (frame.anchor != 0) Remember(frame.anchor, frame.node);
    Attach(std::move(frame.node));
  }

  // A copy for the aliases, and it counts as one: nested anchors copy what is within them again at every level.
  void Remember(YAML::anchor_t anchor, const Node& node) {
    Count(CountNodes(node), node.position);
    anchors_[anchor] = node;
  }

  void Finish(Node node, YAML::anchor_t anchor) {
    Count(1, node.position);
    if (anchor != 0) Remember(anchor, node);
    Attach(std::move(node));
  }

  void Attach(Node node) {
    if (frames_.empty()) {
      root_ = std::move(node);
    } else if (frames_.back().node.IsList()) {
      frames_.back().node.items.push_back(std::move(node));
    } else if (!frames_.back().key) {
      frames_.back().key = std::move(node);
    } else {
      AttachEntry(frames_.back(), std::move(node));
    }
  }

  void AttachEntry(Frame& frame, Node value) {
    const Node key = *std::exchange(frame.key, std::nullopt);
    if (!key.IsScalar()) {
      problems_.Add(key.position, fmt::format("a key that is {}; allowed: a word", DescribeFound(key)));
      return;
    }
    if (value.IsNull()) value.position = key.position;  // yaml-cpp places it at whatever comes next
    const auto [first, is_new] = frame.key_lines.emplace(key.scalar, key.position.line);
    if (!is_new) {
      problems_.Add(key.position,
                    fmt::format("duplicate key '{}', first in line {}; keep one of them", key.scalar, first->second));
      return;
    }
    frame.node.entries.push_back({key.scalar, key.position, std::move(value)});
  }

  const Places& places_;
  Problems& problems_;
  Node root_;
  std::vector<Frame> frames_;
  std::map<YAML::anchor_t, Node> anchors_;
  size_t nodes_ = 0;
};

// How many bytes the character at `offset` has, 0 for none that UTF-8 allows.
size_t CharacterLength(std::string_view text, size_t offset) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[offset + i]); };
  const auto continues = [&](size_t i) { return offset + i < text.size() && IsContinuationByte(text[offset + i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return continues(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    if (!continues(1) || !continues(2)) return 0;
    const bool overlong = first == 0xE0 && byte(1) < 0xA0;
    const bool surrogate = first == 0xED && byte(1) > 0x9F;
    return overlong || surrogate ? 0 : 3;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    if (!continues(1) || !continues(2) || !continues(3)) return 0;
    const bool overlong = first == 0xF0 && byte(1) < 0x90;
    const bool beyond = first == 0xF4 && byte(1) > 0x8F;
    return overlong || beyond ? 0 : 4;
  }
  return 0;
}

// A line ends with a line feed, or with both; yaml-cpp takes a carriage return alone for text.
std::optional<size_t> FindLoneCarriageReturn(std::string_view text) {
  for (size_t at = text.find('\r'); at != std::string_view::npos; at = text.find('\r', at + 1)) {
    if (!text.substr(at + 1).starts_with('\n')) return at;
  }
  return std::nullopt;
}

std::optional<size_t> FindControlCharacter(std::string_view text) {
  const auto is_control = [](char byte) {
    return static_cast<unsigned char>(byte) < 0x20 && byte != '\n' && byte != '\r' && byte != '\t';
  };
  const auto found = std::find_if(text.begin(), text.end(), is_control);
  if (found == text.end()) return std::nullopt;
  return static_cast<size_t>(found - text.begin());
}

void CheckCharacters(std::string_view text, const Places& places) {
  if (const auto offset = FindInvalidUtf8(text)) {
    throw Stop{places.AtOffset(text, *offset), "not UTF-8; save the file as UTF-8"};
  }
  if (const auto offset = FindControlCharacter(text)) {
    throw Stop{places.AtOffset(text, *offset),
               fmt::format("a control character (0x{:02x}); an experiment is plain text in UTF-8",
                           static_cast<unsigned char>(text[*offset]))};
  }
  if (const auto offset = FindLoneCarriageReturn(text)) {
    throw Stop{places.AtOffset(text, *offset),
               "a carriage return without a line feed; end lines with a line feed, or with both"};
  }
}

// yaml-cpp's words for the mistakes that people make, in clearer ones.
std::string ExplainSyntax(const std::string& message) {
  static const std::array<std::pair<std::string_view, std::string_view>, 8> kExplanations = {{
      {YAML::ErrorMsg::END_OF_MAP, "this line does not belong to the map that it stands in; check the indentation"},
      {YAML::ErrorMsg::END_OF_MAP_FLOW, "a '{' without its '}'; close it, or separate its entries by ','"},
      {YAML::ErrorMsg::END_OF_SEQ, "this line does not belong to the list that it stands in; check the indentation"},
      {YAML::ErrorMsg::END_OF_SEQ_FLOW, "a '[' without its ']'; close it, or separate its items by ','"},
      {YAML::ErrorMsg::FLOW_END, "a closing bracket that nothing opened; remove it"},
      {YAML::ErrorMsg::MAP_VALUE, "a ':' where none can stand; quote the text, or begin a new line"},
      {YAML::ErrorMsg::EOF_IN_SCALAR, kOpenQuote},
      {YAML::ErrorMsg::UNKNOWN_ANCHOR, "an alias of an anchor that is not defined; define it before with '&'"},
  }};
  for (const auto& [theirs, ours] : kExplanations) {
    if (message == theirs) return std::string(ours);
  }
  return fmt::format("not YAML: {}; see docs/experiment.md for the form of an experiment", message);
}

// A mistake that yaml-cpp found: where it is, and what it is in our words.
Stop Explain(const YAML::Exception& error, const Places& places) {
  if (const auto tab = places.TabInIndentation(error.mark.line)) {
    return {*tab, "a tab in the indentation; indent with spaces"};
  }
  if (const auto variable = places.VariableAt(error.mark)) {
    return {*variable, "a '${' outside of quotes; within { } and [ ] a value with ${VARIABLE} must stand in quotes"};
  }
  return {places.At(error.mark), ExplainSyntax(error.msg)};
}

// The text as a stream, without a copy.
class ViewBuffer : public std::streambuf {
 public:
  explicit ViewBuffer(std::string_view text) {
    char* begin = const_cast<char*>(text.data());  // streambuf wants it so; nothing is written
    setg(begin, begin, begin + text.size());
  }
};

Node ReadOneDocument(std::string_view text, const Places& places, Problems& problems) {
  ViewBuffer buffer(text);
  std::istream stream(&buffer);
  YAML::Parser parser(stream);
  TreeBuilder builder(places, problems);
  if (!parser.HandleNextDocument(builder)) throw Stop{places.At(0, 0), std::string(kNothing)};
  TreeBuilder second(places, problems);
  if (parser.HandleNextDocument(second)) {
    throw Stop{second.TakeRoot().position, "a second document; an experiment is one, remove the '---' between them"};
  }
  Node root = builder.TakeRoot();
  if (root.IsNull()) throw Stop{places.At(0, 0), std::string(kNothing)};
  return root;
}

}  // namespace

std::optional<size_t> FindInvalidUtf8(std::string_view text) {
  size_t offset = 0;
  while (offset < text.size()) {
    const size_t length = CharacterLength(text, offset);
    if (length == 0) return offset;
    offset += length;
  }
  return std::nullopt;
}

std::optional<Node> LoadYaml(std::string_view text, int source, Problems& problems) {
  if (text.size() > kLargestExperimentBytes) {
    problems.Add({source, 1, 1},
                 fmt::format("larger than an experiment can be; allowed: at most {} bytes", kLargestExperimentBytes));
    return std::nullopt;
  }
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  const Places places(text, source);
  try {
    CheckCharacters(text, places);
    return ReadOneDocument(text, places, problems);
  } catch (const Stop& stop) {
    problems.Add(stop.position, stop.message);
  } catch (const YAML::Exception& error) {
    const Stop stop = Explain(error, places);
    problems.Add(stop.position, stop.message);
  }
  return std::nullopt;
}

}  // namespace tutti::spec
