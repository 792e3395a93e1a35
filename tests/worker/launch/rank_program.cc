// `tutti` as far as a launcher needs it: rank_program rank ATTEMPT --socket PATH

#include <cstdio>
#include <string_view>

#include "worker/launch/rank.h"

int main(int argc, char** argv) {
  if (argc != 5 || std::string_view(argv[1]) != "rank" || std::string_view(argv[3]) != "--socket") return 2;
  const auto attempt = tutti::ParseAttemptId(argv[2]);
  if (!attempt) return 2;
  return tutti::worker::RunRank({*attempt, argv[4]});
}
