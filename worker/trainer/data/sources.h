// Where images come from: one entry for each `data.source`. A new source is one file and one line in sources.cc.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/file_system.h"
#include "common/result.h"
#include "common/spec/ensemble_spec.h"

namespace tutti::trainer {

// What a source holds once decoded: the training part first, then the test part.
struct DecodedImages {
  int64_t channels = 0, height = 0, width = 0;
  int64_t training_samples = 0;
  int64_t test_samples = 0;
  int classes = 0;
  std::vector<uint8_t> pixels;  // [samples, channels, height, width]
  std::vector<int64_t> labels;  // [samples], each in [0, classes)

  int64_t samples() const { return training_samples + test_samples; }
};

// A file of a source as it was read, once, so that what is hashed is what is decoded.
struct SourceFile {
  std::filesystem::path path;
  std::string bytes;
};

struct Source {
  std::string_view name;
  // The files to read, in the order that `decode` expects. kNotFound names what was looked for.
  Result<std::vector<std::filesystem::path>> (*find)(const FileSystem& files, const spec::DataSpec& data);
  // kInvalid: names the file, what is wrong with it and what to do.
  Result<DecodedImages> (*decode)(std::span<const SourceFile> files);
};

// kInvalid: no such source, with those that there are.
Result<Source> FindSource(std::string_view name);

}  // namespace tutti::trainer
