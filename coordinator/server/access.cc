#include "coordinator/server/access.h"

#include "common/network/secret.h"

namespace tutti::server {
namespace {

namespace fs = std::filesystem;

fs::path FolderOf(const fs::path& home) { return home / "access"; }
fs::path AddressFile(const fs::path& home) { return FolderOf(home) / "address"; }
fs::path MarkFile(const fs::path& home) { return FolderOf(home) / "mark"; }

}  // namespace

fs::path OperatorTokenFile(const fs::path& home) { return FolderOf(home) / "operator.token"; }
fs::path ReaderTokenFile(const fs::path& home) { return FolderOf(home) / "reader.token"; }

Result<Tokens> ReadOrMakeTokens(FileSystem& files, const fs::path& home) {
  TUTTI_RETURN_IF_ERROR(files.CreateDirectories(FolderOf(home)));
  Tokens tokens;
  TUTTI_ASSIGN_OR_RETURN(tokens.for_operator, network::ReadOrMakeSecret(OperatorTokenFile(home)));
  TUTTI_ASSIGN_OR_RETURN(tokens.for_reader, network::ReadOrMakeSecret(ReaderTokenFile(home)));
  return tokens;
}

Result<void> WriteAddress(FileSystem& files, const fs::path& home, const network::Address& address) {
  TUTTI_RETURN_IF_ERROR(files.CreateDirectories(FolderOf(home)));
  return WriteFileDurably(files, AddressFile(home), address.Text() + "\n");
}

// One that stays leads nowhere, which whoever follows it is told.
void RemoveAddress(FileSystem& files, const fs::path& home) { (void)files.Remove(AddressFile(home)); }

Result<network::Address> ReadAddress(const FileSystem& files, const fs::path& home) {
  TUTTI_ASSIGN_OR_RETURN(std::string text, files.Read(AddressFile(home)));
  while (text.ends_with('\n')) text.pop_back();
  return network::Address::Parse(text);
}

network::Identity IdentityIn(const fs::path& home) {
  return {FolderOf(home) / "certificate.pem", FolderOf(home) / "key.pem"};
}

Result<network::Remote> ReadRemote(const FileSystem& files, const fs::path& home) {
  auto address = ReadAddress(files, home);
  if (!address && address.error().code == ErrorCode::kNotFound) {
    return Fail(ErrorCode::kUnreachable,
                "no coordinator serves {}; `tutti coordinator` does, and --server names one elsewhere", home.string());
  }
  if (!address) return tl::unexpected<Error>(std::move(address.error()));
  network::Remote remote{std::move(*address), "", std::nullopt};
  TUTTI_ASSIGN_OR_RETURN(remote.token, network::ReadSecret(OperatorTokenFile(home)));
  // One that shows the site's own certificate has none here.
  const fs::path certificate = IdentityIn(home).certificate;
  if (remote.address.tls && files.Exists(certificate)) {
    TUTTI_ASSIGN_OR_RETURN(remote.fingerprint, network::FingerprintOf(certificate));
  }
  return remote;
}

Result<std::string> ReadMark(const FileSystem& files, const fs::path& home) { return files.Read(MarkFile(home)); }

Result<std::string> ReadOrMakeMark(FileSystem& files, const fs::path& home) {
  auto known = ReadMark(files, home);
  if (known || known.error().code != ErrorCode::kNotFound) return known;
  TUTTI_RETURN_IF_ERROR(files.CreateDirectories(FolderOf(home)));
  std::string mark = network::MakeSecret();
  TUTTI_RETURN_IF_ERROR(WriteFileDurably(files, MarkFile(home), mark));
  return mark;
}

}  // namespace tutti::server
