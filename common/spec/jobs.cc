#include "common/spec/jobs.h"

namespace tutti::spec {
namespace {

JobRecord InspectJob(const EnsembleId& id) {
  JobRecord job;
  job.id = {id, kInspectJob};
  job.kind = JobKind::kInspect;
  return job;
}

JobRecord TrainJob(const EnsembleId& id, const MemberSpec& member, int position) {
  JobRecord job;
  job.id = {id, member.name};
  job.position = position;
  job.kind = JobKind::kTrain;
  job.minimum_slots = member.slots.min;
  job.maximum_slots = member.slots.max;
  job.after = {kInspectJob};
  return job;
}

}  // namespace

std::vector<JobRecord> JobsOf(const EnsembleId& id, const EnsembleSpec& spec) {
  std::vector<JobRecord> jobs{InspectJob(id)};
  for (const MemberSpec& member : spec.members) jobs.push_back(TrainJob(id, member, static_cast<int>(jobs.size())));
  return jobs;
}

}  // namespace tutti::spec
