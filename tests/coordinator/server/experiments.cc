#include "experiments.h"

#include <fmt/format.h>

#include "common/network/sha256.h"
#include "common/spec/parse.h"

namespace tutti::testing {

spec::EnsembleSpec AnExperiment(const std::string& data, const std::string& rest, int seeds) {
  const std::string text = fmt::format(
      "version: 1\nname: trial\ndata:\n  source: idx\n  path: /data/trial\n{}training:\n  epochs: 10\n"
      "members:\n  - {{model: mlp, seeds: {}}}\n{}",
      data, seeds, rest);
  auto spec = spec::Parse({.text = text, .file_name = "trial.yaml", .base_folder = "/", .overrides = {}});
  TUTTI_CHECK(spec);
  return std::move(*spec);
}

std::string Submission(const spec::EnsembleSpec& spec, const std::string& more) {
  return fmt::format(R"({{"experiment": {}{}}})", spec::ToJson(spec).dump(), more);
}

std::string HashOf(const std::string& content) {
  network::Sha256 hash;
  hash.Update(std::as_bytes(std::span(content)));
  return hash.Digest();
}

}  // namespace tutti::testing
