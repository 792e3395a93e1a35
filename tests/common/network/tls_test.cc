// A certificate that is made, what it is checked against, and connections under it.
#include "common/network/tls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <fstream>
#include <optional>
#include <thread>

#include "common/network/peer.h"
#include "tests/support/temporary_folder.h"

namespace tutti::network {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using ::testing::HasSubstr;

constexpr Duration kPatience = std::chrono::seconds(30);

asio::awaitable<void> Try(asio::io_context& io, const Remote& remote, std::optional<Result<void>>& outcome) {
  const auto stream = co_await Connect(io, remote, kPatience);
  outcome = stream ? Result<void>() : tl::unexpected<Error>(stream.error());
}

class Tls : public ::testing::Test {
 protected:
  Tls() { TUTTI_CHECK(MakeIdentity(own_, {"localhost", "127.0.0.1"})); }

  // What a client gets to know of a server that takes one connection and shakes hands.
  Result<void> ConnectTo(std::optional<std::string> fingerprint, TlsContext context) {
    asio::io_context serving;
    tcp::acceptor acceptor(serving, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    const uint16_t port = acceptor.local_endpoint().port();
    std::optional<Stream> accepted;
    acceptor.async_accept([&](boost::system::error_code error, tcp::socket socket) {
      if (error) return;
      accepted.emplace(std::move(socket), context);
      accepted->ExpiresAfter(kPatience);
      if (context) {
        accepted->AsyncHandshake(asio::ssl::stream_base::server, [](boost::system::error_code) {});
      } else {
        asio::async_write(*accepted, asio::buffer("this is no TLS, whatever you say\n", 33),
                          [&](boost::system::error_code, size_t) { accepted->Close(); });
      }
    });
    std::thread thread([&] { serving.run(); });
    asio::io_context asking;
    const Remote remote{{"127.0.0.1", port, true}, "", std::move(fingerprint)};
    std::optional<Result<void>> outcome;
    asio::co_spawn(asking, Try(asking, remote, outcome), asio::detached);
    asking.run();
    thread.join();
    return *outcome;
  }

  tutti::testing::TemporaryFolder folder_;
  const Identity own_{folder_ / "certificate.pem", folder_ / "key.pem"};
};

TEST_F(Tls, TheKeyIsItsUsersAlone) {
  struct stat status {};
  ASSERT_EQ(::stat(own_.key.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  ::chmod(own_.key.c_str(), 0640);
  const auto context = ServerContext(own_);
  ASSERT_FALSE(context);
  EXPECT_EQ(context.error().code, ErrorCode::kDenied);
}

TEST_F(Tls, ACertificateIsMadeOnce) {
  const std::string fingerprint = FingerprintOf(own_.certificate).value();
  EXPECT_EQ(fingerprint.size(), 64u);
  ASSERT_TRUE(MakeIdentity(own_, {"localhost"}));
  EXPECT_EQ(FingerprintOf(own_.certificate).value(), fingerprint);
}

TEST_F(Tls, WhatIsNoneIsNamed) {
  const Identity other{folder_ / "other.pem", folder_ / "other-key.pem"};
  EXPECT_EQ(ServerContext(other).error().code, ErrorCode::kNotFound);
  ASSERT_TRUE(MakeIdentity(other, {"localhost"}));
  EXPECT_EQ(ServerContext({own_.certificate, other.key}).error().code, ErrorCode::kInvalid) << "another's key";
  std::ofstream(other.certificate) << "no certificate\n";
  EXPECT_EQ(ServerContext(other).error().code, ErrorCode::kInvalid);
  EXPECT_EQ(FingerprintOf(other.certificate).error().code, ErrorCode::kInvalid);
  EXPECT_EQ(ClientContext("abc", "localhost").error().code, ErrorCode::kInvalid);
  EXPECT_EQ(ClientContext(std::string(64, 'x'), "localhost").error().code, ErrorCode::kInvalid);
}

TEST_F(Tls, AFingerprintIsEnough) {
  const auto connected = ConnectTo(FingerprintOf(own_.certificate).value(), ServerContext(own_).value());
  EXPECT_TRUE(connected) << connected.error().Text();
}

TEST_F(Tls, AnotherFingerprintIsNot) {
  const auto connected = ConnectTo(std::string(64, 'a'), ServerContext(own_).value());
  ASSERT_FALSE(connected);
  EXPECT_EQ(connected.error().code, ErrorCode::kDenied);
  EXPECT_THAT(connected.error().Text(), HasSubstr("fingerprint"));
}

TEST_F(Tls, ACertificateThatNobodyVouchesForIsNotTrusted) {
  const auto connected = ConnectTo(std::nullopt, ServerContext(own_).value());
  ASSERT_FALSE(connected);
  EXPECT_EQ(connected.error().code, ErrorCode::kDenied);
}

TEST_F(Tls, APeerWithoutTlsIsNoCoordinator) {
  const auto connected = ConnectTo(std::string(64, 'a'), nullptr);
  ASSERT_FALSE(connected);
  EXPECT_EQ(connected.error().code, ErrorCode::kUnreachable);
}

}  // namespace
}  // namespace tutti::network
