// What `tutti rank` does when things are not as they should be. With mpirun and an agent:
// tests/worker/agent/gang_test.cc

#include "worker/launch/rank.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <cstring>
#include <fstream>
#include <thread>

#include "tests/support/temporary_folder.h"
#include "worker/launch/process.h"
#include "worker/launch/rank_server.h"

namespace tutti::worker {
namespace {

using ::testing::HasSubstr;
using tutti::testing::TemporaryFolder;

const AttemptId kAttempt{{EnsembleId("digits-1"), "m"}, 1};
constexpr int kNoOrders = 70;

class RankTest : public ::testing::Test {
 protected:
  // `tutti rank` in a process of its own; its exit code, and what it prints.
  std::pair<int, std::string> RunRankProgram(Environment environment) {
    Command command;
    command.arguments = {std::filesystem::read_symlink("/proc/self/exe").parent_path() / "rank_program", "rank",
                         kAttempt.str(), "--socket", socket_};
    command.environment = std::move(environment);
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe(ends.data()), 0);
    command.output = ends[1];
    auto process = ChildProcess::Adopt(StartProcess(command).value()).value();
    const OwnedDescriptor reader(ends[0]);
    OwnedDescriptor(ends[1]).Close();
    std::string printed;
    std::array<char, 512> piece;
    for (ssize_t got = 0; (got = ::read(reader.get(), piece.data(), piece.size())) > 0;) {
      printed.append(piece.data(), static_cast<size_t>(got));
    }
    return {process.Reap(), printed};
  }

  // The same while a worker answers.
  std::pair<int, std::string> RunAgainst(std::function<Result<RankOrders>(const RankHello&)> answer,
                                         Environment environment, Duration patience = std::chrono::seconds(60)) {
    RankServer::Handlers handlers{std::move(answer), [this](const AttemptId&) { context_.stop(); }};
    auto server = RankServer::Listen(context_, socket_, std::move(handlers), patience);
    EXPECT_TRUE(server);
    server_ = server->get();
    std::pair<int, std::string> outcome;
    std::thread client([&] {
      outcome = RunRankProgram(std::move(environment));
      context_.stop();
    });
    context_.run_for(std::chrono::seconds(60));
    client.join();
    return outcome;
  }

  boost::asio::io_context context_;
  RankServer* server_ = nullptr;  // while it answers
  TemporaryFolder folder_;
  const std::filesystem::path socket_ = folder_ / "ranks.sock";
};

TEST_F(RankTest, BecomesWhatTheWorkerOrders) {
  RankHello said;
  const auto [code, printed] = RunAgainst(
      [&](const RankHello& hello) -> Result<RankOrders> {
        said = hello;
        return RankOrders{{"/bin/sh", "-c", "echo $GIVEN $KEPT; exit 75"}, {{"GIVEN", "new"}}, {}};
      },
      {{"PMIX_RANK", "3"}, {"KEPT", "old"}});
  EXPECT_EQ(code, 75);
  EXPECT_EQ(printed, "new old\n");
  EXPECT_EQ(said, (RankHello{kAttempt, 3}));
}

// Two workers of a gang are told of it over two connections: a rank may come first.
TEST_F(RankTest, WaitsForOrdersThatAreNotThereYet) {
  int asked = 0;
  const auto [code, printed] = RunAgainst(
      [&](const RankHello& hello) -> Result<RankOrders> {
        if (++asked > 1) return RankOrders{{"/bin/sh", "-c", "exit 75"}, {}, {}};
        boost::asio::post(context_, [this, hello] { server_->Reconsider(hello.attempt); });
        return Fail(ErrorCode::kNotFound, "nothing is known of it");
      },
      {{"PMIX_RANK", "3"}});
  EXPECT_EQ(code, 75) << printed;
  EXPECT_EQ(asked, 2);
}

TEST_F(RankTest, DoesNotWaitForEverForOrders) {
  const auto [code, printed] = RunAgainst(
      [](const RankHello&) -> Result<RankOrders> { return Fail(ErrorCode::kNotFound, "nothing is known of it"); },
      {{"PMIX_RANK", "3"}}, std::chrono::milliseconds(1));
  EXPECT_EQ(code, kNoOrders);
  EXPECT_THAT(printed, HasSubstr("nothing is known of it"));
}

TEST_F(RankTest, SaysWhyItWasRefused) {
  const auto [code, printed] = RunAgainst(
      [](const RankHello&) -> Result<RankOrders> { return Fail(ErrorCode::kCancelled, "it has been ended"); },
      {{"SLURM_PROCID", "0"}});
  EXPECT_EQ(code, kNoOrders);
  EXPECT_EQ(printed, "tutti rank digits-1/m/attempt-1: it has been ended\n");
}

TEST_F(RankTest, SaysWhichProgramIsMissing) {
  const auto [code, printed] = RunAgainst(
      [](const RankHello&) -> Result<RankOrders> {
        return RankOrders{{"/nowhere/tutti-trainer"}, {}, {}};
      },
      {{"OMPI_COMM_WORLD_RANK", "0"}});
  EXPECT_EQ(code, kNoOrders);
  EXPECT_THAT(printed, HasSubstr("/nowhere/tutti-trainer"));
}

TEST_F(RankTest, WithoutAWorkerSaysWhereItLooked) {
  const auto [code, printed] = RunRankProgram({{"OMPI_COMM_WORLD_RANK", "0"}});
  EXPECT_EQ(code, kNoOrders);
  EXPECT_THAT(printed, HasSubstr(socket_.string()));
}

TEST_F(RankTest, WithoutALauncherSaysWhoStartsIt) {
  const auto [code, printed] = RunRankProgram({});
  EXPECT_EQ(code, kNoOrders);
  EXPECT_THAT(printed, HasSubstr("started by mpirun or srun"));
  EXPECT_THAT(RunRankProgram({{"PMIX_RANK", "-1"}}).second, HasSubstr("PMIX_RANK=-1 is no rank"));
  EXPECT_THAT(RunRankProgram({{"PMIX_RANK", "1x"}}).second, HasSubstr("PMIX_RANK=1x is no rank"));
}

TEST(RankServer, RefusesAPathThatIsTooLongForASocket) {
  boost::asio::io_context context;
  const auto server = RankServer::Listen(context, "/tmp/" + std::string(120, 'x'), {});
  ASSERT_FALSE(server);
  EXPECT_THAT(server.error().message, HasSubstr("shorter"));
}

sockaddr_un AddressOf(const std::filesystem::path& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, path.c_str());
  return address;
}

// Of this process's descriptors the one that listens on `path`.
int ListenerOn(const std::filesystem::path& path) {
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    const int descriptor = std::stoi(entry.path().filename());
    sockaddr_un address = {};
    socklen_t size = sizeof(address);
    if (::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0) continue;
    if (address.sun_family == AF_UNIX && path == address.sun_path) return descriptor;
  }
  return -1;
}

// An agent must not spend its CPU on it: out of descriptors or memory, it would take it from the trainers.
TEST(RankServer, WaitsAMomentWhenARankCannotBeAccepted) {
  const TemporaryFolder folder;
  boost::asio::io_context context;
  const auto server = RankServer::Listen(context, folder / "ranks.sock", {});
  ASSERT_TRUE(server);
  const sockaddr_un address = AddressOf(folder / "ranks.sock");
  const OwnedDescriptor rank(::socket(AF_UNIX, SOCK_STREAM, 0));
  ASSERT_EQ(::connect(rank.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  // Somebody waits, and accept() fails from now on.
  const int listener = ListenerOn(folder / "ranks.sock");
  const OwnedDescriptor kept(::dup(listener));
  const OwnedDescriptor no_socket(::open("/dev/null", O_RDONLY));
  ASSERT_EQ(::dup2(no_socket.get(), listener), listener);
  const size_t tries = context.run_for(std::chrono::milliseconds(200));
  EXPECT_GE(tries, 1U);
  EXPECT_LE(tries, 5U);
}

}  // namespace
}  // namespace tutti::worker
