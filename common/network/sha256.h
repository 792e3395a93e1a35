// SHA-256, by which files are known that come from people: nobody can make another one with the same.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "common/file_system.h"
#include "common/result.h"

struct evp_md_ctx_st;

namespace tutti::network {

class Sha256 {
 public:
  Sha256();
  void Update(std::span<const std::byte> bytes);
  std::string Digest();  // 64 hexadecimal digits; asked for once

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

// Called with piece after piece of a file.
using TakePiece = std::function<Result<void>(std::span<const std::byte>)>;
// Reads a file in bounded memory; `take` sees each piece that was hashed. Errors: kNotFound, kDenied, kIo; kInvalid for
// what is no regular file; those of `take`.
Result<std::string> Sha256OfFile(const FileSystem& files, const std::filesystem::path& path,
                                 const TakePiece& take = {});

}  // namespace tutti::network
