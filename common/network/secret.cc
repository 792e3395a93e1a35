#include "common/network/secret.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "common/owned_descriptor.h"

namespace tutti::network {
namespace {

constexpr size_t kSecretBytes = 32;
constexpr size_t kLongestFile = 4096;
constexpr size_t kShortestSecret = 16;

std::string_view Trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t begin = std::min(text.find_first_not_of(kSpace), text.size());
  text.remove_prefix(begin);
  return text.substr(0, text.find_last_not_of(kSpace) + 1);
}

bool MayStandInHeader(std::string_view secret) {
  return std::ranges::all_of(secret, [](char c) { return c > ' ' && c < 0x7f; });
}

Result<void> CheckOwner(int descriptor, const std::filesystem::path& file) {
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) return FailErrno(errno, fmt::format("cannot read {}", file.string()));
  if (!S_ISREG(status.st_mode)) return Fail(ErrorCode::kInvalid, "{} is no file", file.string());
  if (status.st_uid != ::geteuid()) return Fail(ErrorCode::kDenied, "{} belongs to another user", file.string());
  if ((status.st_mode & 077) != 0) {
    return Fail(ErrorCode::kDenied,
                "others may open {0}, so that its token is no secret: chmod 600 {0}, and replace the token",
                file.string());
  }
  return {};
}

}  // namespace

std::string MakeSecret() {
  std::array<unsigned char, kSecretBytes> bytes{};
  // At most 256 bytes come whole, and wait for nothing once the system has started.
  TUTTI_CHECK(::getrandom(bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
  std::string text;
  for (const unsigned char byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

bool SameSecret(std::string_view one, std::string_view other) {
  unsigned difference = one.size() == other.size() ? 0 : 1;
  for (size_t i = 0; i < one.size(); ++i) {
    const char against = other.empty() ? '\0' : other[i % other.size()];
    difference |= static_cast<unsigned>(static_cast<unsigned char>(one[i]) ^ static_cast<unsigned char>(against));
  }
  return difference == 0;
}

Result<std::string> ReadPrivateFile(const std::filesystem::path& file) {
  const OwnedDescriptor opened(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (opened.get() < 0) return FailErrno(errno, fmt::format("cannot read {}", file.string()));
  TUTTI_RETURN_IF_ERROR(CheckOwner(opened.get(), file));
  std::string text(kLongestFile + 1, '\0');
  const ssize_t count = ::read(opened.get(), text.data(), text.size());
  if (count < 0) return FailErrno(errno, fmt::format("cannot read {}", file.string()));
  if (static_cast<size_t>(count) > kLongestFile) {
    return Fail(ErrorCode::kInvalid, "{} is longer than {} bytes", file.string(), kLongestFile);
  }
  text.resize(static_cast<size_t>(count));
  return text;
}

Result<std::string> ReadSecret(const std::filesystem::path& file) {
  TUTTI_ASSIGN_OR_RETURN(const std::string text, ReadPrivateFile(file));
  const std::string_view secret = Trimmed(text);
  if (secret.size() < kShortestSecret || !MayStandInHeader(secret)) {
    return Fail(ErrorCode::kInvalid, "{} holds no token: {} or more printable characters without spaces are one",
                file.string(), kShortestSecret);
  }
  return std::string(secret);
}

Result<std::string> ReadOrMakeSecret(const std::filesystem::path& file) {
  auto known = ReadSecret(file);
  if (known || known.error().code != ErrorCode::kNotFound) return known;
  // Under a name of its own first: whoever looks sees all of it or nothing.
  const std::string secret = MakeSecret();
  const std::filesystem::path draft = file.string() + fmt::format(".{}", ::getpid());
  const std::string line = secret + "\n";
  {
    const OwnedDescriptor made(::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (made.get() < 0) return FailErrno(errno, fmt::format("cannot write the token {}", file.string()));
    const bool written = ::fchmod(made.get(), 0600) == 0 &&
                         ::write(made.get(), line.data(), line.size()) == static_cast<ssize_t>(line.size()) &&
                         ::fsync(made.get()) == 0;
    if (!written) return FailErrno(errno, fmt::format("cannot write the token {}", file.string()));
  }
  if (::rename(draft.c_str(), file.c_str()) != 0) {
    return FailErrno(errno, fmt::format("cannot write the token {}", file.string()));
  }
  return secret;
}

}  // namespace tutti::network
