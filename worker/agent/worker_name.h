// The names of the workers of one host: the same after each start, and no two alike.
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
  // `wanted`, or the first free of `base`, `base-2`, `base-3`... Nobody else on this host gets it within `folder`
  // (0700, made where it is missing) as long as this is held. kInvalid: no name; kConflict: another worker has what was
  // wanted; kDenied, kIo.
  static Result<WorkerName> Hold(const std::filesystem::path& folder, const std::optional<std::string>& wanted,
                                 const std::string& base);

  const WorkerId& id() const { return id_; }

 private:
  WorkerName(WorkerId id, OwnedDescriptor lock) : id_(std::move(id)), lock_(std::move(lock)) {}
  WorkerId id_;
  OwnedDescriptor lock_;
};

}  // namespace tutti::worker
