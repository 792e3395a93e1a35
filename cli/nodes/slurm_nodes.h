// Nodes on demand from Slurm: what it is asked through sbatch, squeue and scancel.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "coordinator/server/batch_system.h"
#include "worker/launch/environment.h"

namespace tutti::cli {

struct SlurmNodeOptions {
  std::filesystem::path tutti;      // as the nodes see it
  std::filesystem::path home;       // as well; its folder `nodes` takes what the jobs print
  std::vector<std::string> sbatch;  // more words for it: {"--partition=gpu"}
  worker::Environment environment;
};

// What sbatch is called with.
std::vector<std::string> SbatchWords(const SlurmNodeOptions& options, const server::NodeRequest& request);
// What the job does: `tutti worker` once on each of its nodes.
std::string SlurmNodeCommand(const SlurmNodeOptions& options, const server::NodeRequest& request);

// What squeue is called with, for ParseQueue.
std::vector<std::string> SqueueWords();
// Jobs whose names begin so and that have nodes or wait for some. kInvalid: this is no answer of squeue.
Result<std::vector<server::BatchJob>> ParseQueue(const std::string& text, const std::string& prefix);

class SlurmNodes : public server::BatchSystem {
 public:
  // kNotFound: a program of Slurm is not in PATH.
  static Result<std::shared_ptr<SlurmNodes>> Find(SlurmNodeOptions options);

  Result<std::vector<server::BatchJob>> List(const std::string& prefix) override;
  Result<void> Submit(const server::NodeRequest& request) override;
  Result<void> Cancel(const server::BatchJob& job) override;

 private:
  explicit SlurmNodes(SlurmNodeOptions options) : options_(std::move(options)) {}
  Result<std::string> Ask(const std::string& program, std::vector<std::string> words) const;

  const SlurmNodeOptions options_;
  std::map<std::string, std::filesystem::path> programs_;
};

}  // namespace tutti::cli
