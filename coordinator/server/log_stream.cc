#include "coordinator/server/log_stream.h"

#include <algorithm>
#include <utility>

#include "common/utf8.h"
#include "common/whole_number.h"
#include "coordinator/server/server_events.h"
#include "storage/checkpoints/checkpoint_store.h"

namespace tutti::server {
namespace {

constexpr Duration kPoll{500};

// Takes off the beginning of a character whose end was not read yet.
void KeepWholeCharacters(std::string& text) {
  size_t lead = text.size();
  while (lead > 0 && text.size() - lead < 4 && IsContinuationByte(text[lead - 1])) --lead;
  if (lead <= 1) return;
  const auto first = static_cast<unsigned char>(text[lead - 1]);
  const size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC0 ? 2 : 1;
  if (text.size() - (lead - 1) < length) text.resize(lead - 1);
}

class LogStream : public BodyStream, public std::enable_shared_from_this<LogStream> {
 public:
  using Ready = std::function<void(std::string)>;

  LogStream(const RouteContext& context, JobId job, LogPlace from)
      : context_(context), job_(std::move(job)), at_(from) {}

  void Next(Ready ready) override {
    if (ended_) return ready("");
    waited_ = Duration(0);
    Look(std::move(ready));
  }

 private:
  struct Standing {
    bool over = false;  // nothing more will be written
    int newest = 0;
  };

  Standing Stand() const {
    const core::Core& core = context_.executor.core();
    const JobRecord* job = core.job(job_);
    if (job == nullptr) return {true, 0};
    const bool open = job->state == JobState::kWaiting || job->state == JobState::kRunning;
    return {!open || core.stopped(), job->attempts};
  }

  // How the job stands is asked before the text is read, so that nothing written before its end is missed.
  void Look(Ready ready) {
    const auto path = LogFile(context_, {job_, at_.attempt});
    context_.disk([self = shared_from_this(), standing = Stand(), path, ready = std::move(ready)]() mutable {
      auto text = self->context_.files->ReadRange(path, static_cast<uint64_t>(self->at_.offset), kPieceBytes);
      self->context_.events([self, standing, text = std::move(text), ready = std::move(ready)]() mutable {
        self->Tell(standing, std::move(text), std::move(ready));
      });
    });
  }

  void Tell(const Standing& standing, Result<std::string> text, Ready ready) {
    if (!text && text.error().code != ErrorCode::kNotFound) {
      ended_ = true;
      return ready(EventText(at_.Text(), "problem", {{"title", text.error().Text()}}));
    }
    if (text && !text->empty()) return ready(Piece(std::move(*text)));
    if (at_.attempt < standing.newest) {
      at_ = {at_.attempt + 1, 0};
      return Look(std::move(ready));
    }
    if (standing.over) {
      ended_ = true;
      return ready(EventText(at_.Text(), "end", Json::object()));
    }
    if (waited_ >= context_.beat) return ready(std::string(kAlive));
    waited_ += kPoll;
    context_.later(kPoll,
                   [self = shared_from_this(), ready = std::move(ready)]() mutable { self->Look(std::move(ready)); });
  }

  std::string Piece(std::string text) {
    KeepWholeCharacters(text);
    const LogPlace begin = at_;
    at_.offset += static_cast<int64_t>(text.size());
    return EventText(at_.Text(), "log",
                     {{"attempt", begin.attempt}, {"offset", begin.offset}, {"text", std::move(text)}});
  }

  const RouteContext context_;
  const JobId job_;
  LogPlace at_;
  Duration waited_{0};
  bool ended_ = false;
};

}  // namespace

std::string LogPlace::Text() const { return fmt::format("{}-{}", attempt, offset); }

Result<LogPlace> LogPlace::Parse(std::string_view text) {
  const size_t dash = std::min(text.find('-'), text.size());
  const auto attempt = ParseWholeNumber<int>(text.substr(0, dash));
  const auto offset = ParseWholeNumber<int64_t>(text.substr(std::min(dash + 1, text.size())));
  if (attempt.value_or(0) < 1 || !offset) {
    return Fail(ErrorCode::kInvalid, "'{}' is no place in a log, as in 1-4096", text);
  }
  return LogPlace{*attempt, *offset};
}

std::filesystem::path LogFile(const RouteContext& context, const AttemptId& attempt) {
  return context.home / attempt.job.ensemble.str() / storage::AttemptFolder(attempt) / "log.txt";
}

std::shared_ptr<BodyStream> FollowLog(const RouteContext& context, const JobId& job, LogPlace from) {
  return std::make_shared<LogStream>(context, job, from);
}

}  // namespace tutti::server
