// Files that travel with experiments: on the disk, over the API, and into the ensembles that name them.
#include "coordinator/server/file_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "common/spec/parse.h"
#include "coordinator/server/access.h"
#include "coordinator/server/coordinator.h"
#include "coordinator/server/garbage.h"
#include "coordinator/server/provenance.h"
#include "experiments.h"
#include "fake_worker.h"
#include "raw_client.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/temporary_folder.h"

namespace tutti::server {
namespace {

namespace fs = std::filesystem;
using testing::Answer;
using testing::HashOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

FileSystem& Disk() { return PosixFileSystem(); }

class FileStore : public ::testing::Test {
 protected:
  FileStore() { fs::create_directories(home()); }
  fs::path home() const { return folder_ / "runs"; }
  Result<Received> Send(const std::string& content, uint64_t offset, size_t length, FileSystem& files = Disk()) {
    return ReceiveFile(files, home(), HashOf(content), content.size(), offset, content.substr(offset, length));
  }
  Result<void> SendAll(const std::string& content, FileSystem& files = Disk()) {
    TUTTI_ASSIGN_OR_RETURN(Received there, FindFile(files, home(), HashOf(content)));
    while (!there.complete) {
      TUTTI_ASSIGN_OR_RETURN(there, Send(content, there.bytes, content.size() / 2 + 1, files));
    }
    return {};
  }
  std::string Read(const fs::path& path) { return Disk().Read(path).value_or("(none)"); }
  size_t Kept() const {
    return fs::exists(home() / "files")
               ? static_cast<size_t>(std::distance(fs::directory_iterator(home() / "files"), {}))
               : 0;
  }

  testing::TemporaryFolder folder_;
};

// ---- on the disk ----

TEST_F(FileStore, HasAFileUnderItsHashOnceItIsWhole) {
  const std::string content = "0123456789";
  EXPECT_EQ(FindFile(Disk(), home(), HashOf(content))->bytes, 0u);
  EXPECT_EQ(Send(content, 0, 6)->bytes, 6u);
  EXPECT_FALSE(FindFile(Disk(), home(), HashOf(content))->complete);
  EXPECT_EQ(FindFile(Disk(), home(), HashOf(content))->bytes, 6u);
  EXPECT_TRUE(Send(content, 6, 4)->complete);
  const fs::path file = home() / "files" / HashOf(content);
  EXPECT_EQ(Read(file), content);
  EXPECT_EQ(fs::status(home() / "files").permissions(), fs::perms::owner_all);
  EXPECT_TRUE(Send(content, 0, 10)->complete) << "a repeat changes nothing";
  EXPECT_EQ(Kept(), 1u);
}

TEST_F(FileStore, ThrowsAwayWhatIsNotWhatItsHashSays) {
  const std::string content = "0123456789";
  const auto wrong = ReceiveFile(Disk(), home(), HashOf(content), 10, 0, "9876543210");
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(Kept(), 0u);
  ASSERT_TRUE(SendAll(content)) << "it may be sent anew";
}

TEST_F(FileStore, BeginsAnewWhereMoreHasComeThanTheFileHas) {
  const std::string content = "0123456789";
  ASSERT_TRUE(ReceiveFile(Disk(), home(), HashOf(content), 100, 0, std::string(50, 'x')));
  EXPECT_EQ(ReceiveFile(Disk(), home(), HashOf(content), 10, 50, "").error().code, ErrorCode::kCorrupt);
  ASSERT_TRUE(SendAll(content));
}

TEST_F(FileStore, SurvivesACrashAtAnyPointWholeOrNotAtAll) {
  const std::string content = "0123456789";
  for (int64_t crash = 1;; ++crash) {
    fs::remove_all(home() / "files");
    testing::FaultyFileSystem files(Disk());
    files.CrashAt(crash);
    const bool acknowledged = SendAll(content, files).has_value();
    const bool crashed = files.fault_happened();
    if (crashed) files.LoseAllUnsynced();
    const bool there = FindFile(Disk(), home(), HashOf(content))->complete;
    EXPECT_TRUE(there || !acknowledged) << "crash at " << crash;
    EXPECT_EQ(Read(home() / "files" / HashOf(content)), there ? content : "(none)");
    ASSERT_TRUE(SendAll(content)) << "crash at " << crash;
    if (!crashed) break;
  }
}

TEST_F(FileStore, GivesEachEnsembleCopiesOfItsOwn) {
  ASSERT_TRUE(SendAll("one"));
  ASSERT_TRUE(SendAll("two"));
  const spec::FileHashes hashes = {{"/a/one", HashOf("one")}, {"/b/one", HashOf("one")}, {"/a/two", HashOf("two")}};
  fs::create_directories(home() / "trial-1");
  ASSERT_TRUE(CopyFiles(Disk(), home(), hashes, home() / "trial-1"));
  EXPECT_EQ(Read(home() / "trial-1" / spec::CopyOf(HashOf("one"))), "one");
  EXPECT_EQ(Read(home() / "trial-1" / spec::CopyOf(HashOf("two"))), "two");
  EXPECT_THAT(FileNames(Disk(), home() / "trial-1"), SizeIs(3));
  EXPECT_EQ(Kept(), 2u) << "they stay for the next submission";
}

TEST_F(FileStore, NamesAFileThatIsNotThereBeforeItCopiesAny) {
  ASSERT_TRUE(SendAll("one"));
  fs::create_directories(home() / "trial-1");
  const auto copied =
      CopyFiles(Disk(), home(), {{"/a/one", HashOf("one")}, {"/a/two", HashOf("two")}}, home() / "trial-1");
  ASSERT_FALSE(copied);
  EXPECT_EQ(copied.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(copied.error().message, HasSubstr(HashOf("two")));
  EXPECT_TRUE(fs::is_empty(home() / "trial-1"));
}

TEST_F(FileStore, ADamagedFileIsToBeSentAnew) {
  ASSERT_TRUE(SendAll("one"));
  std::ofstream(home() / "files" / HashOf("one")) << "eno";
  fs::create_directories(home() / "trial-1");
  EXPECT_EQ(CopyFiles(Disk(), home(), {{"/a/one", HashOf("one")}}, home() / "trial-1").error().code,
            ErrorCode::kNotFound);
  EXPECT_EQ(Kept(), 0u);
}

TEST_F(FileStore, LeavesAloneWhatAUserKeepsThere) {
  const TimePoint later = SystemClock().Now() + std::chrono::hours(25);
  ASSERT_TRUE(SendAll("one"));
  fs::create_directories(home() / "files/data");
  std::ofstream(home() / "files/data/mine.bin") << "mine";
  std::ofstream(home() / "files/mine.part") << "mine";
  EXPECT_THAT(FindGarbage(Disk(), home(), {{}, true, later}).value(), SizeIs(1));
  TidyFiles(Disk(), home(), later);
  EXPECT_EQ(Kept(), 2u);
  EXPECT_EQ(Read(home() / "files/data/mine.bin"), "mine");
}

TEST_F(FileStore, AFolderThatIsOpenToOthersIsNotItsOwn) {
  fs::create_directories(home() / "files");
  fs::permissions(home() / "files", fs::perms::owner_all | fs::perms::group_read | fs::perms::group_exec);
  std::ofstream(home() / "files" / HashOf("one")) << "one";
  const TimePoint later = SystemClock().Now() + std::chrono::hours(25);
  EXPECT_THAT(FindGarbage(Disk(), home(), {{}, true, later}).value(), IsEmpty());
  TidyFiles(Disk(), home(), later);
  EXPECT_TRUE(fs::exists(home() / "files" / HashOf("one")));
}

TEST_F(FileStore, KeepsFilesForADay) {
  ASSERT_TRUE(SendAll("one"));
  ASSERT_TRUE(Send("a cut one", 0, 5));
  const TimePoint now = SystemClock().Now();
  EXPECT_THAT(FindGarbage(Disk(), home(), {{}, true, now + std::chrono::hours(23)}).value(), IsEmpty());
  const auto garbage = FindGarbage(Disk(), home(), {{}, true, now + std::chrono::hours(25)}).value();
  ASSERT_THAT(garbage, SizeIs(2));
  EXPECT_EQ(GarbageView(garbage, false)["garbage"][0]["kind"], "old file");
  ASSERT_TRUE(RemoveGarbage(Disk(), home(), garbage));
  EXPECT_EQ(Kept(), 0u);
}

// ---- over the API ----

class FileRoutes : public FileStore {
 protected:
  FileRoutes() {
    CoordinatorOptions options;
    options.home = home();
    coordinator_ = Coordinator::Start(options).value();
  }
  Answer Ask(const std::string& method, const std::string& target, const std::string& body = "") {
    return testing::Request(home(), method, target, body);
  }
  static std::string Target(const std::string& content, const std::string& query = "") {
    return "/api/v1/files/" + HashOf(content) + query;
  }
  static spec::EnsembleSpec WithWeights(const std::string& path) {
    spec::EnsembleSpec spec = testing::AnExperiment();
    for (spec::MemberSpec& member : spec.members) member.weights = path;
    return spec;
  }
  Answer Submit(const std::string& path, const std::string& content, const std::string& more = "") {
    const std::string files = Json({{path, HashOf(content)}}).dump();
    return Ask("POST", "/api/v1/ensembles", testing::Submission(WithWeights(path), R"(, "files": )" + files + more));
  }

  std::unique_ptr<Coordinator> coordinator_;
};

TEST_F(FileRoutes, TakeAFileInOneRequestOrInPieces) {
  EXPECT_EQ(Ask("GET", Target("0123456789")).json(), (Json{{"bytes", 0}, {"complete", false}}));
  EXPECT_EQ(Ask("PUT", Target("0123456789", "?bytes=10"), "0123").json(), (Json{{"bytes", 4}, {"complete", false}}));
  EXPECT_EQ(Ask("GET", Target("0123456789")).json(), (Json{{"bytes", 4}, {"complete", false}}));
  EXPECT_EQ(Ask("PUT", Target("0123456789", "?bytes=10&offset=4"), "456789").json(),
            (Json{{"bytes", 10}, {"complete", true}}));
  EXPECT_EQ(Ask("PUT", Target("words"), "words").json(), (Json{{"bytes", 5}, {"complete", true}}));
  EXPECT_EQ(Ask("PUT", Target("words"), "words").json(), (Json{{"bytes", 5}, {"complete", true}}));
}

TEST_F(FileRoutes, SayWhatIsWrong) {
  EXPECT_EQ(Ask("GET", "/api/v1/files/abc").status, 400);
  EXPECT_EQ(Ask("PUT", "/api/v1/files/" + std::string(64, 'A'), "x").status, 400);
  EXPECT_EQ(Ask("PUT", Target("words", "?bytes=5&offset=1"), "ords").status, 416);
  EXPECT_EQ(Ask("PUT", Target("words", "?bytes=2"), "words").status, 400);
  EXPECT_EQ(Ask("PUT", Target("words", "?bytes=2147483649"), "words").status, 413);
  const Answer wrong = Ask("PUT", Target("words"), "sword");
  EXPECT_EQ(wrong.status, 422);
  EXPECT_EQ(wrong.json()["code"], "corrupt");
  EXPECT_EQ(Ask("POST", Target("words"), "words").status, 405);
  EXPECT_EQ(Kept(), 0u);
}

TEST_F(FileRoutes, LetNoReaderIn) {
  coordinator_.reset();
  CoordinatorOptions options;
  options.home = home();
  options.listen = network::Address{"127.0.0.1", 0, false};
  coordinator_ = Coordinator::Start(options).value();
  const Tokens tokens = ReadOrMakeTokens(Disk(), home()).value();
  for (const auto& [method, status] : {std::pair("GET", 403), std::pair("PUT", 403)}) {
    testing::RawClient client(coordinator_->address()->port);
    client.Send(
        fmt::format("{} {} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nAuthorization: Bearer {}\r\n\r\nwords",
                    method, Target("words"), tokens.for_reader));
    EXPECT_EQ(client.Receive()->status, status) << method;
  }
  EXPECT_EQ(Kept(), 0u);
}

TEST_F(FileRoutes, ASubmissionOfAFileThatIsNotThereIsRefused) {
  const Answer refused = Submit("/a/start.safetensors", "weights");
  EXPECT_EQ(refused.status, 404);
  EXPECT_EQ(refused.json()["code"], "not_found");
  EXPECT_THAT(refused.json()["title"].get<std::string>(), HasSubstr(HashOf("weights")));
  EXPECT_FALSE(fs::exists(home() / "trial-1"));
  ASSERT_EQ(Ask("PUT", Target("weights"), "weights").status, 200);
  EXPECT_EQ(Submit("/a/start.safetensors", "weights").json()["outcome"], "created");
}

TEST_F(FileRoutes, ASubmissionWhoseFilesAreNotWhatItNamesIsRefused) {
  const auto submit = [&](const std::string& files) {
    return Ask("POST", "/api/v1/ensembles", testing::Submission(WithWeights("/a/x"), files)).status;
  };
  EXPECT_EQ(submit(""), 400) << "no hash";
  EXPECT_EQ(submit(R"(, "files": {"/a/x": "abc"})"), 400);
  EXPECT_EQ(submit(R"(, "files": {"/a/x": 3})"), 400);
  EXPECT_EQ(submit(R"(, "files": ["/a/x"])"), 400);
  EXPECT_EQ(submit(fmt::format(R"(, "files": {{"/a/x": "{0}", "/a/y": "{0}"}})", HashOf("x"))), 400);
}

TEST_F(FileRoutes, AnEnsembleKeepsItsOwnCopy) {
  ASSERT_EQ(Ask("PUT", Target("weights"), "weights").status, 200);
  ASSERT_EQ(Submit("/a/start.safetensors", "weights").status, 200);
  const fs::path folder = home() / "trial-1";
  const std::string copy = "files/" + HashOf("weights") + ".safetensors";
  EXPECT_EQ(Read(folder / copy), "weights");
  EXPECT_EQ(ParseJson(Read(folder / "resolved.json"))->at("members")[0]["model"]["weights"], copy);
  EXPECT_EQ(Kept(), 1u) << "nothing is left behind";
  const Json provenance = WithFilesAndTrainers(Disk(), folder, Provenance(Records(), EnsembleId("trial-1")));
  EXPECT_EQ(provenance["files"], (Json::array({{{"path", "/a/start.safetensors"}, {"sha256", HashOf("weights")}}})));
  ASSERT_EQ(Ask("POST", "/api/v1/ensembles/trial-1/cancel").status, 200);
  ASSERT_EQ(Ask("DELETE", "/api/v1/ensembles/trial-1").status, 200);
  EXPECT_FALSE(fs::exists(folder));
}

TEST_F(FileRoutes, ACopyThatIsGoneIsNamedWithTheCure) {
  ASSERT_EQ(Ask("PUT", Target("weights"), "weights").status, 200);
  ASSERT_EQ(Submit("/a/start.safetensors", "weights").status, 200);
  const fs::path copy = home() / "trial-1" / spec::CopyOf(HashOf("weights"));
  fs::remove(copy);
  testing::FakeWorker worker(*coordinator_, 1, Incarnation{7});
  const auto note = [&] { return Ask("GET", "/api/v1/ensembles/trial-1/members/mlp-s0").json().dump(); };
  ASSERT_TRUE(testing::Eventually([&] { return note().find(copy.string()) != std::string::npos; })) << note();
  EXPECT_THAT(note(), HasSubstr("tutti resume trial-1"));
}

TEST_F(FileRoutes, ItsResolvedExperimentNamesTheCopyForWhoRunsItAgain) {
  ASSERT_EQ(Ask("PUT", Target("weights"), "weights").status, 200);
  ASSERT_EQ(Submit("/a/start.safetensors", "weights").status, 200);
  const std::string text = Read(home() / "trial-1/resolved.yaml");
  const auto again =
      spec::Parse({.text = text, .file_name = "resolved.yaml", .base_folder = home() / "trial-1", .overrides = {}});
  ASSERT_TRUE(again);
  EXPECT_EQ(spec::FilesOf(*again),
            (std::set<fs::path>{home() / "trial-1/files" / (HashOf("weights") + ".safetensors")}));
}

TEST_F(FileRoutes, TheSameContentIsTheSameExperimentAndOtherContentAnother) {
  for (const char* content : {"weights", "others"}) ASSERT_EQ(Ask("PUT", Target(content), content).status, 200);
  ASSERT_EQ(Submit("/a/start.safetensors", "weights").json()["id"], "trial-1");
  const Answer moved = Submit("/b/moved.safetensors", "weights");
  EXPECT_EQ(moved.json()["id"], "trial-1");
  EXPECT_EQ(moved.json()["outcome"], "continued");
  EXPECT_EQ(Submit("/a/start.safetensors", "others").json()["id"], "trial-2");
  fs::remove_all(home() / "files");
  EXPECT_EQ(Submit("/a/start.safetensors", "weights").json()["id"], "trial-1")
      << "what is there needs no file any more";
  EXPECT_EQ(Submit("/a/start.safetensors", "weights", R"(, "new": true)").status, 404);
}

TEST_F(FileRoutes, AMembersTaskNamesTheCopyUntilThereIsACheckpoint) {
  ASSERT_EQ(Ask("PUT", Target("weights"), "weights").status, 200);
  testing::FakeWorker worker(*coordinator_, 1, Incarnation{7});
  worker.Script("mlp-s0", [](testing::FakeWorker& self, const auto& start) { self.Started(start); });
  ASSERT_EQ(Submit("/a/start.safetensors", "weights").status, 200);
  ASSERT_TRUE(worker.WaitForStart("mlp-s0"));
  const std::string copy = "files/" + HashOf("weights") + ".safetensors";
  EXPECT_EQ(worker.start_of("mlp-s0")->task.member->weights, home() / "trial-1" / copy);
  const auto inputs = [&](int attempt) {
    const Json answer = Ask("GET", fmt::format("/api/v1/ensembles/trial-1/members/mlp-s0/attempts/{}/inputs"
                                               "?worker=n1&incarnation=7",
                                               attempt))
                            .json();
    std::vector<std::string> names;
    for (const Json& input : answer["inputs"]) names.push_back(input["file"]);
    return names;
  };
  EXPECT_THAT(inputs(1), ::testing::ElementsAre("split.safetensors", copy, "files/names.json"));
  worker.Do([&] {
    const auto start = worker.start_of_now({{EnsembleId("trial-1"), "mlp-s0"}, 1});
    worker.Checkpoint(start, 10);
    worker.Exit(start, 70);
  });
  ASSERT_TRUE(worker.WaitForStart("mlp-s0", 2));
  EXPECT_THAT(inputs(2), ::testing::Not(::testing::Contains(copy)));
}

}  // namespace
}  // namespace tutti::server
