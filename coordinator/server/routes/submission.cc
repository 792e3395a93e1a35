#include <algorithm>
#include <set>

#include "common/hash.h"
#include "common/spec/experiment_files.h"
#include "coordinator/server/ensemble_files.h"
#include "coordinator/server/new_ensemble.h"
#include "coordinator/server/routes/routes.h"
#include "coordinator/server/views.h"

namespace tutti::server {
namespace {

constexpr size_t kLongestKey = 128;

struct Submission {
  NewEnsemble ensemble;
  std::string spec_hash;
  std::optional<std::string> key;  // of whoever submits: the same again means the same ensemble
  std::optional<int> priority;
  enum class Repeat { kContinue, kStartAnother } repeat = Repeat::kContinue;
};

Result<void> CheckKeys(const Json& body) {
  static const std::set<std::string, std::less<>> kKnown = {"experiment", "files", "key", "new", "priority", "source"};
  for (const auto& item : body.items()) {
    if (!kKnown.contains(item.key())) {
      return Fail(ErrorCode::kInvalid, "unknown key '{}': experiment, files, key, new, priority and source are known",
                  item.key());
    }
  }
  return {};
}

// {PATH: SHA-256}
Result<spec::FileHashes> ParseFiles(const Json& body) {
  spec::FileHashes hashes;
  const auto found = body.find("files");
  if (found == body.end()) return hashes;
  if (!found->is_object()) return Fail(ErrorCode::kInvalid, "'files' must be an object of paths and their SHA-256");
  for (const auto& [path, hash] : found->items()) {
    if (!hash.is_string()) return Fail(ErrorCode::kInvalid, "'files': the SHA-256 of {} must be a string", path);
    hashes[path] = hash.get<std::string>();
  }
  return hashes;
}

// Of the header Idempotency-Key, or the body's key.
Result<std::optional<std::string>> ParseKey(const Json& body, const std::string& header) {
  const auto found = body.find("key");
  const bool in_body = found != body.end() && !found->is_null();
  if (!in_body && header.empty()) return std::nullopt;
  const std::string key = !in_body ? header : found->is_string() ? found->get<std::string>() : "";
  if (in_body && !header.empty() && key != header) {
    return Fail(ErrorCode::kInvalid, "'key' and the header Idempotency-Key differ: give one of them");
  }
  const bool printable =
      std::all_of(key.begin(), key.end(), [](char letter) { return letter >= ' ' && letter <= '~'; });
  if (key.empty() || key.size() > kLongestKey || !printable) {
    return Fail(ErrorCode::kInvalid, "'key' must be a string of 1 to {} printable ASCII characters", kLongestKey);
  }
  return key;
}

Result<Submission> ParseSubmission(const HttpRequest& request) {
  TUTTI_ASSIGN_OR_RETURN(const Json body, ParseJson(request.body));
  if (!body.is_object() || !body.contains("experiment")) {
    return Fail(ErrorCode::kInvalid, "the body must be an object with the key 'experiment'");
  }
  TUTTI_RETURN_IF_ERROR(CheckKeys(body));
  Submission submission;
  auto spec = spec::EnsembleFromJson(body["experiment"]);
  if (!spec) return FailBecause(std::move(spec.error()), "the key 'experiment' holds no resolved experiment");
  TUTTI_ASSIGN_OR_RETURN(submission.ensemble.files, ParseFiles(body));
  TUTTI_ASSIGN_OR_RETURN(submission.ensemble.spec, spec::WithCopies(std::move(*spec), submission.ensemble.files));
  submission.spec_hash = SpecHash(submission.ensemble.spec);
  if (!IsValidName(submission.ensemble.spec.name)) {
    return Fail(ErrorCode::kInvalid, "'{}' cannot be the name of an experiment", submission.ensemble.spec.name);
  }
  if (const auto repeat = body.find("new"); repeat != body.end()) {
    if (!repeat->is_boolean()) return Fail(ErrorCode::kInvalid, "'new' must be true or false");
    if (repeat->get<bool>()) submission.repeat = Submission::Repeat::kStartAnother;
  }
  if (const auto source = body.find("source"); source != body.end() && !source->is_null()) {
    if (!source->is_string()) return Fail(ErrorCode::kInvalid, "'source' must be a string");
    submission.ensemble.source = source->get<std::string>();
  }
  TUTTI_ASSIGN_OR_RETURN(submission.key, ParseKey(body, request.idempotency_key));
  if (body.contains("priority")) {
    TUTTI_ASSIGN_OR_RETURN(submission.priority, PriorityIn(body));
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

std::optional<SubmissionKey> KeyFor(const Submission& submission, const EnsembleId& id) {
  return submission.key ? std::optional(SubmissionKey{*submission.key, id}) : std::nullopt;
}

// Answers with what is there, or goes on with it.
Result<void> ContinueWith(const RouteContext& context, const EnsembleRecord& ensemble, const Submission& submission,
                          const Respond& respond) {
  TUTTI_ASSIGN_OR_RETURN(const Stored stored, ReadStoredOf(context, ensemble));
  if (submission.priority) context.executor.Submit(core::EnsemblePrioritised{ensemble.id, *submission.priority});
  const bool finished = IsAnswered(ensemble.state) && stored.problem.empty();
  core::Event event = core::EnsembleResumed{ensemble.id, core::Answer::kLost};
  if (finished || ensemble.state == EnsembleState::kRunning) event = core::Tick{};
  SubmitAndAnswer(context, std::move(event), ensemble.id, finished ? "finished" : "continued", respond,
                  KeyFor(submission, ensemble.id));
  return {};
}

// Says how the ensemble of an earlier submission stands. One that was cancelled since stays so: the repetition of a
// request may arrive late.
Result<void> AnswerAgain(const EnsembleRecord& ensemble, const std::string& spec_hash, const Respond& respond) {
  if (ensemble.spec_hash != spec_hash) {
    return Fail(ErrorCode::kConflict, "this key was given to {}, which is of another experiment", ensemble.id);
  }
  if (ensemble.state == EnsembleState::kRunning) {
    respond(JsonResponse(Outcome(ensemble.id, "continued")));
  } else {
    respond(JsonResponse(Outcome(ensemble.id, IsAnswered(ensemble.state) ? "finished" : Name(ensemble.state))));
  }
  return {};
}

// The ensemble that was submitted with the same key before.
Result<std::optional<EnsembleRecord>> FindEarlier(const RouteContext& context, const Submission& submission) {
  if (!submission.key) return std::nullopt;
  TUTTI_ASSIGN_OR_RETURN(const auto id, context.catalog.FindSubmission(*submission.key));
  if (!id) return std::nullopt;
  const Records records = context.executor.core().RecordsOf(*id);
  return records.ensembles.empty() ? std::nullopt : std::optional(records.ensembles.front());
}

// Answers with the ensemble that is there already of this submission, if any is. Then there is nothing to start.
Result<bool> AnswerWithKnown(const RouteContext& context, const Submission& submission, const Respond& respond) {
  context.executor.Flush();  // two submissions of one experiment at the same time make one ensemble
  TUTTI_RETURN_IF_ERROR(CheckOpen(context));
  TUTTI_ASSIGN_OR_RETURN(const auto earlier, FindEarlier(context, submission));
  if (earlier) {
    TUTTI_RETURN_IF_ERROR(AnswerAgain(*earlier, submission.spec_hash, respond));
    return true;
  }
  if (submission.repeat == Submission::Repeat::kStartAnother) return false;
  if (const EnsembleRecord* same = FindSame(context.executor.core().ensembles(), submission.spec_hash)) {
    TUTTI_RETURN_IF_ERROR(ContinueWith(context, EnsembleRecord(*same), submission, respond));
    return true;
  }
  TUTTI_RETURN_IF_ERROR(CheckNotForgotten(context, submission.spec_hash));
  return false;
}

Result<void> Start(const RouteContext& context, const Submission& submission, const std::filesystem::path& draft,
                   const Respond& respond) {
  const spec::EnsembleSpec& spec = submission.ensemble.spec;
  TUTTI_ASSIGN_OR_RETURN(const int highest, context.catalog.HighestNumber(spec.name));
  TUTTI_ASSIGN_OR_RETURN(const EnsembleId id, GiveId(*context.files, draft, spec.name, highest));
  const core::EnsembleSubmitted submitted{id, spec, submission.spec_hash, submission.priority.value_or(0)};
  SubmitAndAnswer(context, submitted, id, "created", respond, KeyFor(submission, id));
  context.executor.Flush();
  return {};
}

Result<void> DraftAndStart(const RouteContext& context, const Submission& submission, const Respond& respond) {
  TUTTI_ASSIGN_OR_RETURN(const std::filesystem::path draft,
                         DraftEnsemble(*context.files, context.home, submission.ensemble));
  auto started = Start(context, submission, draft, respond);
  if (!started) (void)context.files->RemoveAll(draft);
  return started;
}

// Another may have submitted the same while the files were copied. Whether the draft was taken.
Result<bool> StartUnlessKnown(const RouteContext& context, const Submission& submission,
                              const std::filesystem::path& draft, const Respond& respond) {
  TUTTI_ASSIGN_OR_RETURN(const bool known, AnswerWithKnown(context, submission, respond));
  if (known) return false;
  TUTTI_RETURN_IF_ERROR(Start(context, submission, draft, respond));
  return true;
}

// Gigabytes take their time.
void CopyAndStart(const RouteContext& context, Submission submission, const Respond& respond) {
  context.transfers->Copy([context, submission = std::move(submission), respond] {
    const auto draft = DraftEnsemble(*context.files, context.home, submission.ensemble);
    if (!draft) return respond(ProblemResponse(draft.error()));
    context.events([context, submission, draft = *draft, respond] {
      const auto taken = StartUnlessKnown(context, submission, draft, respond);
      if (!taken) respond(ProblemResponse(taken.error()));
      if (taken && *taken) return;
      context.transfers->Copy([files = context.files, draft] { (void)files->RemoveAll(draft); });
    });
  });
}

Result<void> SubmitEnsemble(const RouteContext& context, const HttpRequest& request, const Respond& respond) {
  TUTTI_ASSIGN_OR_RETURN(Submission submission, ParseSubmission(request));
  TUTTI_ASSIGN_OR_RETURN(const bool known, AnswerWithKnown(context, submission, respond));
  if (known) return {};
  if (submission.ensemble.files.empty()) return DraftAndStart(context, submission, respond);
  CopyAndStart(context, std::move(submission), respond);
  return {};
}

constexpr Route kRoutes[] = {{Method::kPost, "/api/v1/ensembles", Role::kOperator, SubmitEnsemble}};

}  // namespace

std::span<const Route> SubmissionRoutes() { return kRoutes; }

}  // namespace tutti::server
