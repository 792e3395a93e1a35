#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "coordinator/core/retention.h"

namespace tutti::core {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

RetentionInput Checkpoint(int attempt, int64_t step, std::optional<double> loss = std::nullopt) {
  return {.attempt = {{EnsembleId("e-1"), "m"}, attempt}, .step = step, .validation_loss = loss};
}

TEST(ChooseForDeletion, KeepsTheNewest) {
  EXPECT_THAT(ChooseForDeletion({Checkpoint(1, 10), Checkpoint(1, 20), Checkpoint(1, 30)}, 2), ElementsAre(0));
  EXPECT_THAT(ChooseForDeletion({Checkpoint(1, 10), Checkpoint(1, 20)}, 2), IsEmpty());
  EXPECT_THAT(ChooseForDeletion({}, 2), IsEmpty());
}

TEST(ChooseForDeletion, NamesTheOldestFirstWhateverTheOrderGiven) {
  EXPECT_THAT(ChooseForDeletion({Checkpoint(1, 30), Checkpoint(1, 10), Checkpoint(1, 20)}, 1), ElementsAre(1, 2));
}

TEST(ChooseForDeletion, SparesTheBestByValidationLoss) {
  EXPECT_THAT(ChooseForDeletion({Checkpoint(1, 10, 0.5), Checkpoint(1, 20, 0.3), Checkpoint(1, 30, 0.4)}, 1),
              ElementsAre(0));
}

TEST(ChooseForDeletion, OfEqualLossesTheNewestIsTheBest) {
  EXPECT_THAT(ChooseForDeletion({Checkpoint(1, 10, 0.3), Checkpoint(1, 20, 0.3), Checkpoint(1, 30, 0.4)}, 1),
              ElementsAre(0));
}

TEST(ChooseForDeletion, ALossThatIsNoNumberIsNeverTheBest) {
  EXPECT_THAT(ChooseForDeletion({Checkpoint(1, 10, std::nan("")), Checkpoint(1, 20, 0.3), Checkpoint(1, 30, 0.4)}, 1),
              ElementsAre(0));
  EXPECT_THAT(ChooseForDeletion({Checkpoint(1, 10, 0.2), Checkpoint(1, 20, std::nan("")), Checkpoint(1, 30)}, 1),
              ElementsAre(1));
}

TEST(ChooseForDeletion, CountsOverAllAttemptsALaterOneBeingNewer) {
  // The second attempt went on from step 10, so that its steps are not higher than those of the first.
  EXPECT_THAT(ChooseForDeletion({Checkpoint(1, 10), Checkpoint(1, 30), Checkpoint(2, 20), Checkpoint(10, 15)}, 2),
              ElementsAre(0, 1));
}

TEST(ChooseForDeletion, SparesWhatIsInUse) {
  std::vector<RetentionInput> checkpoints = {Checkpoint(1, 10), Checkpoint(1, 20), Checkpoint(1, 30)};
  checkpoints[0].pinned = true;
  EXPECT_THAT(ChooseForDeletion(checkpoints, 1), ElementsAre(1));
}

TEST(ChooseForDeletion, NeverTakesTheNewestOfAll) {
  EXPECT_THAT(ChooseForDeletion({Checkpoint(1, 10), Checkpoint(1, 20)}, 0), ElementsAre(0));
}

}  // namespace
}  // namespace tutti::core
