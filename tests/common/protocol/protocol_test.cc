// What coordinator, worker and trainer say survives the wire, and what is not theirs is refused by name.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "common/protocol/channel.h"

namespace tutti::protocol {
namespace {

using ::testing::HasSubstr;

const AttemptId kAttempt{{EnsembleId("fashion-mnist-3"), "lenet5-s0"}, 2};

spec::MemberSpec AMember() {
  spec::MemberSpec member;
  member.name = "lenet5-s0";
  member.model = {"lenet5", {{"padding", "same"}}};
  member.seed = 7;
  member.training.optimizer = {"sgd", {{"lr", 0.1}}};
  member.training.schedule = {"constant", Json::object()};
  return spec::MemberFromJson(spec::ToJson(member)).value();  // with all the parameters that were not given
}

Task ATask() {
  Task task;
  task.attempt = kAttempt;
  task.ensemble_folder = "/runs/fashion-mnist-3";
  task.folder = "/runs/fashion-mnist-3/members/lenet5-s0/attempt-2";
  task.events = task.folder / "events.jsonl";
  task.cache = "/runs/cache";
  task.data.source = "idx";
  task.data.path = "/data/fashion";
  task.data.validation = int64_t{5000};
  task.member = AMember();
  task.split = "/runs/fashion-mnist-3/split.safetensors";
  task.data_hash = "abc";
  task.classes = 10;
  task.shards = 2;
  task.resume_from = "/runs/fashion-mnist-3/members/lenet5-s0/attempt-1/step-00000100";
  task.threads = 3;
  return task;
}

std::vector<TrainerEvent> EveryEvent() {
  return {
      Started{100, 4300, 430, 2, {{"libtorch", "2.13"}, {"auto", {{"mean", 0.1}}}}},
      Progress{17, 0.1 + 0.2, 1.0 / 3.0, 12345.678},
      EpochDone{3, 1290, 0.25, 0.3, 0.9, 0.05, 9800, 5.5},
      EpochDone{3, 1290, 0.25, std::nullopt, std::nullopt, 0.05, 9800, 5.5},
      CheckpointWritten{1290, 3.0, "members/lenet5-s0/attempt-2/step-00001290", "ff00", 1u << 31, 0.3},
      PredictionsWritten{"best", Split::kTest, "members/x.safetensors", 10000, 1290, "aa"},
      Inspected{60000, 10000, 10, {"shirt", "bag"}, 1, 28, 28, "abc", "members/.inspect/attempt-1/labels.safetensors"},
      Failed{"loss is not finite at step 17"},
      Finished{4300, 55.5, 60.5},
      StoppedEarly{2000},
  };
}

std::vector<FromWorker> EveryWorkerMessage() {
  Hello hello;
  hello.worker = WorkerId("n1/2");
  hello.incarnation = {123456789012345};
  hello.host = "n1";
  hello.launch_domain = "slurm-17";
  hello.slots = 4;
  hello.threads_per_slot = 2;
  hello.device = "cuda";
  hello.slot_memory_bytes = 42'949'672'960;
  hello.running = {{kAttempt, true, {0, 3}}, {{{EnsembleId("a-1"), ".inspect"}, 1}, false, {}}};
  hello.obeyed = {6};
  std::vector<FromWorker> messages = {hello,
                                      Heartbeat{},
                                      AttemptStarted{kAttempt},
                                      AttemptFailedToStart{kAttempt, "no tutti-trainer beside tutti"},
                                      AttemptExited{kAttempt, 137, "line one\nline two"},
                                      SlotsFree{kAttempt, {0, 1}},
                                      Leaving{}};
  for (const TrainerEvent& event : EveryEvent()) messages.push_back(AttemptEvent{kAttempt, 4711, event});
  return messages;
}

std::vector<ToWorker> EveryCoordinatorMessage() {
  std::vector<ToWorker> messages = {
      Welcome{},
      Refused{"version 2 is not spoken here"},
      GrantSlots{kAttempt, {0, 1}, {2, 3}},
      StartAttempt{kAttempt, ATask(), {{WorkerId("n1"), 0}, {WorkerId("n2"), 1}}, {"host", "other"}},
      Acknowledge{kAttempt, 99},
      Leave{},
  };
  for (const auto reason : {StopReason::kRequested, StopReason::kCancelled, StopReason::kPreempted, StopReason::kPruned,
                            StopReason::kStale}) {
    messages.push_back(StopAttempt{kAttempt, reason});
  }
  return messages;
}

TEST(TrainerEvents, EveryOneSurvivesItsJsonLine) {
  for (const TrainerEvent& event : EveryEvent()) {
    const std::string line = ToJson(event).dump();
    const auto read = TrainerEventFromJson(ParseJson(line).value());
    ASSERT_TRUE(read) << line << ": " << read.error().Text();
    EXPECT_EQ(read->index(), event.index());
    EXPECT_EQ(ToJson(*read).dump(), line);
  }
}

TEST(TrainerEvents, AreObjectsThatNameTheEvent) {
  EXPECT_EQ(ToJson(TrainerEvent(Finished{4300, 55.5, 60.5})).dump(),
            R"({"event":"finished","step":4300,"train_seconds":55.5,"seconds":60.5})");
}

TEST(TrainerEvents, DoublesComeBackBitForBit) {
  const Progress progress{1, 0.1 + 0.2, std::nextafter(1.0, 2.0), 5e-324};
  const auto read = TrainerEventFromJson(ParseJson(ToJson(TrainerEvent(progress)).dump()).value());
  const auto& back = std::get<Progress>(read.value());
  EXPECT_EQ(back.epoch, progress.epoch);
  EXPECT_EQ(back.train_loss, progress.train_loss);
  EXPECT_EQ(back.images_per_second, progress.images_per_second);
}

TEST(TrainerEvents, LossesThatAreNotFiniteTravelAsWords) {
  const double infinity = std::numeric_limits<double>::infinity();
  EpochDone done;
  done.train_loss = std::nan("");
  done.validation_loss = infinity;
  done.learning_rate = -infinity;
  const std::string line = ToJson(TrainerEvent(done)).dump();
  EXPECT_THAT(line, HasSubstr(R"("train_loss":"nan","validation_loss":"inf")"));
  const auto read = TrainerEventFromJson(ParseJson(line).value());
  ASSERT_TRUE(read) << read.error().Text();
  const auto& back = std::get<EpochDone>(*read);
  EXPECT_TRUE(std::isnan(back.train_loss));
  EXPECT_EQ(back.validation_loss, infinity);
  EXPECT_EQ(back.learning_rate, -infinity);
}

TEST(TrainerEvents, NullFromAnotherWriterReadsAsNaN) {
  const auto read = TrainerEventFromJson(
      ParseJson(R"({"event":"progress","step":1,"epoch":0.5,"train_loss":null,"images_per_second":2})").value());
  ASSERT_TRUE(read) << read.error().Text();
  EXPECT_TRUE(std::isnan(std::get<Progress>(*read).train_loss));
}

TEST(TrainerEvents, UnknownEventIsRefusedByName) {
  const auto read = TrainerEventFromJson(Json{{"event", "exploded"}});
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::kInvalid);
  EXPECT_THAT(read.error().Text(), HasSubstr("unknown kind 'exploded'"));
}

TEST(TrainerEvents, WrongTypesAndRangesAreRefusedByKey) {
  const auto text_of = [](const char* line) {
    const auto read = TrainerEventFromJson(ParseJson(line).value());
    return read ? std::string("accepted") : read.error().Text();
  };
  EXPECT_THAT(text_of(R"({"event":"stopped_early","step":"ten"})"), HasSubstr("'step': must be a whole number"));
  EXPECT_THAT(text_of(R"({"event":"stopped_early","step":1.5})"), HasSubstr("'step': must be a whole number"));
  EXPECT_THAT(text_of(R"({"event":"stopped_early","step":18446744073709551615})"), HasSubstr("'step'"));
  EXPECT_THAT(text_of(R"({"event":"failed","error":5})"), HasSubstr("'error': must be a string"));
  EXPECT_THAT(text_of(R"({"event":5})"), HasSubstr("'event' must be a string"));
  EXPECT_THAT(text_of("[1]"), HasSubstr("must be an object"));
  EXPECT_THAT(text_of(R"({"event":"checkpoint_written","step":1,"epoch":1,"folder":"f","manifest_hash":"h",)"
                      R"("size_bytes":-1})"),
              HasSubstr("'size_bytes'"));
}

// Catalogs are made anew from the lines that earlier builds wrote.
TEST(TrainerEvents, LinesOfTheFirstFormatStillRead) {
  const auto started = TrainerEventFromJson(
      ParseJson(R"({"event":"started","step":0,"total_steps":10,"steps_per_epoch":5,"world_size":1,"provenance":{}})")
          .value());
  ASSERT_TRUE(started) << started.error().Text();
  EXPECT_EQ(std::get<Started>(*started).version, 1);
  const auto finished =
      TrainerEventFromJson(ParseJson(R"({"event":"finished","step":10,"train_seconds":2.5})").value());
  ASSERT_TRUE(finished) << finished.error().Text();
  EXPECT_EQ(std::get<Finished>(*finished).train_seconds, 2.5);
  EXPECT_EQ(std::get<Finished>(*finished).seconds, 0);
  const auto predicted = TrainerEventFromJson(
      ParseJson(R"({"event":"predictions_written","predictor":"last","split":"test","file":"p","samples":3,"step":9})")
          .value());
  ASSERT_TRUE(predicted) << predicted.error().Text();
  EXPECT_EQ(std::get<PredictionsWritten>(*predicted).hash, "");
  EXPECT_EQ(ToJson(TrainerEvent(Started{}))["version"], kTrainerEventsVersion);
}

TEST(TrainerEvents, KeysOfANewerTrainerAreLeftAlone) {
  EXPECT_TRUE(TrainerEventFromJson(Json{{"event", "stopped_early"}, {"step", 1}, {"weather", "fair"}}));
}

TEST(Tasks, SurviveTheirFile) {
  const Task task = ATask();
  const auto read = TaskFromJson(ParseJson(ToJson(task).dump(2)).value());
  ASSERT_TRUE(read) << read.error().Text();
  EXPECT_EQ(*read, task);
}

TEST(Tasks, OfAnInspectionHaveNoMember) {
  Task task = ATask();
  task.attempt.job.name = ".inspect";
  task.kind = JobKind::kInspect;
  task.member = std::nullopt;
  task.resume_from = std::nullopt;
  const auto read = TaskFromJson(ToJson(task));
  ASSERT_TRUE(read) << read.error().Text();
  EXPECT_EQ(*read, task);
}

TEST(Tasks, EveryMissingKeyIsNamed) {
  const Json whole = ToJson(ATask());
  for (const auto& item : whole.items()) {
    if (item.key() == "resume_from") continue;  // none is a fresh start
    Json without = whole;
    without.erase(item.key());
    const auto read = TaskFromJson(without);
    ASSERT_FALSE(read) << item.key();
    EXPECT_EQ(read.error().code, ErrorCode::kInvalid);
    EXPECT_THAT(read.error().Text(), HasSubstr("'" + item.key() + "'"));
  }
}

// A misspelt resume_from would train anew from step 0.
TEST(Tasks, AnUnknownKeyIsNamedWithTheNearestThatThereIs) {
  Json json = ToJson(ATask());
  json["resume_form"] = json["resume_from"];
  json.erase("resume_from");
  const auto read = TaskFromJson(json);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::kInvalid);
  EXPECT_THAT(read.error().Text(), HasSubstr("'resume_form' is unknown (did you mean 'resume_from'?)"));
}

TEST(Tasks, OfAnotherVersionAreRefused) {
  Json json = ToJson(ATask());
  json["version"] = 2;
  const auto read = TaskFromJson(json);
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().Text(), HasSubstr("version 2"));
}

TEST(Messages, OfAWorkerSurviveTheWire) {
  for (const FromWorker& body : EveryWorkerMessage()) {
    const std::string text = Encode(FromWorkerMessage{{3}, {17}, body});
    const auto read = DecodeFromWorker(text);
    ASSERT_TRUE(read) << text << ": " << read.error().Text();
    EXPECT_EQ(read->generation, Generation{3});
    EXPECT_EQ(read->incarnation, Incarnation{17});
    EXPECT_EQ(read->body.index(), body.index());
    EXPECT_EQ(Encode(*read), text);
  }
}

TEST(Messages, OfTheCoordinatorSurviveTheWire) {
  for (const ToWorker& body : EveryCoordinatorMessage()) {
    const std::string text = Encode(ToWorkerMessage{{3}, body});
    const auto read = DecodeToWorker(text);
    ASSERT_TRUE(read) << text << ": " << read.error().Text();
    EXPECT_EQ(read->generation, Generation{3});
    EXPECT_EQ(read->body.index(), body.index());
    EXPECT_EQ(Encode(*read), text);
  }
}

TEST(Messages, HelloKeepsItsOwnIncarnationAndWhatItRuns) {
  const auto read = DecodeFromWorker(Encode(FromWorkerMessage{{3}, {17}, EveryWorkerMessage()[0]})).value();
  const auto& hello = std::get<Hello>(read.body);
  EXPECT_EQ(hello.incarnation, Incarnation{123456789012345});
  ASSERT_EQ(hello.running.size(), 2u);
  EXPECT_EQ(hello.running[0].attempt, kAttempt);
  EXPECT_TRUE(hello.running[0].leader);
  EXPECT_EQ(hello.running[1].attempt.job.name, ".inspect");
}

// Every key of every message is needed, but for those that stand for an absence.
TEST(Messages, HelloOfAnotherVersionIsRefusedForThatAndNothingElse) {
  const auto read = DecodeFromWorker(R"({"type":"hello","version":2,"name":"n1"})");
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().Text(), HasSubstr("it speaks version 2 of the channel, this coordinator 1"));
}

TEST(Messages, EveryMissingKeyIsNamed) {
  const auto check = [](const std::string& text, const auto& decode) {
    const Json whole = ParseJson(text).value();
    for (const auto& item : whole.items()) {
      Json without = whole;
      without.erase(item.key());
      const auto read = decode(without.dump());
      ASSERT_FALSE(read) << item.key() << " of " << text;
      EXPECT_EQ(read.error().code, ErrorCode::kInvalid);
      EXPECT_THAT(read.error().Text(), HasSubstr("'" + item.key() + "'"));
    }
  };
  for (const FromWorker& body : EveryWorkerMessage())
    check(Encode(FromWorkerMessage{{3}, {17}, body}), DecodeFromWorker);
  for (const ToWorker& body : EveryCoordinatorMessage()) check(Encode(ToWorkerMessage{{3}, body}), DecodeToWorker);
}

TEST(Messages, OfAnUnknownKindAreRefusedByName) {
  const auto from = DecodeFromWorker(R"({"generation":1,"incarnation":1,"type":"dance"})");
  ASSERT_FALSE(from);
  EXPECT_THAT(from.error().Text(), HasSubstr("unknown kind 'dance'"));
  const auto to = DecodeToWorker(R"({"generation":1,"type":"hello"})");
  ASSERT_FALSE(to);
  EXPECT_THAT(to.error().Text(), HasSubstr("unknown kind 'hello'"));
}

TEST(Messages, ThatAreNoJsonAreRefused) {
  for (const char* text : {"", "hello", "[]", "\"x\"", "{", "\xff\xfe"}) {
    EXPECT_FALSE(DecodeFromWorker(text)) << text;
    EXPECT_FALSE(DecodeToWorker(text)) << text;
  }
}

TEST(Messages, LogLinesThatAreNoUtf8AreReplacedNotThrownAt) {
  const std::string text = Encode(FromWorkerMessage{{1}, {1}, AttemptExited{kAttempt, 1, "bad \xff byte"}});
  const auto read = DecodeFromWorker(text);
  ASSERT_TRUE(read) << read.error().Text();
  EXPECT_EQ(std::get<AttemptExited>(read->body).last_log_lines, "bad \xEF\xBF\xBD byte");
}

TEST(Messages, UnknownReasonForAStopIsRefused) {
  const auto read =
      DecodeToWorker(R"({"generation":1,"type":"stop_attempt","attempt":"a-1/m/attempt-1","reason":"boredom"})");
  ASSERT_FALSE(read);
  EXPECT_THAT(read.error().Text(), HasSubstr("'reason'"));
}

TEST(ExitCodes, OfWrongTasksDataAndDivergenceArePermanent) {
  EXPECT_TRUE(IsPermanent(kExitBadTask));
  EXPECT_TRUE(IsPermanent(kExitBadData));
  EXPECT_TRUE(IsPermanent(kExitDiverged));
  for (const int code : {kExitFinished, kExitStopped, kExitInternal, kExitIo, kExitOutOfMemory, 137, 1}) {
    EXPECT_FALSE(IsPermanent(code)) << code;
  }
}

}  // namespace
}  // namespace tutti::protocol
