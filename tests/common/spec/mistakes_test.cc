// Every kind of mistake, with its exact place and words: FILE:LINE:COLUMN: what is wrong; what is allowed.
#include <gmock/gmock.h>

#include <random>

#include "common/spec/render.h"
#include "tests/common/spec/experiment.h"

namespace tutti::spec::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

// ---- keys ----

TEST(Mistakes, UnknownKeyNamesTheNearestAndAllThatAreAllowed) {
  EXPECT_THAT(
      Mistakes(WithMember("training:\n  epoch: 3\n")),
      ElementsAre("exp.yaml:6:3: unknown key 'epoch' in training (did you mean 'epochs'?); allowed: epochs, steps, "
                  "batch_size, optimizer, schedule, label_smoothing, clip_norm, checkpoint, predict"));
}

TEST(Mistakes, UnknownKeyThatResemblesNothingGetsNoSuggestion) {
  EXPECT_THAT(
      Mistakes(WithMember("colour: red\n")),
      ElementsAre("exp.yaml:5:1: unknown key 'colour'; allowed: version, name, data, prepare, augment, training, "
                  "members, ensemble"));
}

TEST(Mistakes, UnknownKeyIsFoundInEverySection) {
  EXPECT_THAT(
      Mistakes("version: 1\nname: t\ndata: {source: idx, path: /d, valdation: 5}\nprepare: {normalise: auto}\n"
               "training: {checkpoint: {evry: 1 epoch}}\nmembers: [{model: mlp, sead: 1, slots: {min: 1, maxx: 2}}]\n"
               "ensemble: {combinor: mean}\n"),
      ElementsAre(
          StartsWith("exp.yaml:3:31: unknown key 'valdation' in data (did you mean 'validation'?); allowed: source"),
          "exp.yaml:4:11: unknown key 'normalise' in prepare (did you mean 'normalize'?); allowed: normalize, resize",
          "exp.yaml:5:25: unknown key 'evry' in training.checkpoint (did you mean 'every'?); allowed: every, keep",
          StartsWith("exp.yaml:6:24: unknown key 'sead' in members[] (did you mean 'seed'?); allowed: model"),
          "exp.yaml:6:49: unknown key 'maxx' in members[].slots (did you mean 'max'?); allowed: min, max",
          "exp.yaml:7:12: unknown key 'combinor' in ensemble (did you mean 'combiner'?); allowed: combiner, "
          "minimum_members"));
}

TEST(Mistakes, DuplicateKeyNamesTheLineOfTheFirst) {
  EXPECT_THAT(Mistakes(WithMember("training:\n  epochs: 3\n  epochs: 4\n")),
              ElementsAre("exp.yaml:7:3: duplicate key 'epochs', first in line 6; keep one of them"));
}

TEST(Mistakes, KeyThatIsNoWord) {
  EXPECT_THAT(Mistakes(WithMember("[1, 2]: 3\n")), ElementsAre("exp.yaml:5:1: a key that is a list; allowed: a word"));
}

TEST(Mistakes, MissingKeysAreNamedWithWhatBelongsThere) {
  EXPECT_THAT(
      Mistakes("training: {}\n"),
      ElementsAre("exp.yaml:1:1: version is missing; allowed: 1",
                  "exp.yaml:1:1: name is missing; allowed: letters, digits, '.', '_' and '-', first a letter or "
                  "digit, at most 80",
                  "exp.yaml:1:1: data is missing; allowed: a map",
                  "exp.yaml:1:1: members is missing; allowed: a list of maps"));
  EXPECT_THAT(Mistakes("version: 1\nname: t\nmembers: [{seeds: 2}]\ndata:\n  split_seed: 1\n"),
              ElementsAre("exp.yaml:3:11: members[].model is missing; allowed: mlp, lenet5, resnet8, resnet20",
                          "exp.yaml:5:3: data.source is missing; allowed: idx",
                          "exp.yaml:5:3: data.path is missing; allowed: a path"));
}

// ---- values ----

TEST(Mistakes, WrongTypesSayWhatWasFoundAndWhatIsAllowed) {
  EXPECT_THAT(
      Mistakes(WithMember("training:\n"
                          "  epochs: many\n"
                          "  batch_size: \"128\"\n"
                          "  label_smoothing: [0.1]\n"
                          "  predict: {best: 1}\n"
                          "  clip_norm:\n")),
      ElementsAre("exp.yaml:6:11: training.epochs is 'many'; allowed: a whole number from 1 to 1000000",
                  "exp.yaml:7:15: training.batch_size is the text \"128\"; allowed: a whole number from 1 to 1000000",
                  "exp.yaml:8:20: training.label_smoothing is a list; allowed: a number from 0 to below 1",
                  "exp.yaml:9:12: training.predict is a map; allowed: last, best",
                  "exp.yaml:10:3: training.clip_norm is empty; allowed: none or a number above 0"));
}

TEST(Mistakes, SectionsMustBeMapsAndListsLists) {
  EXPECT_THAT(
      Mistakes("version: 1\nname: t\ndata: 5\nprepare: [1]\naugment: {crop: 2}\ntraining: fast\nmembers: lenet5\n"
               "ensemble: mean\n"),
      ElementsAre("exp.yaml:3:7: data is '5'; allowed: a map", "exp.yaml:3:7: data.source is missing; allowed: idx",
                  "exp.yaml:3:7: data.path is missing; allowed: a path",
                  "exp.yaml:4:10: prepare is a list; allowed: a map",
                  "exp.yaml:5:10: augment is a map; allowed: a list of augmentations, as in [{crop: {padding: "
                  "2}}, flip]",
                  "exp.yaml:6:11: training is 'fast'; allowed: a map",
                  "exp.yaml:7:10: members is 'lenet5'; allowed: a list with at least one member, as in [{model: "
                  "lenet5, seeds: 5}]",
                  "exp.yaml:8:11: ensemble is 'mean'; allowed: a map"));
}

TEST(Mistakes, FileThatIsNoMap) {
  EXPECT_THAT(Mistakes("- a\n- b\n"), ElementsAre("exp.yaml:1:1: the file is a list; allowed: a map"));
  EXPECT_THAT(Mistakes("just words\n"), ElementsAre("exp.yaml:1:1: the file is 'just words'; allowed: a map"));
}

TEST(Mistakes, EntryOfMembersThatIsNoMap) {
  EXPECT_THAT(Mistakes(WithHead("members: [lenet5]\n")),
              ElementsAre("exp.yaml:4:11: members[] is 'lenet5'; allowed: a map",
                          "exp.yaml:4:11: members[].model is missing; allowed: mlp, lenet5, resnet8, resnet20"));
}

TEST(Mistakes, NumbersOutOfRange) {
  EXPECT_THAT(Mistakes(WithMember("training: {epochs: 0, batch_size: 99999999, label_smoothing: 1.0, clip_norm: 0}\n")),
              ElementsAre("exp.yaml:5:20: training.epochs is '0'; allowed: a whole number from 1 to 1000000",
                          "exp.yaml:5:35: training.batch_size is '99999999'; allowed: a whole number from 1 to 1000000",
                          "exp.yaml:5:62: training.label_smoothing is '1.0'; allowed: a number from 0 to below 1",
                          "exp.yaml:5:78: training.clip_norm is '0'; allowed: none or a number above 0"));
}

TEST(Mistakes, NumbersThatAreNoneOrInfiniteAreRefusedHoweverWritten) {
  for (const std::string bad :
       {"nan", ".nan", "NaN", "inf", ".inf", "-.inf", "-inf", "1e999", "0x10", "1_000", "1,5"}) {
    EXPECT_THAT(Mistakes(WithMember("training: {optimizer: {lr: \n    " + (bad == "1,5" ? "'1,5'" : bad) + "}}\n")),
                ElementsAre(AllOf(StartsWith("exp.yaml:6:5: training.optimizer.lr is "), HasSubstr(bad),
                                  HasSubstr("; allowed: a number above 0"))))
        << bad;
  }
}

TEST(Mistakes, WholeNumbersBeyond64BitsAreRefused) {
  EXPECT_THAT(Mistakes(WithMember("training: {steps: 99999999999999999999}\n")),
              ElementsAre("exp.yaml:5:19: training.steps is '99999999999999999999'; allowed: a whole number from 1 to "
                          "1000000000000"));
}

TEST(Mistakes, FractionWhereAWholeNumberBelongs) {
  EXPECT_THAT(Mistakes(WithMember("training: {epochs: 1.5}\n")),
              ElementsAre("exp.yaml:5:20: training.epochs is '1.5'; allowed: a whole number from 1 to 1000000"));
}

TEST(Mistakes, YesIsNoSwitch) {
  EXPECT_THAT(Mistakes(WithMember("training: {optimizer: {nesterov: yes}}\n")),
              ElementsAre("exp.yaml:5:34: training.optimizer.nesterov is 'yes'; allowed: true or false"));
}

TEST(Mistakes, WordThatIsNotAmongTheAllowedOnesNamesTheNearest) {
  EXPECT_THAT(Mistakes(WithMember("training: {predict: beste}\n")),
              ElementsAre("exp.yaml:5:21: training.predict is 'beste' (did you mean 'best'?); allowed: last, best"));
}

TEST(Mistakes, LongValueIsShortenedWithoutCuttingACharacter) {
  const std::string value(59, 'x');
  EXPECT_THAT(
      Mistakes(WithMember("training: {epochs: " + value + "ü and more}\n")),
      ElementsAre("exp.yaml:5:20: training.epochs is '" + value + "…'; allowed: a whole number from 1 to 1000000"));
}

TEST(Mistakes, VersionThatThisProgramDoesNotKnow) {
  EXPECT_THAT(Mistakes("version: 2\nname: t\ndata: {source: idx, path: /data}\nmembers: [{model: mlp}]\n"),
              ElementsAre("exp.yaml:1:10: version is '2'; allowed: 1, the only one that this program knows"));
}

TEST(Mistakes, NamesThatCouldNotBeFolders) {
  for (const std::string bad : {"a/b", "../up", ".hidden", "-dash", "with space", "täglich"}) {
    EXPECT_THAT(Mistakes("version: 1\nname: " + bad + "\ndata: {source: idx, path: /data}\nmembers: [{model: mlp}]\n"),
                ElementsAre("exp.yaml:2:7: name is '" + bad +
                            "'; allowed: letters, digits, '.', '_' and '-', first a "
                            "letter or digit, at most 80"))
        << bad;
  }
  EXPECT_THAT(Mistakes(WithHead("members: [{model: mlp, name: a/b}]\n")),
              ElementsAre(StartsWith("exp.yaml:4:30: members[].name is 'a/b'; allowed: letters")));
}

// ---- choices ----

TEST(Mistakes, UnknownModelNamesTheNearest) {
  EXPECT_THAT(
      Mistakes(WithHead("members:\n  - {model: lenet, seeds: 5}\n")),
      ElementsAre("exp.yaml:5:13: unknown model 'lenet' (did you mean 'lenet5'?); allowed: mlp, lenet5, resnet8, "
                  "resnet20"));
}

TEST(Mistakes, UnknownChoicesOfEveryKind) {
  EXPECT_THAT(
      Mistakes("version: 1\nname: t\ndata: {source: mnist, path: /d}\naugment: [rotate, {flap: horizontal}]\n"
               "training: {optimizer: {name: sdg}, schedule: cosin}\nmembers: [{model: {name: vgg}}]\n"
               "ensemble: {combiner: median}\n"),
      ElementsAre("exp.yaml:3:16: unknown source 'mnist'; allowed: idx",
                  "exp.yaml:4:11: unknown augmentation 'rotate'; allowed: crop, flip",
                  "exp.yaml:4:20: unknown augmentation 'flap' (did you mean 'flip'?); allowed: crop, flip",
                  "exp.yaml:5:30: unknown optimizer 'sdg' (did you mean 'sgd'?); allowed: sgd, adam, adamw",
                  "exp.yaml:5:46: unknown schedule 'cosin' (did you mean 'cosine'?); allowed: constant, cosine, "
                  "step",
                  "exp.yaml:6:26: unknown model 'vgg'; allowed: mlp, lenet5, resnet8, resnet20",
                  "exp.yaml:7:22: unknown combiner 'median'; allowed: mean, vote"));
}

TEST(Mistakes, UnknownParameterSaysWhoseItIs) {
  EXPECT_THAT(
      Mistakes(WithMember("training: {optimizer: {name: adam, momentum: 0.9, bta1: 0.5}}\n")),
      ElementsAre("exp.yaml:5:36: unknown parameter 'momentum' of adam in training.optimizer; allowed: lr, beta1, "
                  "beta2, eps, weight_decay",
                  "exp.yaml:5:51: unknown parameter 'bta1' of adam in training.optimizer (did you mean 'beta1'?); "
                  "allowed: lr, beta1, beta2, eps, weight_decay"));
  EXPECT_THAT(
      Mistakes(WithMember("ensemble: {combiner: {name: mean, weights: 1}}\n")),
      ElementsAre("exp.yaml:5:35: unknown parameter 'weights' of mean in ensemble.combiner; allowed: none, it has "
                  "no parameters"));
}

TEST(Mistakes, ParameterOfTheWrongTypeOrOutOfRange) {
  EXPECT_THAT(Mistakes(WithHead("members:\n"
                                "  - {model: {name: mlp, hidden: 256, dropout: 1}}\n"
                                "  - {model: {name: mlp, hidden: [128, 0, x]}, name: b}\n"
                                "  - {model: {name: lenet5, padding: full}}\n"
                                "  - {model: {name: resnet8, width: -1}}\n")),
              ElementsAre("exp.yaml:5:33: members[].model.hidden is '256'; allowed: a list of at most 64, each a whole "
                          "number from 1 to 65536",
                          "exp.yaml:5:47: members[].model.dropout is '1'; allowed: a number from 0 to below 1",
                          "exp.yaml:6:39: members[].model.hidden[1] is '0'; allowed: a whole number from 1 to 65536",
                          "exp.yaml:6:42: members[].model.hidden[2] is 'x'; allowed: a whole number from 1 to 65536",
                          "exp.yaml:7:37: members[].model.padding is 'full'; allowed: classic, same",
                          "exp.yaml:8:36: members[].model.width is '-1'; allowed: a whole number from 1 to 4096"));
}

TEST(Mistakes, ModelWithoutAName) {
  EXPECT_THAT(
      Mistakes(WithHead("members: [{model: {width: 8}}, {model: [mlp]}, {model: {name: [mlp]}}]\n")),
      ElementsAre("exp.yaml:4:19: members[].model.name is missing; allowed: mlp, lenet5, resnet8, resnet20",
                  "exp.yaml:4:40: members[].model is a list; allowed: mlp, lenet5, resnet8, resnet20; or a map of "
                  "a name and parameters",
                  "exp.yaml:4:63: members[].model.name is a list; allowed: mlp, lenet5, resnet8, resnet20"));
}

TEST(Mistakes, AugmentationInAFormOfItsOwn) {
  EXPECT_THAT(Mistakes(WithMember("augment:\n"
                                  "  - {name: crop, padding: 2}\n"
                                  "  - {crop: {padding: 0}}\n"
                                  "  - {crop: two}\n"
                                  "  - {flip: vertical}\n"
                                  "  - [flip]\n")),
              ElementsAre("exp.yaml:6:5: augment[0] has 2 keys; allowed: one name with its parameters, as in {crop: "
                          "{padding: 2}}",
                          "exp.yaml:7:22: augment[1].crop.padding is '0'; allowed: a whole number from 1 to 1024",
                          "exp.yaml:8:12: augment[2].crop.padding is 'two'; allowed: a whole number from 1 to 1024",
                          "exp.yaml:9:12: augment[3].flip.direction is 'vertical'; allowed: horizontal",
                          "exp.yaml:10:5: augment[4] is a list; allowed: crop, flip; or a map of one of them to its "
                          "parameters"));
}

TEST(Mistakes, NesterovWithoutMomentum) {
  EXPECT_THAT(Mistakes(WithMember("training: {optimizer: {nesterov: true, momentum: 0}}\n")),
              ElementsAre("exp.yaml:5:23: training.optimizer.nesterov is true without momentum or with dampening; "
                          "allowed: momentum above 0 and dampening 0"));
}

// ---- what does not fit together ----

TEST(Mistakes, EpochsAndSteps) {
  EXPECT_THAT(Mistakes(WithMember("training:\n  epochs: 3\n  steps: 100\n")),
              ElementsAre("exp.yaml:7:3: both epochs and steps in training; allowed: one of them"));
  EXPECT_THAT(Mistakes(WithHead("members:\n  - model: mlp\n    training: {steps: 100, epochs: 3}\n")),
              ElementsAre("exp.yaml:6:28: both epochs and steps in training; allowed: one of them"));
}

TEST(Mistakes, WarmUpAsLongAsTheTraining) {
  EXPECT_THAT(
      Mistakes(WithMember("training:\n  epochs: 3\n  schedule: {name: cosine, warmup_epochs: 3}\n")),
      ElementsAre("exp.yaml:7:13: training.schedule.warmup_epochs is 3; allowed: fewer than the 3 epochs of the "
                  "training"));
}

TEST(Mistakes, RateThatWouldRise) {
  EXPECT_THAT(Mistakes(WithMember("training:\n  optimizer: {lr: 0.01}\n  schedule: {name: cosine, min_lr: 0.1}\n")),
              ElementsAre("exp.yaml:7:13: training.schedule.min_lr is 0.1; allowed: at most the optimizer's lr, 0.01"));
}

TEST(Mistakes, DefaultsThatOnlyAMemberMakesWholeAreNone) {
  EXPECT_THAT(Mistakes(WithHead("training: {schedule: {name: cosine, warmup_epochs: 20}}\n"
                                "members: [{model: mlp, training: {epochs: 50}}]\n")),
              IsEmpty());
}

TEST(Mistakes, BestWithoutValidation) {
  EXPECT_THAT(
      Mistakes("version: 1\nname: t\ndata: {source: idx, path: /d, validation: 0}\n"
               "members: [{model: mlp, training: {predict: best}}]\n"),
      ElementsAre("exp.yaml:4:10: training.predict is 'best' but data.validation is 0; allowed: 'last', or samples "
                  "held back for validation"));
}

// ---- data ----

TEST(Mistakes, PartsOfTheDataThatAreNeitherCountNorFraction) {
  for (const std::string bad : {"-1", "1.5", "1.0", "0.0", "all", "[5]", "nan"}) {
    EXPECT_THAT(Mistakes("version: 1\nname: t\ndata:\n  source: idx\n  path: /d\n  validation: " + bad +
                         "\nmembers: [{model: mlp}]\n"),
                ElementsAre(AllOf(StartsWith("exp.yaml:6:15: data.validation is "),
                                  HasSubstr("; allowed: a count or a fraction of the training part, or 0 for none"))))
        << bad;
  }
}

TEST(Mistakes, PathWhereOnlyCountsWorkSaysThatItIsNotSupported) {
  EXPECT_THAT(
      Mistakes("version: 1\nname: t\ndata: {source: idx, path: /d, validation: held/out, test: ./t10k, calibration: "
               "~/c}\nmembers: [{model: mlp}]\n"),
      ElementsAre("exp.yaml:3:43: data.validation is a path ('held/out'), which source idx does not take; allowed: "
                  "a count or a fraction of the training part, or 0 for none",
                  "exp.yaml:3:59: data.test is a path ('./t10k'), which source idx does not take; allowed: source, "
                  "none, or a count taken from the training part",
                  "exp.yaml:3:80: data.calibration is a path ('~/c'), which source idx does not take; allowed: "
                  "none, a count or a fraction of the training part"));
}

TEST(Mistakes, CalibrationOfNothing) {
  EXPECT_THAT(
      Mistakes("version: 1\nname: t\ndata: {source: idx, path: /d, calibration: 0}\nmembers: [{model: mlp}]\n"),
      ElementsAre("exp.yaml:3:44: data.calibration is '0'; allowed: none, a count or a fraction of the training "
                  "part"));
}

TEST(Mistakes, PathsThatCannotBeResolved) {
  const auto mistakes = [](const std::string& path, Variables variables = {}) {
    return Mistakes("version: 1\nname: t\ndata: {source: idx, path: \"" + path + "\"}\nmembers: [{model: mlp}]\n", {},
                    std::move(variables));
  };
  EXPECT_THAT(mistakes("${DATA}/x"),
              ElementsAre("exp.yaml:3:27: data.path contains ${DATA}, which is not set; allowed: variables of the "
                          "environment, set DATA or write the path out"));
  EXPECT_THAT(mistakes("~/x"), ElementsAre(HasSubstr("data.path contains ${HOME}, which is not set")));
  EXPECT_THAT(mistakes("~other/x"),
              ElementsAre("exp.yaml:3:27: data.path begins with '~other'; allowed: '~' for your own "
                          "home, or the path written out"));
  for (const std::string bad : {"${DATA", "${}", "${a b}", "${1}"}) {
    EXPECT_THAT(mistakes(bad),
                ElementsAre("exp.yaml:3:27: data.path has a '${' that begins no variable; allowed: ${NAME} "
                            "with letters, digits and '_'"))
        << bad;
  }
  EXPECT_THAT(
      mistakes("${DATA}", {{"DATA", "a\xFF"}}),
      ElementsAre("exp.yaml:3:27: data.path contains ${DATA}, whose value is no plain path; allowed: UTF-8 without "
                  "'${'"));
  EXPECT_THAT(mistakes("${DATA}", {{"DATA", "${DATA}"}}), ElementsAre(HasSubstr("whose value is no plain path")));
  EXPECT_THAT(mistakes(""), ElementsAre("exp.yaml:3:27: data.path is the text \"\"; allowed: a path"));
}

// ---- training.checkpoint, slots, seeds ----

TEST(Mistakes, IntervalsThatAreNone) {
  for (const std::string bad : {"1", "epoch", "0 epochs", "-1 steps", "1.5 epochs", "0.5 steps", "2 hours",
                                "nan minutes", "1 epoch more", "1e3 steps"}) {
    EXPECT_THAT(Mistakes(WithMember("training: {checkpoint: {every: " + bad + "}}\n")),
                ElementsAre("exp.yaml:5:32: training.checkpoint.every is '" + bad +
                            "'; allowed: a number and a unit: 1 epoch, 500 steps, 10 minutes"))
        << bad;
  }
}

TEST(Mistakes, SlotsThatAreNone) {
  for (const std::string bad : {"0", "two", "{min: 3, max: 2}", "{min: 1}", "{min: 0, max: 2}", "[1, 2]", "{}"}) {
    EXPECT_THAT(Mistakes(WithHead("members: [{model: mlp, slots: " + bad + "}]\n")),
                ElementsAre(AllOf(StartsWith("exp.yaml:4:31: members[].slots is "),
                                  HasSubstr("; allowed: a count from 1 to 4096, or {min: 1, max: 4} with min not above "
                                            "max"))))
        << bad;
  }
}

TEST(Mistakes, SeedsThatAreNone) {
  for (const std::string bad : {"0", "-3", "many", "[]", "{from: 1}", "1001"}) {
    EXPECT_THAT(
        Mistakes(WithHead("members: [{model: mlp, seeds: " + bad + "}]\n")),
        ElementsAre(AllOf(StartsWith("exp.yaml:4:31: members[].seeds is "),
                          HasSubstr("; allowed: a count from 1 to 1000, or a list of different whole numbers, 0 "
                                    "or more"))))
        << bad;
  }
  EXPECT_THAT(Mistakes(WithHead("members: [{model: mlp, seeds: [1, -2]}, {model: mlp, seed: x, name: b}]\n")),
              ElementsAre("exp.yaml:4:35: members[].seeds[1] is '-2'; allowed: a whole number, 0 or more",
                          "exp.yaml:4:60: members[].seed is 'x'; allowed: a whole number, 0 or more"));
}

TEST(Mistakes, DuplicateSeed) {
  EXPECT_THAT(Mistakes(WithHead("members: [{model: mlp, seeds: [7, 8, 7]}]\n")),
              ElementsAre("exp.yaml:4:38: seed 7 is there twice; allowed: different seeds"));
}

TEST(Mistakes, SeedAndSeeds) {
  EXPECT_THAT(Mistakes(WithHead("members: [{model: mlp, seeds: 2, seed: 1}]\n")),
              ElementsAre("exp.yaml:4:34: both seeds and seed in members[]; allowed: one of them"));
}

TEST(Mistakes, TwoEntriesWithTheSameMemberAreToldToTakeAName) {
  EXPECT_THAT(
      Mistakes(WithHead("members:\n"
                        "  - {model: lenet5, seeds: 3}\n"
                        "  - {model: {name: lenet5, padding: same}, seeds: 2}\n")),
      ElementsAre("exp.yaml:6:5: member 'lenet5-s0' is there already (line 5); allowed: other seeds, or a `name` of "
                  "its own for this entry"));
}

TEST(Mistakes, MembersMayNotBeEmpty) {
  EXPECT_THAT(Mistakes(WithHead("members: []\n")),
              ElementsAre("exp.yaml:4:10: members is empty; allowed: a list with at least one member, as in [{model: "
                          "lenet5, seeds: 5}]"));
  EXPECT_THAT(Mistakes(WithHead("members:\n")),
              ElementsAre(StartsWith("exp.yaml:4:1: members is empty; allowed: a list")));
}

TEST(Mistakes, MoreMembersThanAnyClusterTrains) {
  EXPECT_THAT(Mistakes(WithHead("members: [{model: mlp, seeds: 900}, {model: lenet5, seeds: 900}]\n")),
              ElementsAre("exp.yaml:4:37: more than 1000 members; allowed: at most 1000"));
}

TEST(Mistakes, MemberNameThatBecomesTooLong) {
  const std::string name(79, 'x');
  EXPECT_THAT(Mistakes(WithHead("members: [{model: mlp, name: " + name + "}]\n")),
              ElementsAre("exp.yaml:4:11: '" + name +
                          "-s0' is too long for a member's name; allowed: at most 80 "
                          "characters"));
}

TEST(Mistakes, MoreMembersWantedThanThereAre) {
  EXPECT_THAT(
      Mistakes(WithMember("ensemble: {minimum_members: 2}\n")),
      ElementsAre(
          "exp.yaml:5:29: ensemble.minimum_members is 2; allowed: all, or a count up to 1, the number of members"));
  for (const std::string bad : {"0", "most", "-1", "0.5"}) {
    EXPECT_THAT(Mistakes(WithMember("ensemble: {minimum_members: " + bad + "}\n")),
                ElementsAre("exp.yaml:5:29: ensemble.minimum_members is '" + bad +
                            "'; allowed: all, or a count from 1 to "
                            "the number of members"))
        << bad;
  }
}

// ---- all at once, once each ----

TEST(Mistakes, AllAreToldInTheOrderOfTheFile) {
  EXPECT_THAT(
      Mistakes("version: 1\nname: a b\ndata: {source: idx, path: /d, split_seed: -1}\ntrainin: {}\n"
               "members:\n  - {model: lenet, seeds: 0}\n  - {model: mlp, slots: 0}\nensemble: {combiner: sum}\n"),
      ElementsAre(StartsWith("exp.yaml:2:7: "), StartsWith("exp.yaml:3:43: "), StartsWith("exp.yaml:4:1: "),
                  StartsWith("exp.yaml:6:13: "), StartsWith("exp.yaml:6:27: "), StartsWith("exp.yaml:7:25: "),
                  StartsWith("exp.yaml:8:22: ")));
}

TEST(Mistakes, DefaultIsToldOnceHoweverManyMembersInheritIt) {
  EXPECT_THAT(Mistakes(WithHead("training: {epochs: -1}\nmembers: [{model: mlp, seeds: 9}, {model: lenet5}]\n")),
              ElementsAre("exp.yaml:4:20: training.epochs is '-1'; allowed: a whole number from 1 to 1000000"));
}

TEST(Mistakes, DefaultIsToldEvenWhereEveryMemberOverridesIt) {
  EXPECT_THAT(Mistakes(WithHead("training: {epochs: -1}\nmembers: [{model: mlp, training: {epochs: 3}}]\n")),
              SizeIs(1));
}

// ---- the file itself ----

TEST(Mistakes, EmptyFile) {
  EXPECT_THAT(Mistakes(""), ElementsAre("exp.yaml:1:1: nothing in it; see docs/experiment.md"));
  EXPECT_THAT(Mistakes("# a comment\n\n"), ElementsAre("exp.yaml:1:1: nothing in it; see docs/experiment.md"));
}

TEST(Mistakes, BytesThatAreNotUtf8) {
  EXPECT_THAT(Mistakes("version: 1\nname: a\xFF\n"), ElementsAre("exp.yaml:2:8: not UTF-8; save the file as UTF-8"));
  for (const std::string bad :
       {"\xC0\x80", "\xED\xA0\x80", "\xF5\x80\x80\x80", "\xE2\x82", "\x80", "\xF0\x80\x80\x80"}) {
    EXPECT_THAT(Mistakes("name: " + bad), ElementsAre("exp.yaml:1:7: not UTF-8; save the file as UTF-8"));
  }
}

TEST(Mistakes, Utf16IsRefusedInWords) {
  using namespace std::string_literals;
  EXPECT_THAT(Mistakes("\xFF\xFEv\0e\0"s), ElementsAre("exp.yaml:1:1: not UTF-8; save the file as UTF-8"));
  EXPECT_THAT(Mistakes("v\0e\0"s),
              ElementsAre("exp.yaml:1:2: a control character (0x00); an experiment is plain text in "
                          "UTF-8"));
}

TEST(Mistakes, ColumnsCountCharactersNotBytes) {
  EXPECT_THAT(Mistakes(WithMember("training: {\"äöü\": 1}\n")),
              ElementsAre(StartsWith("exp.yaml:5:12: unknown key 'äöü' in training; allowed: ")));
  EXPECT_THAT(Mistakes("\xEF\xBB\xBFversion: 1\nname: \"äöü\" # ✓\ndata: {\"ä\": 1, path: 5, source: idx}\n"
                       "members: [{model: mlp}]\n"),
              ElementsAre(StartsWith("exp.yaml:2:7: name is the text \"äöü\"; allowed: "),
                          StartsWith("exp.yaml:3:8: unknown key 'ä' in data; allowed: ")));
}

TEST(Mistakes, HugeFile) {
  EXPECT_THAT(Mistakes(std::string((4 << 20) + 1, '#')),
              ElementsAre("exp.yaml:1:1: larger than an experiment can be; allowed: at most 4194304 bytes"));
}

TEST(Mistakes, TabInTheIndentation) {
  EXPECT_THAT(Mistakes("version: 1\ntraining:\n\tepochs: 3\n"),
              ElementsAre("exp.yaml:3:1: a tab in the indentation; indent with spaces"));
}

TEST(Mistakes, SecondDocument) {
  EXPECT_THAT(Mistakes(WithMember("---\nversion: 1\n")),
              ElementsAre("exp.yaml:6:1: a second document; an experiment is one, remove the '---' between them"));
}

TEST(Mistakes, SyntaxHasItsPlace) {
  EXPECT_THAT(Mistakes("version: 1\nname: t\n  data: 5\n"),
              ElementsAre("exp.yaml:3:7: a ':' where none can stand; quote the text, or begin a new line"));
  EXPECT_THAT(Mistakes("version: 1\nmembers: [{model: mlp]\n"), ElementsAre(StartsWith("exp.yaml:2:22: ")));
  EXPECT_THAT(Mistakes("version: 1\nname: \"open\ndata: 1\n"),
              ElementsAre("exp.yaml:2:7: a quote without its end; close it"));
  EXPECT_THAT(Mistakes("name: 'open\\"), ElementsAre(HasSubstr("a quote without its end; close it")));
  EXPECT_THAT(Mistakes("name: *nowhere\n"),
              ElementsAre("exp.yaml:1:7: an alias of an anchor that is not defined; define it before with '&'"));
}

TEST(Mistakes, Tags) {
  EXPECT_THAT(
      Mistakes(WithMember("training: !!python/object {epochs: 3}\n")),
      ElementsAre(AllOf(StartsWith("exp.yaml:5:11: a tag ('"), HasSubstr("tags are not used in an experiment"))));
  EXPECT_THAT(Mistakes(WithMember("training: {epochs: !!int 3}\n")),
              ElementsAre(StartsWith("exp.yaml:5:20: a tag ('")));
}

TEST(Mistakes, AliasesThatExpandToBillionsOfValues) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i <= 9; ++i) {
    const std::string below = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int copy = 0; copy < 10; ++copy) bomb += (copy == 0 ? "" : ", ") + below;
    bomb += "]\n";
  }
  EXPECT_THAT(Mistakes(bomb),
              ElementsAre(AllOf(StartsWith("exp.yaml:6:10: "),
                                HasSubstr("more than 300000 values, anchors and aliases written out; an "
                                          "experiment needs far fewer"))));
}

TEST(Mistakes, NestedAnchorsThatEachKeepACopyOfAllThatIsWithin) {
  std::string nested, end;
  for (int i = 0; i < 60; ++i) {
    nested += "&a" + std::to_string(i) + " [";
    end += "]";
  }
  for (int i = 0; i < 20'000; ++i) nested += i == 0 ? "x" : ", x";
  EXPECT_THAT(Mistakes("a: " + nested + end + "\n"), ElementsAre(HasSubstr("more than 300000 values, anchors")));
}

TEST(Mistakes, MoreThanAnybodyReads) {
  std::string text;
  for (int i = 0; i < 20'000; ++i) text += "k" + std::to_string(i) + ": 1\n";
  const std::vector<std::string> mistakes = Mistakes(text);
  ASSERT_EQ(mistakes.size(), Problems::kMostMistakes + 1);
  EXPECT_THAT(mistakes.front(), StartsWith("exp.yaml:1:1: "));
  EXPECT_EQ(mistakes.back(), "there are more mistakes than these; correct them first");
}

TEST(Mistakes, AliasThatContainsItself) {
  EXPECT_THAT(Mistakes("members: &m [*m]\n"),
              ElementsAre("exp.yaml:1:14: an alias that contains itself; write the value out"));
}

TEST(Mistakes, NestingWithoutEnd) {
  for (const std::string bracket : {"[", "{a: ", "- "}) {
    std::string deep;
    for (int i = 0; i < 20000; ++i) deep += bracket;
    EXPECT_THAT(Mistakes(deep), ElementsAre(HasSubstr("nested deeper than 64 levels"))) << bracket;
  }
}

TEST(Mistakes, GarbageEndsInAMistakeNeverInACrash) {
  for (const std::string bad : {"?",     ":",     "-",       "&",       "*",        "!",       "|",
                                ">",     "%",     "@",       "`",       "{",        "}",       "[",
                                "]",     ",",     "'",       "\"",      "? ?\n? ?", "--- ---", "%YAML 9.9\n---\na: 1",
                                "{? a}", "!<tag", "a: b: c", "&a &b c", "...",      "<<: *x",  "- a\nb: 1"}) {
    EXPECT_THAT(Mistakes(bad), testing::Not(IsEmpty())) << bad;
  }
}

TEST(Mistakes, WhateverIsChangedInAnExperimentItEndsInAnEnsembleOrInMistakes) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 5000; ++round) {
    std::string text(kExample);
    for (uint64_t change = random() % 4 + 1; change > 0; --change) {
      constexpr std::string_view kNasty = "{}[]:,&*!|>'\"%@`#-?~ \n\t0a\\.";
      const size_t at = random() % text.size();
      const char nasty = kNasty[random() % kNasty.size()];
      if (random() % 2 == 0) {
        text[at] = nasty;
      } else {
        text.insert(at, std::string(random() % 3 + 1, nasty));
      }
    }
    const ParseResult result = ParseText(text);
    ASSERT_TRUE(result || !result.error().empty()) << text;
    if (!result) continue;
    ASSERT_EQ(MustParse(RenderYaml(*result)), *result) << text;
  }
}

// ---- overrides ----

TEST(Mistakes, OfAnOverrideNameTheOverride) {
  EXPECT_THAT(
      Mistakes(kHeadWithMember, {"training.epochs=many", "training.epoch=3", "members.1.seeds=2"}),
      ElementsAre("--set training.epochs=many: training.epochs is 'many'; allowed: a whole number from 1 to 1000000",
                  StartsWith("--set training.epoch=3: unknown key 'epoch' in training (did you mean 'epochs'?)"),
                  "--set members.1.seeds=2: there is no members.1; allowed: members.0 to members.0"));
}

TEST(Mistakes, OverridesThatAreNone) {
  for (const std::string bad : {"", "training.epochs", "=3", ".a=1", "a.=1", "a..b=1", "training.epochs =3", "{a}=1"}) {
    EXPECT_THAT(Mistakes(kHeadWithMember, {bad}),
                ElementsAre("--set " + bad + ": not an override; allowed: KEY=VALUE in UTF-8, as in training.epochs=3"))
        << bad;
  }
  EXPECT_THAT(Mistakes(kHeadWithMember, {"a=\xFF"}), ElementsAre(StartsWith("--set: not an override; allowed: ")));
  EXPECT_THAT(
      Mistakes(kHeadWithMember, {"training={epochs: 3"}),
      ElementsAre("--set training={epochs: 3: a '{' without its '}'; close it, or separate its entries by ',' (at "
                  "character 1 of the value)"));
  EXPECT_THAT(
      Mistakes(kHeadWithMember, {"training.epochs="}),
      ElementsAre("--set training.epochs=: nothing in it; see docs/experiment.md (at character 1 of the value)"));
}

TEST(Mistakes, FileThatCannotBeRead) {
  const auto texts = [](const ParseResult& result) {
    return result ? std::vector<std::string>() : Texts(result.error());
  };
  EXPECT_THAT(texts(ParseFile(PosixFileSystem(), "/no/such/exp.yaml", {})),
              ElementsAre(StartsWith("/no/such/exp.yaml: ")));
  EXPECT_THAT(texts(ParseFile(PosixFileSystem(), "/tmp", {})),
              ElementsAre("/tmp: a folder; allowed: an experiment file"));
}

// ---- JSON ----

TEST(JsonMistakes, NameTheKey) {
  const auto message = [](const auto& result) { return result ? std::string("none") : result.error().message; };
  const EnsembleSpec spec = MustParse(kExample);

  Json data = ToJson(spec.data);
  data["validation"] = "some";
  EXPECT_EQ(message(DataFromJson(data)),
            "data.validation is the text \"some\"; allowed: a count or a fraction of the training part, or 0 for none");

  Json member = ToJson(spec.members[0]);
  member["training"]["optimizer"]["lr"] = -1;
  member.erase("model");
  EXPECT_EQ(message(MemberFromJson(member)),
            "members[].model is missing; allowed: mlp, lenet5, resnet8, resnet20. training.optimizer.lr is "
            "'-1'; allowed: a number above 0");

  Json ensemble = ToJson(spec);
  ensemble.erase("version");
  EXPECT_EQ(message(EnsembleFromJson(ensemble)), "version is missing; allowed: 1");
  EXPECT_EQ(message(EnsembleFromJson(Json::array())), "the file is a list; allowed: a map");
  EXPECT_EQ(message(MemberFromJson(Json(5))),
            "members[] is '5'; allowed: a map. members[].model is missing; allowed: mlp, lenet5, resnet8, resnet20");
}

TEST(JsonMistakes, MemberWithSeveralSeedsIsNotOne) { EXPECT_FALSE(MemberFromJson({{"model", "mlp"}, {"seeds", 2}})); }

}  // namespace
}  // namespace tutti::spec::test
