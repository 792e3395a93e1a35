// The client against a coordinator without workers, and against peers that are none.
#include "cli/client.h"

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include "common/network/home_socket.h"
#include "common/spec/parse.h"
#include "coordinator/server/coordinator.h"
#include "tests/cli/testing.h"

namespace tutti::cli {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

class ClientTest : public testing::Test {
 protected:
  void Serve() {
    server::CoordinatorOptions options;
    options.home = folder_.path();
    coordinator_ = server::Coordinator::Start(std::move(options)).value();
  }
  static Json Experiment() {
    spec::ParseInput input;
    input.text = kExperiment;
    input.file_name = "a.yaml";
    input.base_folder = "/";
    return spec::ToJson(spec::Parse(input).value());
  }

  TemporaryFolder folder_;
  std::unique_ptr<server::Coordinator> coordinator_;
  Client client_{folder_.path(), std::chrono::seconds(10)};
};

TEST_F(ClientTest, NobodyThereIsUnreachableAndSaysWhatStartsOne) {
  const auto answer = client_.Ensembles();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kUnreachable);
  EXPECT_THAT(answer.error().message, HasSubstr("tutti run"));
}

TEST_F(ClientTest, AHomeThatIsNotThereIsUnreachableToo) {
  EXPECT_EQ(Client(folder_.path() / "nowhere").Ensembles().error().code, ErrorCode::kUnreachable);
}

TEST_F(ClientTest, ASocketThatADeadCoordinatorLeftIsUnreachable) {
  Serve();
  coordinator_.reset();
  folder_.Write("coordinator.sock", "");
  EXPECT_EQ(client_.Ensembles().error().code, ErrorCode::kUnreachable);
}

TEST_F(ClientTest, SubmitsOnceAndContinuesTheSameExperiment) {
  Serve();
  const auto first = client_.Submit({.experiment = Experiment(), .source = kExperiment});
  ASSERT_TRUE(first) << first.error().Text();
  EXPECT_EQ(first->id, "small-1");
  EXPECT_EQ(first->outcome, "created");
  EXPECT_EQ(client_.Submit({.experiment = Experiment(), .source = kExperiment})->outcome, "continued");
  EXPECT_EQ(
      client_.Submit({.experiment = Experiment(), .source = kExperiment, .again = Client::Again::kStartAnother})->id,
      "small-2");
  EXPECT_EQ((*client_.Ensembles())["ensembles"].size(), 2);
  EXPECT_EQ((*client_.Ensemble("last"))["id"], "small-2");
}

TEST_F(ClientTest, TheCoordinatorsErrorsComeThroughWithCodeAndSentence) {
  Serve();
  const auto answer = client_.Ensemble("small-7");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(answer.error().message, HasSubstr("small-7"));
  EXPECT_EQ(client_.Why("small-7", "m").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(client_.Submit({.experiment = Json(3)}).error().code, ErrorCode::kInvalid);
}

TEST_F(ClientTest, CancelsResumesAndRemoves) {
  Serve();
  const std::string id = client_.Submit({.experiment = Experiment()})->id;
  EXPECT_THAT(client_.Why(id, "lenet5-s0").value(), Not(IsEmpty()));
  EXPECT_TRUE(client_.Cancel(id));
  EXPECT_EQ((*client_.Ensemble(id))["state"], "cancelled");
  EXPECT_TRUE(client_.Resume(id));
  EXPECT_EQ((*client_.Ensemble(id))["state"], "running");
  EXPECT_FALSE(client_.Remove(id));
  EXPECT_TRUE(client_.Cancel(id));
  EXPECT_TRUE(client_.Remove(id));
  EXPECT_EQ(client_.Ensemble(id).error().code, ErrorCode::kNotFound);
}

// Listens where a coordinator would, and answers the first connection with `answer`, or keeps silent.
class ScriptedPeer {
 public:
  ScriptedPeer(const std::filesystem::path& home, std::string answer) : answer_(std::move(answer)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, (home / network::kSocketName).c_str(), sizeof(address.sun_path) - 1);
    listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool listens =
        bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 && listen(listener_, 1) == 0;
    if (!listens) std::abort();
    thread_ = std::thread([this] { Answer(); });
  }
  ScriptedPeer(const ScriptedPeer&) = delete;
  ScriptedPeer& operator=(const ScriptedPeer&) = delete;
  ~ScriptedPeer() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    if (connection_ >= 0) close(connection_);
    close(listener_);
  }

 private:
  void Answer() {
    connection_ = accept(listener_, nullptr, nullptr);
    if (connection_ < 0 || answer_.empty()) return;
    char first = 0;
    static_cast<void>(recv(connection_, &first, 1, 0));
    static_cast<void>(send(connection_, answer_.data(), answer_.size(), MSG_NOSIGNAL));
    shutdown(connection_, SHUT_WR);
  }

  std::string answer_;
  int listener_ = -1;
  int connection_ = -1;
  std::thread thread_;
};

TEST_F(ClientTest, APeerThatKeepsSilentIsLeftAtTheDeadline) {
  const ScriptedPeer peer(folder_.path(), "");
  const auto answer = Client(folder_.path(), Duration(50)).Ensembles();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kTimeout);
}

TEST_F(ClientTest, APeerThatEndsInTheMiddleIsUnreachable) {
  const ScriptedPeer peer(folder_.path(), "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{");
  const auto answer = client_.Ensembles();
  EXPECT_EQ(answer.error().code, ErrorCode::kUnreachable);
  EXPECT_THAT(answer.error().message, HasSubstr((folder_.path() / "coordinator.log").string()));
}

TEST_F(ClientTest, AnAnswerThatIsNoJsonIsInvalid) {
  const ScriptedPeer peer(folder_.path(), "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc");
  EXPECT_EQ(client_.Ensembles().error().code, ErrorCode::kInvalid);
}

TEST_F(ClientTest, AnErrorWithoutAProblemDocumentIsStillAnError) {
  const ScriptedPeer peer(folder_.path(), "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
  const auto answer = client_.Ensembles();
  ASSERT_FALSE(answer);
  EXPECT_THAT(answer.error().message, HasSubstr("503"));
}

}  // namespace
}  // namespace tutti::cli
