#include "cli/client.h"

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/version.hpp>
#include <cctype>
#include <optional>
#include <vector>

#include "coordinator/server/home_socket.h"

namespace tutti::cli {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Generic = asio::generic::stream_protocol;
using Stream = beast::basic_stream<Generic>;
using Response = http::response<http::string_body>;

constexpr uint64_t kLargestAnswer = uint64_t{1} << 30;  // a log may be long

// Whom a request is for, in the words of the errors.
struct Place {
  std::string name;    // "the coordinator of /home", "the coordinator at login1:7350"
  std::string nobody;  // what to say when nobody is there
  std::vector<Generic::endpoint> endpoints;
  std::string host = "localhost";
  std::string token;
};

Place PlaceOf(const std::filesystem::path& home) {
  Place place;
  place.name = fmt::format("the coordinator of {}", home.string());
  place.nobody =
      fmt::format("no coordinator serves {}; `tutti coordinator` does until it is stopped, `tutti run` while it trains",
                  home.string());
  return place;
}

Place PlaceOf(const Remote& remote) {
  Place place;
  place.host = remote.address.Text();
  place.name = fmt::format("the coordinator at {}", place.host);
  place.nobody = fmt::format("no coordinator answers at {}", place.host);
  place.token = remote.token;
  return place;
}

tl::unexpected<Error> Nobody(const Place& place) { return Fail(ErrorCode::kUnreachable, "{}", place.nobody); }

// One conversation: connect, write, read, each a step of the same chain of handlers, all within one deadline.
class Exchange {
 public:
  Exchange(const Place& place, Duration deadline) : place_(place), deadline_(deadline), stream_(context_) {}

  Result<Response> Run(http::request<http::string_body> request) {
    request_ = std::move(request);
    parser_.body_limit(kLargestAnswer);
    stream_.expires_after(deadline_);
    Connect(0);
    context_.run();
    if (failure_) return tl::unexpected<Error>(std::move(*failure_));
    return parser_.release();
  }

 private:
  enum class Step { kConnect, kTalk };

  // A name may stand for several addresses, of which not all are listened on.
  void Connect(size_t index) {
    stream_.async_connect(place_.endpoints[index], [this, index](beast::error_code error) {
      if (error && error != beast::error::timeout && index + 1 < place_.endpoints.size()) {
        stream_.socket().close();
        return Connect(index + 1);
      }
      if (Continues(error, Step::kConnect)) Write();
    });
  }
  void Write() {
    http::async_write(stream_, request_, [this](beast::error_code error, size_t) {
      if (Continues(error, Step::kTalk)) Read();
    });
  }
  void Read() {
    http::async_read(stream_, buffer_, parser_,
                     [this](beast::error_code error, size_t) { Continues(error, Step::kTalk); });
  }

  bool Continues(beast::error_code error, Step step) {
    if (!error) return true;
    if (error == beast::error::timeout) {
      Set(Fail(ErrorCode::kTimeout, "{} did not answer within {} s", place_.name,
               std::chrono::duration_cast<std::chrono::seconds>(deadline_).count()));
    } else if (step == Step::kConnect && error == asio::error::access_denied) {
      Set(Fail(ErrorCode::kDenied, "{} belongs to another user", place_.name));
    } else if (step == Step::kConnect) {
      Set(Nobody(place_));
    } else {
      Set(Fail(ErrorCode::kUnreachable, "{} ended while it was asked: {}", place_.name, error.message()));
    }
    return false;
  }
  void Set(tl::unexpected<Error> error) { failure_ = std::move(error.value()); }

  const Place& place_;
  Duration deadline_;
  asio::io_context context_;
  Stream stream_;
  http::request<http::string_body> request_;
  beast::flat_buffer buffer_;
  http::response_parser<http::string_body> parser_;
  std::optional<Error> failure_;
};

http::request<http::string_body> RequestFor(const Place& place, const std::string& method, const std::string& target,
                                            std::string body) {
  http::request<http::string_body> request(http::string_to_verb(method), target, 11);
  request.set(http::field::host, place.host);
  if (!place.token.empty()) request.set(http::field::authorization, "Bearer " + place.token);
  request.set(http::field::connection, "close");
  if (!body.empty()) request.set(http::field::content_type, "application/json");
  request.body() = std::move(body);
  request.prepare_payload();
  return request;
}

ErrorCode CodeNamed(std::string_view word) {
  for (int code = 0; code <= static_cast<int>(ErrorCode::kInternal); ++code) {
    if (Name(static_cast<ErrorCode>(code)) == word) return static_cast<ErrorCode>(code);
  }
  return ErrorCode::kInternal;
}

// An answer of application/problem+json as the error that it tells.
Error ProblemOf(const Response& response) {
  const auto problem = ParseJson(response.body());
  if (problem && problem->is_object() && problem->contains("title") && (*problem)["title"].is_string()) {
    const auto code = problem->find("code");
    return Error{
        code != problem->end() && code->is_string() ? CodeNamed(code->get<std::string>()) : ErrorCode::kInternal,
        (*problem)["title"].get<std::string>(), nullptr};
  }
  return Error{ErrorCode::kInternal, fmt::format("the coordinator answered {}", response.result_int()), nullptr};
}

std::string EnsembleTarget(const std::string& id) { return "/api/v1/ensembles/" + EncodeUrlPart(id); }

std::string MemberTarget(const std::string& id, const std::string& member) {
  return EnsembleTarget(id) + "/members/" + EncodeUrlPart(member);
}

// The body of the answer.
Result<std::string> Converse(const Place& place, Duration deadline, const std::string& method,
                             const std::string& target, std::string body) {
  TUTTI_ASSIGN_OR_RETURN(const Response response,
                         Exchange(place, deadline).Run(RequestFor(place, method, target, std::move(body))));
  if (response.result_int() >= 400) return tl::unexpected<Error>(ProblemOf(response));
  return response.body();
}

Result<std::string> TextAt(const Json& json, const char* key) {
  if (json.is_object() && json.contains(key) && json[key].is_string()) return json[key].get<std::string>();
  return Fail(ErrorCode::kInvalid, "the coordinator's answer lacks '{}': {}", key, json.dump());
}

}  // namespace

std::string EncodeUrlPart(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool unreserved = std::isalnum(byte) != 0 || c == '-' || c == '.' || c == '_' || c == '~';
    encoded += unreserved ? std::string(1, c) : fmt::format("%{:02X}", byte);
  }
  return encoded;
}

Result<std::string> Client::Ask(const std::string& method, const std::string& target, std::string body) const {
  try {
    return remote_ ? AskRemote(method, target, std::move(body)) : AskHome(method, target, std::move(body));
  } catch (const std::exception& error) {
    return Fail(ErrorCode::kIo, "asking a coordinator: {}", error.what());
  }
}

Result<std::string> Client::AskHome(const std::string& method, const std::string& target, std::string body) const {
  Place place = PlaceOf(home_);
  // Kept until the connection is there: the name may lead through it.
  const auto address = server::HomeSocketAddress::In(home_);
  if (!address) return Nobody(place);
  place.endpoints.emplace_back(asio::local::stream_protocol::endpoint(address->path()));
  return Converse(place, deadline_, method, target, std::move(body));
}

Result<std::string> Client::AskRemote(const std::string& method, const std::string& target, std::string body) const {
  Place place = PlaceOf(*remote_);
  asio::io_context context;
  beast::error_code error;
  for (const auto& entry :
       asio::ip::tcp::resolver(context).resolve(remote_->address.host, std::to_string(remote_->address.port), error)) {
    place.endpoints.emplace_back(entry.endpoint());
  }
  if (place.endpoints.empty()) {
    return Fail(ErrorCode::kUnreachable, "{}: {}", place.nobody, error.message());
  }
  return Converse(place, deadline_, method, target, std::move(body));
}

Result<Json> Client::AskJson(const std::string& method, const std::string& target, const Json& body) const {
  TUTTI_ASSIGN_OR_RETURN(const std::string answer, Ask(method, target, body.is_null() ? "" : body.dump()));
  return answer.empty() ? Json(nullptr) : ParseJson(answer);
}

Result<Client::Home> Client::FindHome() const {
  TUTTI_ASSIGN_OR_RETURN(const Json answer, AskJson("GET", "/api/v1/home", nullptr));
  Home home;
  TUTTI_ASSIGN_OR_RETURN(home.path, TextAt(answer, "home"));
  TUTTI_ASSIGN_OR_RETURN(home.mark, TextAt(answer, "mark"));
  return home;
}

Result<Json> Client::Workers() const { return AskJson("GET", "/api/v1/workers", nullptr); }

Result<Json> Client::Ensembles() const { return AskJson("GET", "/api/v1/ensembles", nullptr); }

Result<Json> Client::Ensemble(const std::string& id) const { return AskJson("GET", EnsembleTarget(id), nullptr); }

Result<std::string> Client::Why(const std::string& id, const std::string& member) const {
  TUTTI_ASSIGN_OR_RETURN(const Json answer, AskJson("GET", MemberTarget(id, member) + "/why", nullptr));
  return TextAt(answer, "reason");
}

Result<std::string> Client::Log(const std::string& id, const std::string& member, std::optional<int> attempt,
                                uint64_t offset) const {
  const std::string which = attempt ? fmt::format("&attempt={}", *attempt) : "";
  return Ask("GET", fmt::format("{}/log?offset={}{}", MemberTarget(id, member), offset, which), "");
}

Result<Client::Submitted> Client::Submit(const Json& experiment, const std::string& source, Again again) const {
  const Json body = {{"experiment", experiment}, {"new", again == Again::kStartAnother}, {"source", source}};
  TUTTI_ASSIGN_OR_RETURN(const Json answer, AskJson("POST", "/api/v1/ensembles", body));
  Submitted submitted;
  TUTTI_ASSIGN_OR_RETURN(submitted.id, TextAt(answer, "id"));
  TUTTI_ASSIGN_OR_RETURN(submitted.outcome, TextAt(answer, "outcome"));
  return submitted;
}

Result<void> Client::Cancel(const std::string& id) const {
  TUTTI_RETURN_IF_ERROR(Ask("POST", EnsembleTarget(id) + "/cancel", ""));
  return {};
}

Result<void> Client::Resume(const std::string& id) const {
  TUTTI_RETURN_IF_ERROR(Ask("POST", EnsembleTarget(id) + "/resume", ""));
  return {};
}

Result<void> Client::Remove(const std::string& id) const {
  TUTTI_RETURN_IF_ERROR(Ask("DELETE", EnsembleTarget(id), ""));
  return {};
}

}  // namespace tutti::cli
