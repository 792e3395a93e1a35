// Batch scripts for Slurm, as one could have written them. Pure.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"

namespace tutti::cli {

// How long before the time limit Slurm is to say so, and where that comes from.
struct Notice {
  std::chrono::seconds before{120};
  std::string reason;  // a clause; empty: it was asked for
};
// As long as members need to stop with a checkpoint, with much to spare. `beside_training`: the longest that an epoch
// of the experiment took besides its training steps, in the ensemble `measured_in`.
Notice NoticeFor(std::optional<std::chrono::milliseconds> beside_training, const std::string& measured_in);

struct SlurmJob {
  // What is trained: `tutti run EXPERIMENT RUN_OPTIONS...`, in `folder`.
  std::string tutti = "tutti";
  std::string experiment;
  std::vector<std::string> run_options;
  std::string folder;  // absolute

  // What Slurm is asked for, in its own words.
  std::string name;
  std::string nodes = "1";  // "4", "2-4"
  std::string output = "%x-%j.txt";
  std::optional<std::string> time, partition, account, gpus_per_node, cpus_per_task, memory;
  Notice notice;
  bool requeue = true;
  std::vector<std::string> more;  // words for sbatch: {"--constraint=a100", "-x", "n7"}
};

// The script. Errors, all kInvalid: a value with a line break or another control character, a word of `more` that is no
// option, that `tutti slurm` has itself, or that the script relies on, a notice that comes before there is time to
// train.
Result<std::string> RenderSlurmScript(const SlurmJob& job);

// As one word of an #SBATCH line, quoted where it would be none.
std::string QuoteForSbatch(const std::string& word);

// The formats of sbatch --time: "90" minutes, "90:30", "1:30:00", "1-12", "1-12:30", "1-12:30:00". Nothing where it is
// none of them, or no limit ("UNLIMITED").
std::optional<std::chrono::seconds> ParseTimeLimit(const std::string& text);

}  // namespace tutti::cli
