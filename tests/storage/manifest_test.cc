#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "storage/checkpoints/checkpoint_store.h"
#include "tests/storage/checkpoints.h"

namespace tutti::storage {
namespace {

using ::testing::HasSubstr;

Manifest Example() {
  Manifest manifest;
  manifest.attempt = Attempt(2);
  manifest.step = 4290;
  manifest.epoch = 9.1;
  manifest.metrics = {{"train_loss", 1.0 / 3}, {"validation_loss", 5e-324}};
  manifest.files = {{"model.safetensors", 123, "0123456789abcdef0123456789abcdef"},
                    {"training.safetensors", uint64_t{1} << 40, "fedcba9876543210fedcba9876543210"}};
  return manifest;
}

Result<Manifest> ThroughText(const Manifest& manifest) {
  return ManifestFromJson(ParseJson(ToJson(manifest).dump()).value());
}

TEST(Manifest, RoundTripsThroughItsText) { EXPECT_EQ(ThroughText(Example()).value(), Example()); }

TEST(Manifest, KeepsMetricsThatAreNotFinite) {
  Manifest manifest = Example();
  manifest.metrics = {{"a", std::nan("")},
                      {"b", std::numeric_limits<double>::infinity()},
                      {"c", -std::numeric_limits<double>::infinity()}};
  const auto read = ThroughText(manifest);
  ASSERT_TRUE(read) << read.error().Text();
  EXPECT_TRUE(std::isnan(read->metrics.at("a")));
  EXPECT_EQ(read->metrics.at("b"), manifest.metrics.at("b"));
  EXPECT_EQ(read->metrics.at("c"), manifest.metrics.at("c"));
}

TEST(Manifest, EveryKeyIsNeeded) {
  const Json whole = ToJson(Example());
  for (const auto& [key, value] : whole.items()) {
    Json lacking = whole;
    lacking.erase(key);
    const auto read = ManifestFromJson(lacking);
    ASSERT_FALSE(read) << key;
    EXPECT_EQ(read.error().code, ErrorCode::kInvalid);
    EXPECT_THAT(read.error().message, HasSubstr(key));
  }
}

TEST(Manifest, ValuesOfTheWrongKindAreRefused) {
  const auto refuses = [](const std::string& pointer, const Json& value) {
    Json json = ToJson(Example());
    json[Json::json_pointer(pointer)] = value;
    const auto read = ManifestFromJson(json);
    return !read && read.error().code == ErrorCode::kInvalid;
  };
  EXPECT_TRUE(refuses("/step", "4290"));
  EXPECT_TRUE(refuses("/step", -1));
  EXPECT_TRUE(refuses("/step", 1.5));
  EXPECT_TRUE(refuses("/step", std::numeric_limits<uint64_t>::max()));
  EXPECT_TRUE(refuses("/epoch", nullptr));
  EXPECT_TRUE(refuses("/attempt", "fashion-mnist-3"));
  EXPECT_TRUE(refuses("/metrics", Json::array()));
  EXPECT_TRUE(refuses("/metrics/validation_loss", "low"));
  EXPECT_TRUE(refuses("/files", Json::object()));
  EXPECT_TRUE(refuses("/files/0", "model.safetensors"));
  EXPECT_TRUE(refuses("/files/0/size_bytes", -5));
  EXPECT_TRUE(refuses("/files/0/name", ".."));
  EXPECT_TRUE(refuses("/files/0/name", "training.safetensors")) << "twice the same name";
  EXPECT_FALSE(ManifestFromJson(Json::array()));
}

}  // namespace
}  // namespace tutti::storage
