#include "coordinator/server/access.h"

#include "common/host_name.h"
#include "common/json.h"
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
  TUTTI_RETURN_IF_ERROR(files.CreateDirectories(home));
  TUTTI_RETURN_IF_ERROR(network::MakePrivateFolder(FolderOf(home)));
  Tokens tokens;
  TUTTI_ASSIGN_OR_RETURN(tokens.for_operator, network::ReadOrMakeSecret(OperatorTokenFile(home)));
  TUTTI_ASSIGN_OR_RETURN(tokens.for_reader, network::ReadOrMakeSecret(ReaderTokenFile(home)));
  return tokens;
}

Result<void> WriteWhereabouts(FileSystem& files, const fs::path& home, const Whereabouts& whereabouts) {
  TUTTI_RETURN_IF_ERROR(network::MakePrivateFolder(FolderOf(home)));
  Json json = {
      {"address", whereabouts.address.Text()}, {"host", whereabouts.host}, {"generation", whereabouts.generation}};
  if (whereabouts.fingerprint) json["fingerprint"] = *whereabouts.fingerprint;
  return WriteFileDurably(files, AddressFile(home), json.dump() + "\n");
}

// One that stays leads nowhere, which whoever follows it is told.
void RemoveWhereabouts(FileSystem& files, const fs::path& home, const Whereabouts& own) {
  const auto there = ReadWhereabouts(files, home);
  if (there && *there == own) (void)files.Remove(AddressFile(home));
}

Result<Whereabouts> ReadWhereabouts(const FileSystem& files, const fs::path& home) {
  TUTTI_ASSIGN_OR_RETURN(const std::string text, files.Read(AddressFile(home)));
  const auto json = ParseJson(text);
  const auto text_at = [&](const char* key) {
    const bool is_text = json && json->is_object() && json->contains(key) && (*json)[key].is_string();
    return is_text ? (*json)[key].get<std::string>() : std::string();
  };
  Whereabouts whereabouts;
  TUTTI_ASSIGN_OR_RETURN(whereabouts.address, network::Address::Parse(text_at("address")));
  whereabouts.host = text_at("host");
  if (std::string fingerprint = text_at("fingerprint"); !fingerprint.empty()) whereabouts.fingerprint = fingerprint;
  const auto generation = json->find("generation");
  if (generation != json->end() && generation->is_number_integer()) whereabouts.generation = generation->get<int64_t>();
  return whereabouts;
}

network::Identity IdentityIn(const fs::path& home) {
  return {FolderOf(home) / "certificate.pem", FolderOf(home) / "key.pem"};
}

Result<network::Remote> ReadRemote(const FileSystem& files, const fs::path& home) {
  const auto there = ReadWhereabouts(files, home);
  if (!there && there.error().code == ErrorCode::kNotFound) {
    return Fail(ErrorCode::kUnreachable,
                "no coordinator serves {}; `tutti coordinator` does, and --server names one elsewhere", home.string());
  }
  if (!there) return tl::unexpected<Error>(there.error());
  if (there->address.IsLoopback() && there->host != HostName()) {
    return Fail(ErrorCode::kUnreachable,
                "the coordinator of {} runs on {} and listens there alone; start it with --listen 0.0.0.0:7350, or "
                "another port, for other machines",
                home.string(), there->host);
  }
  TUTTI_RETURN_IF_ERROR(network::CheckPrivateFolder(FolderOf(home)));
  network::Remote remote{there->address, "", there->fingerprint};
  TUTTI_ASSIGN_OR_RETURN(remote.token, network::ReadSecret(OperatorTokenFile(home)));
  return remote;
}

Result<std::string> ReadMark(const FileSystem& files, const fs::path& home) { return files.Read(MarkFile(home)); }

Result<std::string> ReadOrMakeMark(FileSystem& files, const fs::path& home) {
  auto known = ReadMark(files, home);
  if (known || known.error().code != ErrorCode::kNotFound) return known;
  TUTTI_RETURN_IF_ERROR(network::MakePrivateFolder(FolderOf(home)));
  std::string mark = network::MakeSecret();
  TUTTI_RETURN_IF_ERROR(WriteFileDurably(files, MarkFile(home), mark));
  return mark;
}

}  // namespace tutti::server
