// What lies in a home so that commands and workers of its user find the way in.
//
//   HOME/access/operator.token, reader.token    0600: what TCP asks for
//   HOME/access/address                         where the coordinator listens, as long as it does
//   HOME/access/certificate.pem, key.pem        who it is to those whom it serves under TLS
//   HOME/access/mark                            random: a worker that sees the same one sees the same home
#pragma once

#include <filesystem>
#include <string>

#include "common/file_system.h"
#include "common/network/address.h"
#include "common/network/peer.h"
#include "common/network/tls.h"
#include "common/result.h"
#include "coordinator/server/gate.h"

namespace tutti::server {

// Made at the first call. Errors: kDenied when others may read them, kNoSpace, kIo.
Result<Tokens> ReadOrMakeTokens(FileSystem& files, const std::filesystem::path& home);
std::filesystem::path OperatorTokenFile(const std::filesystem::path& home);
std::filesystem::path ReaderTokenFile(const std::filesystem::path& home);

Result<void> WriteAddress(FileSystem& files, const std::filesystem::path& home, const network::Address& address);
void RemoveAddress(FileSystem& files, const std::filesystem::path& home);
// kNotFound: no coordinator of this home listens on TCP.
Result<network::Address> ReadAddress(const FileSystem& files, const std::filesystem::path& home);

network::Identity IdentityIn(const std::filesystem::path& home);

// The way in to the coordinator of a home that this machine sees, as an operator. kUnreachable: none listens on TCP;
// kDenied, kInvalid, kIo.
Result<network::Remote> ReadRemote(const FileSystem& files, const std::filesystem::path& home);

Result<std::string> ReadOrMakeMark(FileSystem& files, const std::filesystem::path& home);
// kNotFound: there is no such home here.
Result<std::string> ReadMark(const FileSystem& files, const std::filesystem::path& home);

}  // namespace tutti::server
