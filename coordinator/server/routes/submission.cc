#include <set>

#include "common/hash.h"
#include "coordinator/server/ensemble_files.h"
#include "coordinator/server/routes/routes.h"
#include "coordinator/server/views.h"

namespace tutti::server {
namespace {

struct Submission {
  spec::EnsembleSpec spec;
  std::optional<std::string> source;
  enum class Repeat { kContinue, kStartAnother } repeat = Repeat::kContinue;
};

Result<void> CheckKeys(const Json& body) {
  static const std::set<std::string, std::less<>> kKnown = {"experiment", "new", "source"};
  for (const auto& item : body.items()) {
    if (!kKnown.contains(item.key())) {
      return Fail(ErrorCode::kInvalid, "unknown key '{}': experiment, new and source are known", item.key());
    }
  }
  return {};
}

Result<Submission> ParseSubmission(const std::string& text) {
  TUTTI_ASSIGN_OR_RETURN(const Json body, ParseJson(text));
  if (!body.is_object() || !body.contains("experiment")) {
    return Fail(ErrorCode::kInvalid, "the body must be an object with the key 'experiment'");
  }
  TUTTI_RETURN_IF_ERROR(CheckKeys(body));
  Submission submission;
  auto spec = spec::EnsembleFromJson(body["experiment"]);
  if (!spec) return FailBecause(std::move(spec.error()), "the key 'experiment' holds no resolved experiment");
  submission.spec = std::move(*spec);
  if (!IsValidName(submission.spec.name)) {
    return Fail(ErrorCode::kInvalid, "'{}' cannot be the name of an experiment", submission.spec.name);
  }
  if (const auto repeat = body.find("new"); repeat != body.end()) {
    if (!repeat->is_boolean()) return Fail(ErrorCode::kInvalid, "'new' must be true or false");
    if (repeat->get<bool>()) submission.repeat = Submission::Repeat::kStartAnother;
  }
  if (const auto source = body.find("source"); source != body.end() && !source->is_null()) {
    if (!source->is_string()) return Fail(ErrorCode::kInvalid, "'source' must be a string");
    submission.source = source->get<std::string>();
  }
  return submission;
}

// kConflict where a folder that no row knows holds what was trained of this experiment.
Result<void> CheckNotForgotten(const RouteContext& context, const std::string& spec_hash) {
  TUTTI_ASSIGN_OR_RETURN(const std::vector<EnsembleId> forgotten,
                         FindForgotten(*context.files, context.home, context.executor.core().records()));
  for (const EnsembleId& id : forgotten) {
    const auto experiment = context.files->Read(context.home / id.str() / kResolvedExperiment);
    const auto members = context.files->List(context.home / id.str() / "members");
    const bool same = experiment && HashText(*experiment) == spec_hash;
    if (!same || !members || members->empty()) continue;  // a coordinator died before it began with it
    return Fail(ErrorCode::kConflict,
                "{} holds this experiment, but the catalog does not know it: `tutti fsck --rebuild` takes it in, --new "
                "trains another",
                (context.home / id.str()).string());
  }
  return {};
}

Result<EnsembleId> CreateEnsemble(const RouteContext& context, const spec::EnsembleSpec& spec,
                                  const std::optional<std::string>& source) {
  TUTTI_ASSIGN_OR_RETURN(int number, context.catalog.HighestNumber(spec.name));
  // A folder that no row knows was given too: a coordinator died between the two.
  while (true) {
    const EnsembleId id(fmt::format("{}-{}", spec.name, ++number));
    const auto created = CreateEnsembleFolder(*context.files, context.home / id.str(), spec, source);
    if (created) return id;
    if (created.error().code == ErrorCode::kExists) continue;
    (void)context.files->RemoveAll(context.home / id.str());  // half of one is of no use; if it stays, it harms nobody
    return tl::unexpected(created.error());
  }
}

// Answers with what is there, or goes on with it.
Result<void> ContinueWith(const RouteContext& context, const EnsembleRecord& ensemble, const Respond& respond) {
  TUTTI_ASSIGN_OR_RETURN(const Stored stored, ReadStoredOf(context, ensemble));
  if (IsAnswered(ensemble.state) && stored.problem.empty()) {
    respond(JsonResponse(Outcome(ensemble.id, "finished")));
  } else if (ensemble.state == EnsembleState::kRunning) {
    respond(JsonResponse(Outcome(ensemble.id, "continued")));
  } else {
    SubmitAndAnswer(context, core::EnsembleResumed{ensemble.id, core::Answer::kLost}, ensemble.id, "continued",
                    respond);
  }
  return {};
}

Result<void> SubmitEnsemble(const RouteContext& context, const HttpRequest& request, const Respond& respond) {
  TUTTI_ASSIGN_OR_RETURN(const Submission submission, ParseSubmission(request.body));
  const std::string spec_hash = SpecHash(submission.spec);
  context.executor.Flush();  // two submissions of one experiment at the same time make one ensemble
  TUTTI_RETURN_IF_ERROR(CheckOpen(context));
  if (submission.repeat == Submission::Repeat::kContinue) {
    const EnsembleRecord* same = FindSame(context.executor.core().records(), spec_hash);
    if (same != nullptr) return ContinueWith(context, EnsembleRecord(*same), respond);
    TUTTI_RETURN_IF_ERROR(CheckNotForgotten(context, spec_hash));
  }
  TUTTI_ASSIGN_OR_RETURN(const EnsembleId id, CreateEnsemble(context, submission.spec, submission.source));
  SubmitAndAnswer(context, core::EnsembleSubmitted{id, submission.spec, spec_hash}, id, "created", respond);
  context.executor.Flush();
  return {};
}

constexpr Route kRoutes[] = {{Method::kPost, "/api/v1/ensembles", Role::kOperator, SubmitEnsemble}};

}  // namespace

std::span<const Route> SubmissionRoutes() { return kRoutes; }

}  // namespace tutti::server
