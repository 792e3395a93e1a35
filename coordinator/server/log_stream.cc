#include "coordinator/server/log_stream.h"

#include <charconv>
#include <utility>

#include "storage/checkpoints/checkpoint_store.h"

namespace tutti::server {
namespace {

constexpr uint64_t kPieceBytes = uint64_t{64} << 10;
constexpr Duration kPoll{500};

std::string Frame(std::string_view kind, const LogPlace& behind, const Json& data) {
  // A trainer may write what is no UTF-8.
  const std::string text = data.dump(-1, ' ', false, Json::error_handler_t::replace);
  return fmt::format("id: {}\nevent: {}\ndata: {}\n\n", behind.Text(), kind, text);
}

bool IsContinuation(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

// Takes off the beginning of a character whose end was not read yet.
void KeepWholeCharacters(std::string& text) {
  size_t lead = text.size();
  while (lead > 0 && text.size() - lead < 4 && IsContinuation(text[lead - 1])) --lead;
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
      return ready(Frame("problem", at_, {{"title", text.error().Text()}}));
    }
    if (text && !text->empty()) return ready(Piece(std::move(*text)));
    if (at_.attempt < standing.newest) {
      at_ = {at_.attempt + 1, 0};
      return Look(std::move(ready));
    }
    if (standing.over) {
      ended_ = true;
      return ready(Frame("end", at_, Json::object()));
    }
    if (waited_ >= context_.beat) return ready(": alive\n\n");
    waited_ += kPoll;
    context_.later(kPoll,
                   [self = shared_from_this(), ready = std::move(ready)]() mutable { self->Look(std::move(ready)); });
  }

  std::string Piece(std::string text) {
    KeepWholeCharacters(text);
    const LogPlace begin = at_;
    at_.offset += static_cast<int64_t>(text.size());
    return Frame("log", at_, {{"attempt", begin.attempt}, {"offset", begin.offset}, {"text", std::move(text)}});
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
  LogPlace place;
  const char* end = text.data() + text.size();
  const auto attempt = std::from_chars(text.data(), end, place.attempt);
  const bool dash = attempt.ec == std::errc() && attempt.ptr != end && *attempt.ptr == '-';
  const auto offset = dash ? std::from_chars(attempt.ptr + 1, end, place.offset) : attempt;
  if (!dash || offset.ec != std::errc() || offset.ptr != end || place.attempt < 1 || place.offset < 0) {
    return Fail(ErrorCode::kInvalid, "'{}' is no place in a log, as in 1-4096", text);
  }
  return place;
}

std::filesystem::path LogFile(const RouteContext& context, const AttemptId& attempt) {
  return context.home / attempt.job.ensemble.str() / storage::AttemptFolder(attempt) / "log.txt";
}

std::shared_ptr<BodyStream> FollowLog(const RouteContext& context, const JobId& job, LogPlace from) {
  return std::make_shared<LogStream>(context, job, from);
}

}  // namespace tutti::server
