#include "cli/render/findings.h"

#include <gmock/gmock.h>

namespace tutti::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

const std::vector<Finding> kFindings = {
    {"memory", Verdict::kOk, "64 GB", ""},
    {"mpi", Verdict::kWarning, "mpirun is not in PATH", "install Open MPI"},
    {"gpus", Verdict::kProblem, "the driver\nfails", "start anew"},
};

TEST(Findings, AreATableWithWhatToDoUnderIt) {
  EXPECT_EQ(RenderFindings(kFindings, Colour::kOff),
            "memory  ok       64 GB\n"
            "mpi     warning  mpirun is not in PATH\n"
            "gpus    problem  the driver fails\n"
            "\n"
            "What to do:\n"
            "  mpi: install Open MPI\n"
            "  gpus: start anew\n"
            "\n"
            "1 problem, 1 warning.\n");
}

TEST(Findings, ThatAreAllWellNeedNoCure) {
  EXPECT_EQ(RenderFindings({kFindings[0]}, Colour::kOff), "memory  ok  64 GB\n\nno problems, no warnings.\n");
}

TEST(Findings, AreADocumentForPrograms) {
  const Json document = FindingsDocument(kFindings);
  EXPECT_EQ(document["problems"], 1);
  EXPECT_EQ(document["warnings"], 1);
  EXPECT_EQ(document["checks"][1]["check"], "mpi");
  EXPECT_EQ(document["checks"][1]["verdict"], "warning");
}

TEST(Findings, TravelAsJson) {
  for (const Finding& finding : kFindings) EXPECT_EQ(FindingFromJson(ToJson(finding)).value(), finding);
  EXPECT_FALSE(FindingFromJson(Json::object()));
  Json strange = ToJson(kFindings[0]);
  strange["verdict"] = "fine";
  EXPECT_FALSE(FindingFromJson(strange));
}

}  // namespace
}  // namespace tutti::cli
