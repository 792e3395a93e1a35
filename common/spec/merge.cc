#include "common/spec/merge.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "common/spec/descriptor.h"
#include "common/spec/keys.h"
#include "common/whole_number.h"

namespace tutti::spec {
namespace {

const Key* FindKey(std::string_view path) {
  const auto found = std::find_if(Keys().begin(), Keys().end(), [&](const Key& key) { return key.path == path; });
  return found == Keys().end() ? nullptr : &*found;
}

std::string Join(std::string_view section, std::string_view key) {
  return section.empty() ? std::string(key) : fmt::format("{}.{}", section, key);
}

// A member's own training, prepare and augment have the keys of the top level's.
std::string_view Canonical(std::string_view section) {
  constexpr std::string_view kMember = "members[].";
  if (!section.starts_with(kMember)) return section;
  const std::string_view rest = section.substr(kMember.size());
  const bool shared = rest.starts_with("training") || rest.starts_with("prepare") || rest.starts_with("augment");
  return shared ? rest : section;
}

// `adam` and `{name: adam}` are the same.
Node AsMap(const Node& choice) {
  if (!choice.IsScalar()) return choice;
  Node map = MapAt(choice.position);
  map.entries.push_back({"name", choice.position, choice});
  return map;
}

std::string NameWritten(const Node& choice, ChoiceKind kind) {
  const Node* name = choice.Get("name");
  return name != nullptr && name->IsScalar() ? name->scalar : std::string(DefaultNameOf(kind));
}

Node MergeEntries(std::string_view section, const Node& base, const Node& overlay);

Node MergeChoices(ChoiceKind kind, const Node& base, const Node& overlay) {
  const Node below = AsMap(base);
  const Node above = AsMap(overlay);
  if (!below.IsMap() || !above.IsMap()) return overlay;
  const bool renamed = above.Get("name") != nullptr && NameWritten(above, kind) != NameWritten(below, kind);
  return renamed ? above : MergeEntries("choice", below, above);
}

void DropExcluded(std::string_view section, const Node& overlay, Node& merged) {
  for (const ExclusiveKeys& pair : ExclusivePairs()) {
    if (pair.section != section) continue;
    const bool first = overlay.Find(pair.first) != nullptr;
    const bool second = overlay.Find(pair.second) != nullptr;
    if (first == second) continue;
    std::erase_if(merged.entries, [&](const Entry& entry) { return entry.key == (first ? pair.second : pair.first); });
  }
}

Node MergeEntries(std::string_view section, const Node& base, const Node& overlay) {
  Node merged = base;
  merged.position = overlay.position;
  DropExcluded(section, overlay, merged);
  for (const Entry& entry : overlay.entries) {
    if (Entry* below = merged.Find(entry.key)) {
      below->value = Merge(Join(section, entry.key), below->value, entry.value);
      below->key_position = entry.key_position;
    } else {
      merged.entries.push_back(entry);
    }
  }
  return merged;
}

// The item of `list` that `word` numbers.
Node* ItemAt(Node& list, std::string_view word) {
  const auto index = ParseWholeNumber<size_t>(word);
  return index && *index < list.items.size() ? &list.items[*index] : nullptr;
}

// `{first: {second: value}}` for the path "first.second".
Node Nest(std::string_view path, Node value, Position position) {
  if (path.empty()) return value;
  const size_t dot = std::min(path.find('.'), path.size());
  Node map = MapAt(position);
  const std::string_view rest = dot < path.size() ? path.substr(dot + 1) : std::string_view();
  map.entries.push_back({std::string(path.substr(0, dot)), position, Nest(rest, std::move(value), position)});
  return map;
}

}  // namespace

Node Merge(std::string_view section, const Node& base, const Node& overlay) {
  const Key* key = FindKey(Canonical(section));
  const ChoiceType* choice = key == nullptr ? nullptr : std::get_if<ChoiceType>(&key->type);
  if (choice != nullptr) return MergeChoices(choice->kind, base, overlay);
  // A section with nothing in it stands for an empty map: it changes nothing.
  if (base.IsMap() && overlay.IsNull() && key != nullptr && std::holds_alternative<SectionType>(key->type)) return base;
  return base.IsMap() && overlay.IsMap() ? MergeEntries(Canonical(section), base, overlay) : overlay;
}

void Override(Node& tree, std::string_view path, Node value, Position position, Problems& problems) {
  constexpr std::string_view kMembers = "members.";
  Node* members = tree.IsMap() && tree.Find("members") != nullptr ? &tree.Find("members")->value : nullptr;
  if (!path.starts_with(kMembers) || members == nullptr || !members->IsList()) {
    tree = Merge("", tree, Nest(path, std::move(value), position));
    return;
  }
  const std::string_view rest = path.substr(kMembers.size());
  const size_t dot = std::min(rest.find('.'), rest.size());
  Node* member = ItemAt(*members, rest.substr(0, dot));
  if (member == nullptr) {
    problems.Add(position, fmt::format("there is no members.{}; allowed: members.0 to members.{}", rest.substr(0, dot),
                                       members->items.empty() ? 0 : members->items.size() - 1));
    return;
  }
  const std::string_view inside = dot < rest.size() ? rest.substr(dot + 1) : std::string_view();
  *member = Merge("members[]", *member, Nest(inside, std::move(value), position));
}

}  // namespace tutti::spec
