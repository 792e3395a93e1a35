#include "cli/coordinator_option.h"

#include <cstdlib>
#include <filesystem>

#include "common/json.h"
#include "common/network/secret.h"
#include "coordinator/server/access.h"

namespace tutti::cli {
namespace {

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

Result<std::string> TokenFor(const CoordinatorOption& option, const Profile* profile) {
  if (option.token_file) return network::ReadSecret(*option.token_file);
  if (auto token = FromEnvironment("TUTTI_TOKEN")) return *token;
  if (profile != nullptr) return profile->token;
  auto token = network::ReadSecret(server::OperatorTokenFile(option.home.Find()));
  if (token || token.error().code != ErrorCode::kNotFound) return token;
  return FailBecause(token.error(), "there is no token to enter with; --token-file or TUTTI_TOKEN names it");
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
  TUTTI_ASSIGN_OR_RETURN(const std::optional<Profile> profile, ReadProfile());
  const std::optional<std::string> named = ServerOf(*this, profile);
  if (!named) return home.Find();
  network::Remote remote;
  TUTTI_ASSIGN_OR_RETURN(remote.address, network::Address::Parse(*named));
  const Profile* same = profile && profile->server == *named ? &*profile : nullptr;
  TUTTI_ASSIGN_OR_RETURN(remote.token, TokenFor(*this, same));
  remote.fingerprint = fingerprint ? fingerprint : FromEnvironment("TUTTI_FINGERPRINT");
  if (!remote.fingerprint && same != nullptr) remote.fingerprint = same->fingerprint;
  return remote;
}

std::filesystem::path HomeHere(const network::Peer& peer) {
  const auto* home = std::get_if<std::filesystem::path>(&peer);
  return home != nullptr ? *home : std::filesystem::path();
}

NextCommand NextAfter(const CoordinatorOption& option) {
  NextCommand next = NextAfter(option.home);
  next.server = option.server;
  return next;
}

}  // namespace tutti::cli
