#include "cli/render/results.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace tutti::cli {
namespace {

using ensemble::Difference;
using ensemble::EnsembleReport;
using ensemble::Metrics;
using ensemble::NamedMetrics;
using ensemble::SplitReport;

const SplitReport* ShownSplit(const EnsembleReport& report) {
  if (const SplitReport* test = report.Find(Split::kTest)) return test;
  return report.Find(Split::kValidation);
}

std::vector<std::string> FiguresRow(std::string label, const Metrics& metrics, std::string remark = "") {
  return {std::move(label),          FormatLoss(metrics.nll), FormatPercent(metrics.accuracy),
          FormatLoss(metrics.brier), FormatLoss(metrics.ece), std::move(remark)};
}

std::string RemarkOnAnswers(const Metrics& metrics) {
  return metrics.unanswered == 0 ? "" : fmt::format("{} samples without an answer", FormatCount(metrics.unanswered));
}

std::string FiguresTable(const EnsembleReport& report, const SplitReport& split, const Page& page) {
  using enum Table::Align;
  Table table({kLeft, kRight, kRight, kRight, kRight, kLeft});
  table.Add(
      {fmt::format("{}, {} samples", Name(split.split), FormatCount(split.samples)), "NLL", "accuracy", "Brier", "ECE"},
      Ink::kBold);
  table.Add(FiguresRow(report.members == 1 ? "the only member" : fmt::format("mean of {} members", report.members),
                       split.members_mean, RemarkOnAnswers(split.members_mean)));
  if (split.members_deviation) table.Add(FiguresRow("  deviation", *split.members_deviation), Ink::kDim);
  const Metrics* best = report.best_member ? FindMetrics(split.members, *report.best_member) : nullptr;
  if (best != nullptr) table.Add(FiguresRow("best on validation", *best, *report.best_member));
  for (const NamedMetrics& combiner : split.combiners) {
    const bool answers = combiner.name == report.combiner;
    table.Add(FiguresRow("ensemble: " + combiner.name, combiner.metrics, answers ? "answers" : ""),
              answers ? Ink::kGreen : Ink::kPlain);
  }
  return table.Render(page);
}

// Such that what rounds to nothing is no "-0.0000".
double RoundToFourDigits(double value) { return std::round(value * 1e4) / 1e4 + 0.0; }

std::string DifferenceCell(const Difference& difference) {
  const auto [middle, low, high] =
      std::array{RoundToFourDigits(difference.interval.difference), RoundToFourDigits(difference.interval.low),
                 RoundToFourDigits(difference.interval.high)};
  if (difference.metric == "accuracy") {
    return fmt::format("{:+.2f} % [{:+.2f}, {:+.2f}]", 100 * middle, 100 * low, 100 * high);
  }
  return fmt::format("{:+.4f} [{:+.4f}, {:+.4f}]", middle, low, high);
}

std::string FindDifference(const SplitReport& split, Difference::Versus versus, std::string_view metric) {
  for (const Difference& difference : split.differences) {
    if (difference.versus == versus && difference.metric == metric) return DifferenceCell(difference);
  }
  return "";
}

struct MetricHeading {
  std::string_view metric;
  std::string_view heading;
};
constexpr std::array<MetricHeading, 3> kMetrics{{{"nll", "NLL"}, {"accuracy", "accuracy"}, {"brier", "Brier"}}};

// Those that the answering combiner has: a vote has its accuracy alone.
std::vector<MetricHeading> ComparedMetrics(const SplitReport& split) {
  std::vector<MetricHeading> compared;
  for (const MetricHeading& metric : kMetrics) {
    if (std::any_of(split.differences.begin(), split.differences.end(),
                    [&](const Difference& difference) { return difference.metric == metric.metric; })) {
      compared.push_back(metric);
    }
  }
  return compared;
}

std::string DifferencesTable(const EnsembleReport& report, const SplitReport& split, const Page& page) {
  std::vector<std::pair<std::string, Difference::Versus>> others;
  if (report.best_member) others.emplace_back("best on validation", Difference::Versus::kBestMember);
  others.emplace_back("mean of members", Difference::Versus::kMembersMean);

  // A line a metric, so that it fits a terminal of 80 columns.
  std::vector<Table::Align> columns(others.size() + 1, Table::Align::kRight);
  columns.front() = Table::Align::kLeft;
  Table table(std::move(columns));
  std::vector<std::string> headings{fmt::format("{} against", report.combiner)};
  for (const auto& [heading, versus] : others) headings.push_back(heading);
  table.Add(std::move(headings), Ink::kBold);
  for (const MetricHeading& metric : ComparedMetrics(split)) {
    std::vector<std::string> row{std::string(metric.heading)};
    for (const auto& [heading, versus] : others) row.push_back(FindDifference(split, versus, metric.metric));
    table.Add(std::move(row));
  }
  return table.Render(page);
}

std::string Headline(const EnsembleDocument& document, Colour colour) {
  const bool complete = document.members_finished == document.members_total;
  const Ink ink = document.state == "finished" ? Ink::kGreen : Ink::kRed;
  std::string text =
      fmt::format("{}: {}, {}", Paint(colour, Ink::kBold, document.id), Paint(colour, ink, document.state),
                  complete ? FormatMembers(document.members_total)
                           : fmt::format("{} of {} members", document.members_finished, document.members_total));
  if (const auto seconds = document.DurationSeconds()) text += fmt::format(", after {}", FormatDuration(*seconds));
  const double trained = document.TrainSeconds();
  if (trained > 0) text += fmt::format("; trained {}", FormatDuration(trained));
  return text + "\n";
}

std::string Failures(const EnsembleDocument& document, Colour colour) {
  std::string text;
  if (!document.note.empty()) text += document.note + "\n";
  std::vector<const MemberDocument*> failed;
  for (const MemberDocument& member : document.members) {
    if (member.state == "failed") failed.push_back(&member);
  }
  for (const FailedAlike& alike : GroupFailures(failed)) {
    text += fmt::format("{} {}: {}\n", alike.Names(), Paint(colour, Ink::kRed, "failed"), alike.first->Why());
  }
  return text;
}

}  // namespace

std::string RenderReport(const EnsembleReport& report, const Page& page) {
  const SplitReport* split = ShownSplit(report);
  if (split == nullptr) return "There are neither test nor validation samples to measure on.\n";
  std::string text = FiguresTable(report, *split, page);
  if (!split->differences.empty()) {
    text += "\n" + DifferencesTable(report, *split, page);
    text += Paint(page.colour, Ink::kDim,
                  "In brackets 95 % intervals, by a paired bootstrap over the samples.\n"
                  "For NLL and Brier less is better.") +
            "\n";
  }
  return text;
}

std::string RenderEnd(const EnsembleDocument& document, const std::filesystem::path& home, const Page& page) {
  std::string text = Headline(document, page.colour) + Failures(document, page.colour);
  if (document.results) text += "\n" + RenderReport(*document.results, page) + "\n";
  return home.empty() ? text : text + fmt::format("Files: {}\n", (home / document.id).string());
}

}  // namespace tutti::cli
