#include "cli/coordinator_option.h"

#include <cstdlib>
#include <filesystem>

#include "cli/client.h"
#include "common/json.h"
#include "common/network/secret.h"
#include "coordinator/server/access.h"

namespace tutti::cli {
namespace {

constexpr Duration kProbeDeadline = std::chrono::seconds(5);

std::optional<std::string> FromEnvironment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? std::optional<std::string>(value) : std::nullopt;
}

struct Profile {
  std::string server;
  std::string token;
  std::optional<std::string> fingerprint;
};

std::filesystem::path ProfileFile() {
  if (const auto folder = FromEnvironment("XDG_CONFIG_HOME")) return *folder + "/tutti/coordinator.json";
  const auto home = FromEnvironment("HOME");
  return home ? *home + "/.config/tutti/coordinator.json" : "";
}

// None where there is none.
Result<std::optional<Profile>> ReadProfile() {
  const std::filesystem::path file = ProfileFile();
  if (file.empty()) return std::nullopt;
  const auto text = network::ReadPrivateFile(file);
  if (!text && text.error().code == ErrorCode::kNotFound) return std::nullopt;
  if (!text) return tl::unexpected<Error>(text.error());
  const auto json = ParseJson(*text);
  const auto is_text = [&](const char* key) { return json->contains(key) && (*json)[key].is_string(); };
  if (!json || !json->is_object() || !is_text("server") || !is_text("token")) {
    return Fail(ErrorCode::kInvalid, R"({} must hold {{"server": ..., "token": ..., "fingerprint": ...}})",
                file.string());
  }
  Profile profile{(*json)["server"], (*json)["token"], std::nullopt};
  if (is_text("fingerprint")) profile.fingerprint = (*json)["fingerprint"];
  return profile;
}

bool HomeIsNamed(const HomeOption& home) {
  return (home.home && !home.home->empty()) || FromEnvironment("TUTTI_HOME").has_value();
}

// The server's name; none for a home.
std::optional<std::string> ServerOf(const CoordinatorOption& option, const std::optional<Profile>& profile) {
  if (option.server) return option.server;
  if (option.home.home && !option.home.home->empty()) return std::nullopt;
  if (const auto named = FromEnvironment("TUTTI_SERVER")) return named;
  if (HomeIsNamed(option.home) || !profile) return std::nullopt;
  return profile->server;
}

// What the home says of its coordinator, where that is who listens at this address: nobody else is shown its token.
// Nor is a home believed that others may write.
std::optional<server::Whereabouts> KnownToHome(const CoordinatorOption& option, const network::Address& server) {
  const std::filesystem::path home = option.home.Find();
  const bool own = network::CheckPrivateFolder(server::OperatorTokenFile(home).parent_path()).has_value();
  auto there = server::ReadWhereabouts(PosixFileSystem(), home);
  if (!own || !there || there->address != server) return std::nullopt;
  return std::move(*there);
}

Result<std::string> TokenFor(const CoordinatorOption& option, const network::Address& server, const Profile* profile) {
  if (option.token_file) return network::ReadSecret(*option.token_file);
  if (auto token = FromEnvironment("TUTTI_TOKEN")) return network::CheckSecret(*token, "TUTTI_TOKEN");
  if (profile != nullptr) return network::CheckSecret(profile->token, ProfileFile().string());
  if (KnownToHome(option, server)) return network::ReadSecret(server::OperatorTokenFile(option.home.Find()));
  return Fail(ErrorCode::kInvalid, "there is no token to enter {} with; --token-file or TUTTI_TOKEN names it",
              server.Text());
}

std::optional<std::string> FingerprintFor(const CoordinatorOption& option, const network::Address& server,
                                          const Profile* profile) {
  if (option.fingerprint) return option.fingerprint;
  if (auto named = FromEnvironment("TUTTI_FINGERPRINT")) return named;
  if (profile != nullptr && profile->fingerprint) return profile->fingerprint;
  const auto there = KnownToHome(option, server);
  return there ? there->fingerprint : std::nullopt;
}

// A token must not cross the network for all to read, nor a fingerprint be given for nothing.
Result<void> CheckIsSafe(const network::Remote& remote) {
  if (remote.address.tls) return {};
  if (!remote.address.IsLoopback()) {
    return Fail(ErrorCode::kInvalid,
                "{}: without TLS a token would cross the network for all to read; leave http:// out",
                remote.address.Text());
  }
  if (remote.fingerprint) {
    return Fail(ErrorCode::kInvalid, "{}: without TLS there is no certificate that could have a fingerprint",
                remote.address.Text());
  }
  return {};
}

// The coordinator of a home in sight: by its socket on its own machine, else where it says that it listens. The home
// itself when none is there. kTimeout: one has the socket and does not answer.
Result<network::Peer> WhoServes(const std::filesystem::path& home) {
  const auto here = Client(home).AskHealth();
  if (!here && here.error().code == ErrorCode::kTimeout) return tl::unexpected<Error>(here.error());
  if (here || here.error().code != ErrorCode::kUnreachable) return home;
  auto remote = server::ReadRemote(PosixFileSystem(), home);
  if (remote && Client(*remote, kProbeDeadline).Answers()) return std::move(*remote);
  return home;
}

}  // namespace

void CoordinatorOption::AddTo(CLI::App& command) {
  home.AddTo(command);
  command.add_option("--server", server, "A coordinator at an address, in place of the one that serves the home")
      ->type_name("HOST:PORT");
  command.add_option("--token-file", token_file, "The file of the token for --server; else TUTTI_TOKEN")
      ->type_name("FILE");
  command
      .add_option("--fingerprint", fingerprint,
                  "SHA-256 of the certificate that --server must show; else this machine's authorities vouch for it")
      ->type_name("HEX");
}

Result<network::Peer> CoordinatorOption::Find() const {
  const bool tells_all = token_file && fingerprint;
  std::optional<Profile> profile;
  if (server ? !tells_all : !HomeIsNamed(home)) {
    TUTTI_ASSIGN_OR_RETURN(profile, ReadProfile());
  }
  const std::optional<std::string> named = ServerOf(*this, profile);
  if (!named) return WhoServes(home.Find());
  network::Remote remote;
  TUTTI_ASSIGN_OR_RETURN(remote.address, network::Address::Parse(*named));
  const Profile* same = profile && profile->server == *named ? &*profile : nullptr;
  TUTTI_ASSIGN_OR_RETURN(remote.token, TokenFor(*this, remote.address, same));
  remote.fingerprint = FingerprintFor(*this, remote.address, same);
  TUTTI_RETURN_IF_ERROR(CheckIsSafe(remote));
  return remote;
}

std::filesystem::path HomeHere(const network::Peer& peer) {
  const auto* home = std::get_if<std::filesystem::path>(&peer);
  return home != nullptr ? *home : std::filesystem::path();
}

NextCommand NextAfter(const CoordinatorOption& option) {
  NextCommand next = NextAfter(option.home);
  next.server = option.server;
  next.token_file = option.token_file;
  next.fingerprint = option.fingerprint;
  return next;
}

}  // namespace tutti::cli
