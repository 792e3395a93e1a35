// Who comes in over TCP, and as what.
#include "coordinator/server/gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/hash.h"
#include "coordinator/server/access.h"
#include "coordinator/server/coordinator.h"
#include "experiments.h"
#include "raw_client.h"
#include "tests/support/temporary_folder.h"

namespace tutti::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::RawClient;

const Tokens kTokens{"the-operators-token", "the-readers-token"};
const network::Address kLoopback{"127.0.0.1", 7350, false};

int StatusOf(const tl::expected<Role, HttpResponse>& admitted) { return admitted ? 200 : admitted.error().status; }

TEST(Gate, KnowsItsTwoTokens) {
  const Gate gate(kTokens, kLoopback);
  EXPECT_EQ(gate.Admit({"Bearer the-operators-token", "127.0.0.1:7350", ""}).value(), Role::kOperator);
  EXPECT_EQ(gate.Admit({"bearer the-readers-token", "localhost:7350", ""}).value(), Role::kReader);
}

TEST(Gate, LetsNobodyElseIn) {
  const Gate gate(kTokens, kLoopback);
  for (const char* authorization : {"", "Bearer", "Bearer ", "Bearer x", "Basic the-operators-token",
                                    "the-operators-token", "Bearer the-operators-token ", "Bearer the-operators"}) {
    EXPECT_EQ(StatusOf(gate.Admit({authorization, "localhost", ""})), 401) << authorization;
  }
}

TEST(Gate, TakesNothingFromWebPages) {
  const Gate gate(kTokens, kLoopback);
  EXPECT_EQ(StatusOf(gate.Admit({"Bearer the-operators-token", "localhost:7350", "https://evil.example"})), 403);
  EXPECT_EQ(StatusOf(gate.Admit({"Bearer the-operators-token", "evil.example:7350", ""})), 403);
  EXPECT_EQ(StatusOf(gate.Admit({"Bearer the-operators-token", "", ""})), 403);
  EXPECT_EQ(StatusOf(gate.Admit({"Bearer the-operators-token", "[::1]:7350", ""})), 200);
  EXPECT_EQ(StatusOf(gate.Admit({"Bearer the-operators-token", "[", ""})), 403);
}

class Tcp : public ::testing::Test {
 protected:
  Tcp() {
    CoordinatorOptions options;
    options.home = folder_ / "runs";
    options.listen = network::Address{"127.0.0.1", 0, false};
    auto started = Coordinator::Start(options);
    TUTTI_CHECK(started);
    coordinator_ = std::move(*started);
    tokens_ = ReadOrMakeTokens(PosixFileSystem(), folder_ / "runs").value();
  }
  int Status(const std::string& method, const std::string& target, const std::string& headers = "",
             const std::string& body = "") {
    RawClient client(coordinator_->address()->port);
    client.Send(fmt::format("{} {} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n{}\r\n{}", method, target,
                            body.size(), headers, body));
    const auto answer = client.Receive();
    last_ = answer ? answer->head + answer->body : "";
    return answer ? answer->status : 0;
  }
  std::string With(const std::string& token) { return fmt::format("Authorization: Bearer {}\r\n", token); }

  testing::TemporaryFolder folder_;
  std::unique_ptr<Coordinator> coordinator_;
  Tokens tokens_;
  std::string last_;
};

struct RouteOf {
  const char* method;
  const char* target;
  bool for_readers;
};
constexpr RouteOf kEveryRoute[] = {
    {"GET", "/healthz", true},
    {"GET", "/metrics", true},
    {"GET", "/api/v1/home", false},
    {"GET", "/api/v1/ensembles", true},
    {"POST", "/api/v1/ensembles", false},
    {"GET", "/api/v1/ensembles/none-1", true},
    {"DELETE", "/api/v1/ensembles/none-1", false},
    {"POST", "/api/v1/ensembles/none-1/cancel", false},
    {"POST", "/api/v1/ensembles/none-1/resume", false},
    {"GET", "/api/v1/ensembles/none-1/artifacts", true},
    {"GET", "/api/v1/ensembles/none-1/artifacts/0", true},
    {"GET", "/api/v1/ensembles/none-1/members", true},
    {"GET", "/api/v1/ensembles/none-1/members/m", true},
    {"GET", "/api/v1/ensembles/none-1/members/m/metrics", true},
    {"GET", "/api/v1/ensembles/none-1/members/m/log", false},
    {"GET", "/api/v1/ensembles/none-1/members/m/why", true},
    {"GET", "/api/v1/ensembles/none-1/members/m/attempts/1/inputs", false},
    {"GET", "/api/v1/ensembles/none-1/members/m/attempts/1/inputs/content", false},
    {"GET", "/api/v1/ensembles/none-1/members/m/attempts/1/uploads", false},
    {"POST", "/api/v1/ensembles/none-1/members/m/attempts/1/uploads", false},
    {"GET", "/api/v1/files/00", false},
    {"PUT", "/api/v1/files/00", false},
    {"GET", "/api/v1/workers", true},
    {"GET", "/api/v1/workers/channel", false},
    {"PATCH", "/api/v1/ensembles/none-1", true},
};

TEST_F(Tcp, EveryRouteWantsAToken) {
  for (const auto& [method, target, for_readers] : kEveryRoute) {
    EXPECT_EQ(Status(method, target), 401) << method << " " << target;
    EXPECT_THAT(last_, HasSubstr("WWW-Authenticate: Bearer"));
    EXPECT_EQ(Status(method, target, With("wrong-wrong-wrong-wrong")), 401) << method << " " << target;
    EXPECT_THAT(last_, Not(HasSubstr("wrong-wrong"))) << "what was tried is not repeated";
  }
}

TEST_F(Tcp, AReaderLooksAndAnOperatorActs) {
  for (const auto& [method, target, for_readers] : kEveryRoute) {
    const int reader = Status(method, target, With(tokens_.for_reader));
    const int as_operator = Status(method, target, With(tokens_.for_operator));
    EXPECT_NE(as_operator, 401) << method << " " << target;
    EXPECT_NE(as_operator, 403) << method << " " << target;
    const bool unknown = as_operator == 404 && std::string_view(target).ends_with("/channel");
    if (unknown) continue;  // without a WebSocket's handshake there is no such thing for anybody
    if (for_readers) {
      EXPECT_EQ(reader, as_operator) << method << " " << target;
    } else {
      EXPECT_EQ(reader, 403) << method << " " << target;
    }
  }
}

TEST_F(Tcp, AReaderSeesNoPaths) {
  const auto home = (folder_ / "runs").string();
  ASSERT_EQ(
      Status("POST", "/api/v1/ensembles", With(tokens_.for_operator), testing::Submission(testing::AnExperiment())),
      200);
  std::filesystem::remove_all(folder_ / "runs/trial-1");
  for (const char* target : {"/api/v1/ensembles", "/api/v1/ensembles/last"}) {
    ASSERT_EQ(Status("GET", target, With(tokens_.for_operator)), 200);
    EXPECT_THAT(last_, HasSubstr(home));
    ASSERT_EQ(Status("GET", target, With(tokens_.for_reader)), 200);
    EXPECT_THAT(last_, Not(HasSubstr(home)));
    EXPECT_THAT(last_, HasSubstr("its folder (path) is gone"));
  }
}

TEST_F(Tcp, AReaderDownloadsNoExperiment) {
  ASSERT_EQ(
      Status("POST", "/api/v1/ensembles", With(tokens_.for_operator), testing::Submission(testing::AnExperiment())),
      200);
  ASSERT_EQ(Status("GET", "/api/v1/ensembles/last/artifacts", With(tokens_.for_operator)), 200);
  ASSERT_THAT(last_, HasSubstr("resolved.yaml"));
  const std::string target = "/api/v1/ensembles/last/artifacts/" + HashText("resolved.yaml");
  EXPECT_EQ(Status("GET", target, With(tokens_.for_operator)), 200);
  EXPECT_EQ(Status("GET", target, With(tokens_.for_reader)), 403);
  ASSERT_EQ(Status("GET", "/api/v1/ensembles/last/artifacts", With(tokens_.for_reader)), 200);
  EXPECT_THAT(last_, Not(HasSubstr("resolved.yaml")));
}

TEST_F(Tcp, AReaderIsNoWorker) {
  const std::string upgrade =
      "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  EXPECT_EQ(Status("GET", "/api/v1/workers/channel", upgrade), 401);
  EXPECT_NE(Status("GET", "/api/v1/workers/channel", upgrade + With(tokens_.for_reader)), 101);
  EXPECT_EQ(Status("GET", "/api/v1/workers/channel", upgrade + With(tokens_.for_operator)), 101);
}

TEST_F(Tcp, ItsAddressLiesInTheHomeAsLongAsItServes) {
  const auto home = folder_ / "runs";
  EXPECT_EQ(ReadWhereabouts(PosixFileSystem(), home).value().address, *coordinator_->address());
  coordinator_.reset();
  EXPECT_EQ(ReadWhereabouts(PosixFileSystem(), home).error().code, ErrorCode::kNotFound);
}

TEST(TcpAddress, ThatTheNetworkHearsIsRefusedWithoutTls) {
  testing::TemporaryFolder folder;
  CoordinatorOptions options;
  options.home = folder / "runs";
  options.listen = network::Address{"0.0.0.0", 0, false};
  const auto started = Coordinator::Start(options);
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, ErrorCode::kInvalid);
  EXPECT_THAT(started.error().Text(), HasSubstr("TLS"));
}

TEST(TcpAddress, ThatIsTakenIsNamed) {
  testing::TemporaryFolder folder;
  CoordinatorOptions options;
  options.home = folder / "one";
  options.listen = network::Address{"127.0.0.1", 0, false};
  const auto first = Coordinator::Start(options);
  ASSERT_TRUE(first) << first.error().Text();
  options.home = folder / "other";
  options.listen = (*first)->address();
  const auto second = Coordinator::Start(options);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kConflict);
  EXPECT_THAT(second.error().Text(), HasSubstr(options.listen->Text()));
}

}  // namespace
}  // namespace tutti::server
