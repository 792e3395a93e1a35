// The names of a coordinator's workers on one host: the same after each start, and no two alike.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "common/ids.h"
#include "common/owned_descriptor.h"
#include "common/result.h"

namespace tutti::worker {

class WorkerName {
 public:
  // `wanted`, or the first free of `base`, `base-2`, `base-3`... Nobody else on this host gets it for the home that has
  // this mark as long as it is held. `folder` (0700) is made where it is missing. kInvalid: no name; kConflict: another
  // worker has what was wanted; kDenied, kIo.
  static Result<WorkerName> Hold(const std::filesystem::path& folder, const std::string& mark,
                                 const std::optional<std::string>& wanted, const std::string& base);
  WorkerName(WorkerName&&) noexcept = default;
  WorkerName& operator=(WorkerName&&) = delete;
  ~WorkerName();

  const WorkerId& id() const { return id_; }

 private:
  WorkerName(WorkerId id, std::filesystem::path file, OwnedDescriptor lock)
      : id_(std::move(id)), file_(std::move(file)), lock_(std::move(lock)) {}
  WorkerId id_;
  std::filesystem::path file_;
  OwnedDescriptor lock_;  // on it; empty once moved from
};

}  // namespace tutti::worker
