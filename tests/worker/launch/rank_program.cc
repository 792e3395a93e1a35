// `tutti` as far as a launcher and ranks need it:
//   rank_program rank ATTEMPT --worker NAME --home DIR --meeting-folder DIR
//   rank_program rank ATTEMPT --socket PATH

#include <string_view>

#include "worker/agent/runtime_folder.h"
#include "worker/launch/rank.h"

int main(int argc, char** argv) {
  using namespace tutti;
  if (argc < 5 || std::string_view(argv[1]) != "rank") return 2;
  const auto attempt = ParseAttemptId(argv[2]);
  if (!attempt) return 2;
  if (std::string_view(argv[3]) == "--socket") return worker::RunRank({*attempt, argv[4]});
  if (argc != 9) return 2;
  const auto socket = worker::FindRankSocket(argv[8], {argv[6], WorkerId(argv[4])});
  if (!socket) return worker::RefuseRank(*attempt, socket.error());
  return worker::RunRank({*attempt, *socket});
}
