// Experiments for tests, and what is wrong with them.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/spec/parse.h"

namespace tutti::spec::test {

// The design's own example.
inline constexpr std::string_view kExample = R"(version: 1
name: fashion-mnist
data:
  source: idx
  path: data/fashion-mnist
  validation: 5000
  split_seed: 0
prepare: {normalize: auto}
augment: [{crop: {padding: 2}}, {flip: horizontal}]
training:
  epochs: 10
  batch_size: 128
  optimizer: {name: sgd, lr: 0.05, momentum: 0.9, nesterov: true, weight_decay: 0.0005}
  schedule: {name: cosine, warmup_epochs: 1}
  checkpoint: {every: 1 epoch, keep: 2}
members:
  - {model: lenet5, seeds: 5}
  - model: {name: resnet8, width: 16}
    seeds: [7, 8]
    slots: 2
    prepare: {resize: 32}
    training: {optimizer: {lr: 0.1}}
ensemble:
  combiner: mean
  minimum_members: all
)";

// Lines 1 to 3 of an experiment that lacks only what a test adds after them, from line 4 on.
inline constexpr std::string_view kHead =
    "version: 1\n"
    "name: t\n"
    "data: {source: idx, path: /data}\n";

// The same with one member: tests add from line 5 on.
inline constexpr std::string_view kHeadWithMember =
    "version: 1\n"
    "name: t\n"
    "data: {source: idx, path: /data}\n"
    "members: [{model: lenet5}]\n";

using Variables = std::map<std::string, std::string>;

inline ParseResult ParseText(std::string_view text, std::vector<std::string> overrides = {}, Variables variables = {}) {
  const auto lookup = [variables = std::move(variables)](const std::string& name) {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional<std::string>(found->second);
  };
  return Parse({text, "exp.yaml", "/base", std::move(overrides), lookup});
}

inline std::vector<std::string> Texts(const std::vector<Diagnostic>& diagnostics) {
  std::vector<std::string> texts;
  for (const Diagnostic& diagnostic : diagnostics) texts.push_back(diagnostic.Text());
  return texts;
}

// The mistakes as text, none for a good experiment.
inline std::vector<std::string> Mistakes(std::string_view text, std::vector<std::string> overrides = {},
                                         Variables variables = {}) {
  const ParseResult result = ParseText(text, std::move(overrides), std::move(variables));
  return result ? std::vector<std::string>() : Texts(result.error());
}

// The experiment of a text without mistakes.
inline EnsembleSpec MustParse(std::string_view text, std::vector<std::string> overrides = {},
                              Variables variables = {}) {
  const ParseResult result = ParseText(text, std::move(overrides), std::move(variables));
  if (result) return *result;
  for (const std::string& mistake : Texts(result.error())) ADD_FAILURE() << mistake;
  return {};
}

inline std::string WithHead(std::string_view rest) { return std::string(kHead) + std::string(rest); }
inline std::string WithMember(std::string_view rest) { return std::string(kHeadWithMember) + std::string(rest); }

inline std::vector<std::string> MemberNames(const EnsembleSpec& spec) {
  std::vector<std::string> names;
  for (const MemberSpec& member : spec.members) names.push_back(member.name);
  return names;
}

}  // namespace tutti::spec::test
