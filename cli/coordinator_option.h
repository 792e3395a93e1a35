// Which coordinator a command asks.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "cli/command_line.h"
#include "common/network/peer.h"
#include "common/result.h"

namespace tutti::cli {

// The first of: --server, --home, TUTTI_SERVER, TUTTI_HOME, the profile, runs/. The profile is
// ~/.config/tutti/coordinator.json (or under XDG_CONFIG_HOME), readable by its user alone:
// {"server": "https://login1:7350", "token": "...", "fingerprint": "..."}, the last one optional.
//
// A server's token is that of --token-file, else TUTTI_TOKEN, else the profile's where it names the same server, else
// the home's where its coordinator listens there; its fingerprint that of --fingerprint, else TUTTI_FINGERPRINT, else
// the profile's, else the home's in the same way.
struct CoordinatorOption {
  HomeOption home;
  std::optional<std::string> server;
  std::optional<std::string> token_file;
  std::optional<std::string> fingerprint;

  void AddTo(CLI::App& command);
  // Errors: kInvalid for an address that is none; kDenied, kInvalid, kNotFound for tokens and profiles;
  // kTimeout for a coordinator on this machine that does not answer.
  Result<network::Peer> Find() const;
};

// The home's path where the peer is one; empty for a coordinator at an address, whose paths are another machine's.
std::filesystem::path HomeHere(const network::Peer& peer);

// With what a command was given.
NextCommand NextAfter(const CoordinatorOption& option);

}  // namespace tutti::cli
