// Keys, values and choices that are none, with their exact place and words.
#include <gmock/gmock.h>

#include "tests/common/spec/experiment.h"

namespace tutti::spec::test {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

// ---- keys ----

TEST(KeyMistakes, UnknownKeyNamesTheNearestAndAllThatAreAllowed) {
  EXPECT_THAT(
      Mistakes(WithMember("training:\n  epoch: 3\n")),
      ElementsAre("exp.yaml:6:3: unknown key 'epoch' in training (did you mean 'epochs'?); allowed: epochs, steps, "
                  "batch_size, optimizer, schedule, label_smoothing, clip_norm, checkpoint, predict"));
}

TEST(KeyMistakes, UnknownKeyThatResemblesNothingGetsNoSuggestion) {
  EXPECT_THAT(
      Mistakes(WithMember("colour: red\n")),
      ElementsAre("exp.yaml:5:1: unknown key 'colour'; allowed: version, name, data, prepare, augment, training, "
                  "slot_memory, members, ensemble"));
}

TEST(KeyMistakes, UnknownKeyIsFoundInEverySection) {
  EXPECT_THAT(
      Mistakes("version: 1\nname: t\ndata: {source: idx, path: /d, valdation: 5}\nprepare: {normalise: auto}\n"
               "training: {checkpoint: {evry: 1 epoch}}\nmembers: [{model: mlp, sead: 1, slots: {min: 1, max: 2, maxx: "
               "2}}]\n"
               "ensemble: {combinor: mean}\n"),
      ElementsAre(
          StartsWith("exp.yaml:3:31: unknown key 'valdation' in data (did you mean 'validation'?); allowed: source"),
          "exp.yaml:4:11: unknown key 'normalise' in prepare (did you mean 'normalize'?); allowed: normalize, resize",
          "exp.yaml:5:25: unknown key 'evry' in training.checkpoint (did you mean 'every'?); allowed: every, keep",
          StartsWith("exp.yaml:6:24: unknown key 'sead' in members[] (did you mean 'seed'?); allowed: model"),
          "exp.yaml:6:57: unknown key 'maxx' in members[].slots (did you mean 'max'?); allowed: min, max, spread",
          "exp.yaml:7:12: unknown key 'combinor' in ensemble (did you mean 'combiner'?); allowed: combiner, "
          "minimum_members"));
}

TEST(KeyMistakes, DuplicateKeyNamesTheLineOfTheFirst) {
  EXPECT_THAT(Mistakes(WithMember("training:\n  epochs: 3\n  epochs: 4\n")),
              ElementsAre("exp.yaml:7:3: duplicate key 'epochs', first in line 6; keep one of them"));
}

TEST(KeyMistakes, KeyThatIsNoWord) {
  EXPECT_THAT(Mistakes(WithMember("[1, 2]: 3\n")), ElementsAre("exp.yaml:5:1: a key that is a list; allowed: a word"));
}

TEST(KeyMistakes, MissingKeysAreNamedWithWhatBelongsThere) {
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

TEST(KeyMistakes, WrongTypesSayWhatWasFoundAndWhatIsAllowed) {
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

TEST(KeyMistakes, SectionsMustBeMapsAndListsLists) {
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

TEST(KeyMistakes, FileThatIsNoMap) {
  EXPECT_THAT(Mistakes("- a\n- b\n"), ElementsAre("exp.yaml:1:1: the file is a list; allowed: a map"));
  EXPECT_THAT(Mistakes("just words\n"), ElementsAre("exp.yaml:1:1: the file is 'just words'; allowed: a map"));
}

TEST(KeyMistakes, EntryOfMembersThatIsNoMap) {
  EXPECT_THAT(Mistakes(WithHead("members: [lenet5]\n")),
              ElementsAre("exp.yaml:4:11: members[] is 'lenet5'; allowed: a map",
                          "exp.yaml:4:11: members[].model is missing; allowed: mlp, lenet5, resnet8, resnet20"));
}

TEST(KeyMistakes, NumbersOutOfRange) {
  EXPECT_THAT(Mistakes(WithMember("training: {epochs: 0, batch_size: 99999999, label_smoothing: 1.0, clip_norm: 0}\n")),
              ElementsAre("exp.yaml:5:20: training.epochs is '0'; allowed: a whole number from 1 to 1000000",
                          "exp.yaml:5:35: training.batch_size is '99999999'; allowed: a whole number from 1 to 1000000",
                          "exp.yaml:5:62: training.label_smoothing is '1.0'; allowed: a number from 0 to below 1",
                          "exp.yaml:5:78: training.clip_norm is '0'; allowed: none or a number above 0"));
}

TEST(KeyMistakes, NumbersThatAreNoneOrInfiniteAreRefusedHoweverWritten) {
  for (const std::string bad :
       {"nan", ".nan", "NaN", "inf", ".inf", "-.inf", "-inf", "1e999", "0x10", "1_000", "1,5"}) {
    EXPECT_THAT(Mistakes(WithMember("training: {optimizer: {lr: \n    " + (bad == "1,5" ? "'1,5'" : bad) + "}}\n")),
                ElementsAre(AllOf(StartsWith("exp.yaml:6:5: training.optimizer.lr is "), HasSubstr(bad),
                                  HasSubstr("; allowed: a number above 0"))))
        << bad;
  }
}

TEST(KeyMistakes, WholeNumbersBeyond64BitsAreRefused) {
  EXPECT_THAT(Mistakes(WithMember("training: {steps: 99999999999999999999}\n")),
              ElementsAre("exp.yaml:5:19: training.steps is '99999999999999999999'; allowed: a whole number from 1 to "
                          "1000000000000"));
}

TEST(KeyMistakes, FractionWhereAWholeNumberBelongs) {
  EXPECT_THAT(Mistakes(WithMember("training: {epochs: 1.5}\n")),
              ElementsAre("exp.yaml:5:20: training.epochs is '1.5'; allowed: a whole number from 1 to 1000000"));
}

TEST(KeyMistakes, YesIsNoSwitch) {
  EXPECT_THAT(Mistakes(WithMember("training: {optimizer: {nesterov: yes}}\n")),
              ElementsAre("exp.yaml:5:34: training.optimizer.nesterov is 'yes'; allowed: true or false"));
}

TEST(KeyMistakes, WordThatIsNotAmongTheAllowedOnesNamesTheNearest) {
  EXPECT_THAT(Mistakes(WithMember("training: {predict: beste}\n")),
              ElementsAre("exp.yaml:5:21: training.predict is 'beste' (did you mean 'best'?); allowed: last, best"));
}

TEST(KeyMistakes, LongValueIsShortenedWithoutCuttingACharacter) {
  const std::string value(59, 'x');
  EXPECT_THAT(
      Mistakes(WithMember("training: {epochs: " + value + "ü and more}\n")),
      ElementsAre("exp.yaml:5:20: training.epochs is '" + value + "…'; allowed: a whole number from 1 to 1000000"));
}

TEST(KeyMistakes, VersionThatThisProgramDoesNotKnow) {
  EXPECT_THAT(Mistakes("version: 2\nname: t\ndata: {source: idx, path: /data}\nmembers: [{model: mlp}]\n"),
              ElementsAre("exp.yaml:1:10: version is '2'; allowed: 1, the only one that this program knows"));
}

TEST(KeyMistakes, NamesThatCouldNotBeFolders) {
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

TEST(KeyMistakes, UnknownModelNamesTheNearest) {
  EXPECT_THAT(
      Mistakes(WithHead("members:\n  - {model: lenet, seeds: 5}\n")),
      ElementsAre("exp.yaml:5:13: unknown model 'lenet' (did you mean 'lenet5'?); allowed: mlp, lenet5, resnet8, "
                  "resnet20"));
}

TEST(KeyMistakes, UnknownChoicesOfEveryKind) {
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

TEST(KeyMistakes, UnknownParameterSaysWhoseItIs) {
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

TEST(KeyMistakes, ParameterOfTheWrongTypeOrOutOfRange) {
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

TEST(KeyMistakes, ModelWithoutAName) {
  EXPECT_THAT(
      Mistakes(WithHead("members: [{model: {width: 8}}, {model: [mlp]}, {model: {name: [mlp]}}]\n")),
      ElementsAre("exp.yaml:4:19: members[].model.name is missing; allowed: mlp, lenet5, resnet8, resnet20",
                  "exp.yaml:4:40: members[].model is a list; allowed: mlp, lenet5, resnet8, resnet20; or a map of "
                  "a name and parameters",
                  "exp.yaml:4:63: members[].model.name is a list; allowed: mlp, lenet5, resnet8, resnet20"));
}

TEST(KeyMistakes, AugmentationInAFormOfItsOwn) {
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

TEST(KeyMistakes, NesterovWithoutMomentum) {
  EXPECT_THAT(Mistakes(WithMember("training: {optimizer: {nesterov: true, momentum: 0}}\n")),
              ElementsAre("exp.yaml:5:23: training.optimizer.nesterov is true without momentum or with dampening; "
                          "allowed: momentum above 0 and dampening 0"));
}

}  // namespace
}  // namespace tutti::spec::test
