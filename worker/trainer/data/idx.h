// The IDX format of MNIST (http://yann.lecun.com/exdb/mnist) and its family: a magic number that tells type and number
// of dimensions, the sizes as big-endian 32-bit numbers, the values. Plain or gzip-compressed, told by content.
//
// A folder holds train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte,
// each with '.' or '-' before "idx" and with or without ".gz". Images are [samples, height, width] or, as idx4,
// [samples, channels, height, width]; values are unsigned bytes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "common/file_system.h"
#include "common/result.h"
#include "common/spec/ensemble_spec.h"
#include "worker/trainer/data/sources.h"

namespace tutti::trainer {

// Training images, training labels, and (unless data.test asks for none of the source's and they are absent) test
// images and test labels. A plain file is preferred to a compressed one beside it.
// kNotFound: a folder or file that is not there. Errors of the disk stay theirs.
Result<std::vector<std::filesystem::path>> FindIdxFiles(const FileSystem& files, const spec::DataSpec& data);

// Decodes two or four files in the order of FindIdxFiles.
Result<DecodedImages> DecodeIdxFiles(std::span<const SourceFile> files);

}  // namespace tutti::trainer
