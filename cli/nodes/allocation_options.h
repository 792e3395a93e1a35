// Which nodes a coordinator may ask a batch system for.
#pragma once

#include <CLI/App.hpp>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/result.h"
#include "coordinator/server/node_keeper.h"

namespace tutti::cli {

struct AllocationOptions {
  std::optional<std::string> system;  // "slurm"; none: it asks for no nodes
  int nodes = 1;
  std::string time = "4:00:00";
  double idle_s = 300;
  std::optional<double> node_hours;
  int slots_per_node = 1;
  std::vector<std::string> sbatch;  // "partition=gpu"

  void AddTo(CLI::App& command);
  // `home`: as the nodes see it. Errors: kInvalid; kNotFound, Slurm's programs are not here.
  Result<std::optional<server::NodeOptions>> Choose(const std::filesystem::path& home) const;
};

}  // namespace tutti::cli
