#include "coordinator/server/api.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <set>
#include <string_view>

#include "common/hash.h"
#include "coordinator/server/access.h"
#include "coordinator/server/ensemble_files.h"
#include "coordinator/server/provenance.h"
#include "coordinator/server/views.h"
#include "storage/checkpoints/checkpoint_store.h"

namespace tutti::server {
namespace {

// A log may be long: who wants more asks again from where this ended.
constexpr uint64_t kLogBytes = 1024 * 1024;
constexpr size_t kEnsembleSegment = 3;  // of /api/v1/ensembles/ID
constexpr size_t kMemberSegment = 5;    // of /api/v1/ensembles/ID/members/NAME

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

// A whole number of the query that is not negative.
Result<int64_t> NumberOf(const HttpRequest& request, const std::string& key, int64_t otherwise) {
  const auto found = request.query.find(key);
  if (found == request.query.end()) return otherwise;
  int64_t number = 0;
  const char* end = found->second.data() + found->second.size();
  const auto [last, error] = std::from_chars(found->second.data(), end, number);
  if (error != std::errc() || last != end || number < 0) {
    return Fail(ErrorCode::kInvalid, "{}={} is no whole number", key, found->second);
  }
  return number;
}

HttpResponse BrokenDown(const std::exception& error) {
  spdlog::error("an answer could not be made: {}", error.what());
  return ProblemResponse(
      Error{ErrorCode::kInternal, fmt::format("the answer could not be made: {}", error.what()), nullptr});
}

Json Outcome(const EnsembleId& id, std::string_view outcome) { return {{"id", id.str()}, {"outcome", outcome}}; }

Error FilesStayBehind(const EnsembleId& id, const Error& why) {
  return Error{why.code,
               fmt::format("{} is removed, but not all of its files could be deleted: {}; the next start of a "
                           "coordinator tries it again",
                           id, why.Text()),
               nullptr};
}

bool IsOpen(EnsembleState state) { return state == EnsembleState::kRunning || state == EnsembleState::kStopped; }

std::string_view WordOf(Method method) {
  switch (method) {
    case Method::kGet:
      return "GET";
    case Method::kPost:
      return "POST";
    case Method::kDelete:
      return "DELETE";
    case Method::kOther:
      return "this method";
  }
  TUTTI_CHECK(false);
}

const Error kReadersLookOnly{ErrorCode::kDenied,
                             "this token is for looking only: the operator's token may change what runs", nullptr};

}  // namespace

struct Api::Route {
  Method method;
  std::string_view pattern;  // ID and NAME stand for any one segment
  Role least;
  Result<void> (Api::*handle)(const HttpRequest&, const Respond&);

  bool Fits(const HttpRequest& request) const {
    const HttpRequest wanted = ParseTarget(method, pattern);
    return std::equal(
        wanted.segments.begin(), wanted.segments.end(), request.segments.begin(), request.segments.end(),
        [](const std::string& want, const std::string& got) { return want == got || want == "ID" || want == "NAME"; });
  }
};

const Api::Route Api::kRoutes[] = {
    {Method::kGet, "/healthz", Role::kReader, &Api::Health},
    {Method::kGet, "/api/v1/home", Role::kOperator, &Api::ShowHome},
    {Method::kGet, "/api/v1/ensembles", Role::kReader, &Api::ListEnsembles},
    {Method::kPost, "/api/v1/ensembles", Role::kOperator, &Api::SubmitEnsemble},
    {Method::kGet, "/api/v1/ensembles/ID", Role::kReader, &Api::ShowEnsemble},
    {Method::kDelete, "/api/v1/ensembles/ID", Role::kOperator, &Api::RemoveEnsemble},
    {Method::kPost, "/api/v1/ensembles/ID/cancel", Role::kOperator, &Api::CancelEnsemble},
    {Method::kPost, "/api/v1/ensembles/ID/resume", Role::kOperator, &Api::ResumeEnsemble},
    {Method::kGet, "/api/v1/ensembles/ID/members/NAME/log", Role::kReader, &Api::ShowLog},
    {Method::kGet, "/api/v1/ensembles/ID/members/NAME/why", Role::kReader, &Api::ShowWhy},
    {Method::kGet, "/api/v1/workers", Role::kReader, &Api::ListWorkers},
};

void Api::Handle(const HttpRequest& request, const Respond& respond) {
  std::vector<std::string_view> other_methods;
  for (const Route& route : kRoutes) {
    if (!route.Fits(request)) continue;
    if (route.method != request.method) {
      other_methods.push_back(WordOf(route.method));
      continue;
    }
    if (request.role < route.least) return respond(ProblemResponse(kReadersLookOnly));
    return HandleRoute(route, request, respond);
  }
  if (other_methods.empty()) {
    return respond(ProblemResponse(Error{ErrorCode::kNotFound, "there is no " + request.path, nullptr}));
  }
  std::string title = fmt::format("{} knows ", request.path);
  for (size_t i = 0; i < other_methods.size(); ++i) title += fmt::format("{}{}", i > 0 ? ", " : "", other_methods[i]);
  respond(ProblemResponse(Error{ErrorCode::kInvalid, title + " only", nullptr}, 405));
}

// What goes wrong while an answer is made is no reason to end what is trained. (What goes wrong while an event is
// handled is: the executor sees to that itself.)
void Api::HandleRoute(const Route& route, const HttpRequest& request, const Respond& respond) {
  try {
    const auto handled = (this->*route.handle)(request, respond);
    if (!handled) respond(ProblemResponse(handled.error()));
  } catch (const std::exception& error) {
    respond(BrokenDown(error));
  }
}

void Api::AnswerFromDisk(const Respond& respond, std::function<HttpResponse()> make) {
  here_.disk([respond, make = std::move(make)] {
    try {
      respond(make());
    } catch (const std::exception& error) {
      respond(BrokenDown(error));
    }
  });
}

Result<void> Api::Health(const HttpRequest&, const Respond& respond) {
  respond(JsonResponse({{"generation", catalog_.generation().value}, {"pid", ::getpid()}, {"version", Version()}}));
  return {};
}

Result<void> Api::ShowHome(const HttpRequest&, const Respond& respond) {
  TUTTI_ASSIGN_OR_RETURN(const std::string mark, ReadOrMakeMark(*here_.files, here_.home));
  respond(JsonResponse({{"home", here_.home.string()}, {"mark", mark}}));
  return {};
}

Result<void> Api::ListEnsembles(const HttpRequest&, const Respond& respond) {
  // Experiments of thousands of members take their time: they are read elsewhere.
  const Records& all = executor_.core().records();
  Records records;
  records.ensembles = all.ensembles;
  records.jobs = all.jobs;
  AnswerFromDisk(respond, [records = std::move(records), files = here_.files, home = here_.home] {
    return JsonResponse(EnsemblesView(records, ProblemsOf(*files, home, records)));
  });
  return {};
}

Result<void> Api::ShowEnsemble(const HttpRequest& request, const Respond& respond) {
  TUTTI_ASSIGN_OR_RETURN(const EnsembleRecord ensemble, FindNamed(request));
  Records records = executor_.core().RecordsOf(ensemble.id);
  Live live = executor_.LiveOf(records);
  AnswerFromDisk(respond, [records = std::move(records), live = std::move(live), ensemble, files = here_.files,
                           home = here_.home] {
    const auto view = EnsembleView(records, ensemble.id, live, ReadStored(*files, home, ensemble));
    return view ? JsonResponse(*view) : ProblemResponse(view.error());
  });
  return {};
}

Result<void> Api::SubmitEnsemble(const HttpRequest& request, const Respond& respond) {
  TUTTI_ASSIGN_OR_RETURN(const Submission submission, ParseSubmission(request.body));
  const std::string spec_hash = SpecHash(submission.spec);
  executor_.Flush();  // two submissions of one experiment at the same time make one ensemble
  TUTTI_RETURN_IF_ERROR(CheckOpen());
  if (submission.repeat == Submission::Repeat::kContinue) {
    const EnsembleRecord* same = FindSame(executor_.core().records(), spec_hash);
    if (same != nullptr) return ContinueWith(EnsembleRecord(*same), respond);
    TUTTI_RETURN_IF_ERROR(CheckNotForgotten(spec_hash));
  }
  TUTTI_ASSIGN_OR_RETURN(const EnsembleId id, CreateEnsemble(submission.spec, submission.source));
  SubmitAndAnswer(core::EnsembleSubmitted{id, submission.spec, spec_hash}, id, "created", respond);
  executor_.Flush();
  return {};
}

Result<void> Api::ContinueWith(const EnsembleRecord& ensemble, const Respond& respond) {
  TUTTI_ASSIGN_OR_RETURN(const Stored stored, ReadStoredOf(ensemble));
  if (IsAnswered(ensemble.state) && stored.problem.empty()) {
    respond(JsonResponse(Outcome(ensemble.id, "finished")));
  } else if (ensemble.state == EnsembleState::kRunning) {
    respond(JsonResponse(Outcome(ensemble.id, "continued")));
  } else {
    SubmitAndAnswer(core::EnsembleResumed{ensemble.id, core::Answer::kLost}, ensemble.id, "continued", respond);
  }
  return {};
}

Result<Stored> Api::ReadStoredOf(const EnsembleRecord& ensemble) const {
  const std::string gone = ProblemOfFolder(*here_.files, here_.home, ensemble);
  if (!gone.empty()) return Fail(ErrorCode::kConflict, "{}: {}", ensemble.id, gone);
  return ReadStored(*here_.files, here_.home, ensemble);
}

Result<void> Api::CheckNotForgotten(const std::string& spec_hash) const {
  TUTTI_ASSIGN_OR_RETURN(const std::vector<EnsembleId> forgotten,
                         FindForgotten(*here_.files, here_.home, executor_.core().records()));
  for (const EnsembleId& id : forgotten) {
    const auto experiment = here_.files->Read(here_.home / id.str() / kResolvedExperiment);
    const auto members = here_.files->List(here_.home / id.str() / "members");
    const bool same = experiment && HashText(*experiment) == spec_hash;
    if (!same || !members || members->empty()) continue;  // a coordinator died before it began with it
    return Fail(ErrorCode::kConflict,
                "{} holds this experiment, but the catalog does not know it: `tutti fsck --rebuild` takes it in, --new "
                "trains another",
                (here_.home / id.str()).string());
  }
  return {};
}

Result<EnsembleId> Api::CreateEnsemble(const spec::EnsembleSpec& spec, const std::optional<std::string>& source) {
  TUTTI_ASSIGN_OR_RETURN(int number, catalog_.HighestNumber(spec.name));
  // A folder that no row knows was given too: a coordinator died between the two.
  while (true) {
    const EnsembleId id(fmt::format("{}-{}", spec.name, ++number));
    const auto created = CreateEnsembleFolder(*here_.files, here_.home / id.str(), spec, source);
    if (created) return id;
    if (created.error().code == ErrorCode::kExists) continue;
    (void)here_.files->RemoveAll(here_.home / id.str());  // half of one is of no use; if it stays, it harms nobody
    return tl::unexpected(created.error());
  }
}

Result<void> Api::CancelEnsemble(const HttpRequest& request, const Respond& respond) {
  TUTTI_ASSIGN_OR_RETURN(const EnsembleRecord ensemble, FindNamed(request));
  if (ensemble.state == EnsembleState::kCancelled) {
    respond(JsonResponse(Outcome(ensemble.id, "cancelled")));
    return {};
  }
  if (!IsOpen(ensemble.state)) {
    return Fail(ErrorCode::kConflict, "{} has ended already: it is {}", ensemble.id, Name(ensemble.state));
  }
  SubmitAndAnswer(core::EnsembleCancelled{ensemble.id}, ensemble.id, "cancelled", respond);
  return {};
}

Result<void> Api::ResumeEnsemble(const HttpRequest& request, const Respond& respond) {
  TUTTI_ASSIGN_OR_RETURN(const EnsembleRecord ensemble, FindNamed(request));
  TUTTI_RETURN_IF_ERROR(CheckOpen());
  if (ensemble.state == EnsembleState::kRemoving) {
    return Fail(ErrorCode::kConflict, "{} is being removed: there is nothing to go on with", ensemble.id);
  }
  TUTTI_ASSIGN_OR_RETURN(const Stored stored, ReadStoredOf(ensemble));
  const bool finished = ensemble.state == EnsembleState::kFinished && stored.problem.empty();
  if (finished || ensemble.state == EnsembleState::kRunning) {
    respond(JsonResponse(Outcome(ensemble.id, Name(ensemble.state))));
    return {};
  }
  SubmitAndAnswer(core::EnsembleResumed{ensemble.id, core::Answer::kLost}, ensemble.id, "resumed", respond);
  return {};
}

Result<void> Api::RemoveEnsemble(const HttpRequest& request, const Respond& respond) {
  TUTTI_ASSIGN_OR_RETURN(const EnsembleRecord ensemble, FindNamed(request));
  if (ensemble.state == EnsembleState::kRunning) {
    return Fail(ErrorCode::kConflict, "{} is running: `tutti cancel {}` ends it first", ensemble.id, ensemble.id);
  }
  executor_.Submit(core::EnsembleRemoved{ensemble.id}, [this, respond, id = ensemble.id] {
    // How it went was queued when the folder was taken from its name: behind that, it is known.
    executor_.Submit(core::Tick{}, [this, respond, id] { AnswerRemoved(id, respond); });
  });
  return {};
}

void Api::AnswerRemoved(const EnsembleId& id, const Respond& respond) {
  const Records records = executor_.core().RecordsOf(id);
  if (records.ensembles.empty()) {
    return executor_.DeleteRemoved(id, [respond, id](const Result<void>& deleted) {
      respond(deleted ? JsonResponse(Outcome(id, "removed")) : ProblemResponse(FilesStayBehind(id, deleted.error())));
    });
  }
  const EnsembleRecord& left = records.ensembles.front();
  if (left.state == EnsembleState::kRemoving) {
    return respond(ProblemResponse(Error{ErrorCode::kIo, fmt::format("{}: {}", id, left.note), nullptr}));
  }
  respond(ProblemResponse(
      Error{ErrorCode::kConflict, fmt::format("{} is still being written to: try again in a moment", id), nullptr}));
}

Result<void> Api::ShowLog(const HttpRequest& request, const Respond& respond) {
  TUTTI_ASSIGN_OR_RETURN(const JobRecord job, FindMember(request));
  TUTTI_ASSIGN_OR_RETURN(const int64_t attempt, NumberOf(request, "attempt", job.attempts));
  TUTTI_ASSIGN_OR_RETURN(const int64_t offset, NumberOf(request, "offset", 0));
  if (job.attempts == 0) return Fail(ErrorCode::kNotFound, "{} has not started yet: it has no log", job.id.str());
  if (attempt < 1 || attempt > job.attempts) {
    return Fail(ErrorCode::kNotFound, "{} has no attempt {}: its newest is {}", job.id.str(), attempt, job.attempts);
  }
  const AttemptId id{job.id, static_cast<int>(attempt)};
  const auto path = here_.home / job.id.ensemble.str() / storage::AttemptFolder(id) / "log.txt";
  AnswerFromDisk(respond, [path, offset, files = here_.files] {
    auto text = files->ReadRange(path, static_cast<uint64_t>(offset), kLogBytes);
    // The attempt exists; its trainer has just not said anything.
    if (!text && text.error().code == ErrorCode::kNotFound) text = std::string();
    return text ? HttpResponse{200, "text/plain; charset=utf-8", std::move(*text)} : ProblemResponse(text.error());
  });
  return {};
}

Result<void> Api::ShowWhy(const HttpRequest& request, const Respond& respond) {
  TUTTI_ASSIGN_OR_RETURN(const JobRecord job, FindMember(request));
  respond(JsonResponse({{"reason", executor_.core().Why(job.id)}}));
  return {};
}

Result<void> Api::ListWorkers(const HttpRequest&, const Respond& respond) {
  respond(JsonResponse(WorkersView(executor_.core().workers())));
  return {};
}

Result<EnsembleRecord> Api::FindNamed(const HttpRequest& request) {
  executor_.Flush();  // what was asked before is in effect
  const Records& records = executor_.core().records();
  TUTTI_ASSIGN_OR_RETURN(const EnsembleId id, FindEnsemble(records, request.segments[kEnsembleSegment]));
  return *std::find_if(records.ensembles.begin(), records.ensembles.end(),
                       [&](const EnsembleRecord& ensemble) { return ensemble.id == id; });
}

Result<JobRecord> Api::FindMember(const HttpRequest& request) {
  TUTTI_ASSIGN_OR_RETURN(const EnsembleRecord ensemble, FindNamed(request));
  const std::string& name = request.segments[kMemberSegment];
  for (const JobRecord& job : executor_.core().records().jobs) {
    if (job.id.ensemble == ensemble.id && job.id.name == name) return job;
  }
  if (!IsValidName(name)) return Fail(ErrorCode::kInvalid, "'{}' cannot be the name of a member", name);
  return Fail(ErrorCode::kNotFound, "{} has no member {}", ensemble.id, name);
}

Result<void> Api::CheckOpen() const {
  if (!executor_.stopping()) return {};
  return Fail(ErrorCode::kUnreachable, "the coordinator is ending: start it again and repeat");
}

void Api::SubmitAndAnswer(core::Event event, const EnsembleId& id, std::string outcome, const Respond& respond) {
  executor_.Submit(std::move(event), [respond, id, outcome] { respond(JsonResponse(Outcome(id, outcome))); });
}

}  // namespace tutti::server
