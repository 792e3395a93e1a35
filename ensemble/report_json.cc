// How a report is written: results.json, results.csv.
#include <array>
#include <utility>

#include "ensemble/report.h"

namespace tutti::ensemble {
namespace {

std::string_view Name(Difference::Versus versus) {
  return versus == Difference::Versus::kBestMember ? "best_member" : "members_mean";
}

Json Figure(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

Json ToJson(const Metrics& metrics) {
  return {{"nll", Figure(metrics.nll)},
          {"accuracy", metrics.accuracy},
          {"brier", Figure(metrics.brier)},
          {"ece", Figure(metrics.ece)},
          {"unanswered", metrics.unanswered}};
}

Json ToJson(const std::vector<NamedMetrics>& entries) {
  Json by_name = Json::object();
  for (const NamedMetrics& entry : entries) by_name[entry.name] = ToJson(entry.metrics);
  return by_name;
}

Json ToJson(const Difference& difference) {
  return {{"versus", Name(difference.versus)},
          {"metric", difference.metric},
          {"difference", difference.interval.difference},
          {"low", difference.interval.low},
          {"high", difference.interval.high}};
}

Json ToJson(const SplitReport& split) {
  Json differences = Json::array();
  for (const Difference& difference : split.differences) differences.push_back(ToJson(difference));
  return {{"samples", split.samples},
          {"combiners", ToJson(split.combiners)},
          {"differences", std::move(differences)},
          {"members_mean", ToJson(split.members_mean)},
          {"members_deviation", split.members_deviation ? ToJson(*split.members_deviation) : Json(nullptr)},
          {"members", ToJson(split.members)}};
}

// The reader throws what nlohmann throws; ReportFromJson turns it into an error at the module's edge.
std::optional<double> FigureFromJson(const Json& json) {
  return json.is_null() ? std::nullopt : std::optional(json.get<double>());
}

Metrics MetricsFromJson(const Json& json) {
  Metrics metrics;
  metrics.nll = FigureFromJson(json.at("nll"));
  metrics.accuracy = json.at("accuracy").get<double>();
  metrics.brier = FigureFromJson(json.at("brier"));
  metrics.ece = FigureFromJson(json.at("ece"));
  metrics.unanswered = json.at("unanswered").get<int64_t>();
  return metrics;
}

std::vector<NamedMetrics> EntriesFromJson(const Json& json) {
  std::vector<NamedMetrics> entries;
  for (const auto& [name, metrics] : json.items()) entries.push_back({name, MetricsFromJson(metrics)});
  return entries;
}

Result<Difference> DifferenceFromJson(const Json& json) {
  Difference difference;
  const auto versus = json.at("versus").get<std::string>();
  if (versus != "best_member" && versus != "members_mean") {
    return Fail(ErrorCode::kInvalid, "versus: '{}' is neither best_member nor members_mean", versus);
  }
  difference.versus = versus == "best_member" ? Difference::Versus::kBestMember : Difference::Versus::kMembersMean;
  difference.metric = json.at("metric").get<std::string>();
  difference.interval = {json.at("difference").get<double>(), json.at("low").get<double>(),
                         json.at("high").get<double>()};
  return difference;
}

Result<SplitReport> SplitFromJson(const std::string& name, const Json& json) {
  SplitReport split;
  TUTTI_ASSIGN_OR_RETURN(split.split, ParseName<Split>(name));
  split.samples = json.at("samples").get<int64_t>();
  split.combiners = EntriesFromJson(json.at("combiners"));
  for (const Json& item : json.at("differences")) {
    TUTTI_ASSIGN_OR_RETURN(split.differences.emplace_back(), DifferenceFromJson(item));
  }
  split.members_mean = MetricsFromJson(json.at("members_mean"));
  const Json& deviation = json.at("members_deviation");
  if (!deviation.is_null()) split.members_deviation = MetricsFromJson(deviation);
  split.members = EntriesFromJson(json.at("members"));
  return split;
}

Result<EnsembleReport> ReadReport(const Json& json) {
  const int version = json.at("version").get<int>();
  if (version != EnsembleReport::kVersion) {
    return Fail(ErrorCode::kInvalid, "version {} of the results is not known here; this tutti reads version {}",
                version, EnsembleReport::kVersion);
  }
  EnsembleReport report;
  report.members = json.at("members").get<int>();
  report.members_total = json.at("members_total").get<int>();
  report.classes = json.at("classes").get<int>();
  report.combiner = json.at("combiner").get<std::string>();
  const Json& best = json.at("best_member");
  if (!best.is_null()) report.best_member = best.get<std::string>();
  for (const auto& [name, split] : json.at("splits").items()) {
    TUTTI_ASSIGN_OR_RETURN(report.splits.emplace_back(), SplitFromJson(name, split));
  }
  return report;
}

class CsvWriter {
 public:
  explicit CsvWriter(Split split) : split_(Name(split)) {}

  // Names are IsValidName's or our own, so nothing needs quotes.
  void Add(std::string_view kind, std::string_view name, const Metrics& metrics) {
    const std::array<std::pair<std::string_view, std::optional<double>>, 4> figures{
        {{"nll", metrics.nll}, {"accuracy", metrics.accuracy}, {"brier", metrics.brier}, {"ece", metrics.ece}}};
    for (const auto& [metric, value] : figures) {
      if (value) text_ += fmt::format("{},{},{},{},{},,\n", split_, kind, name, metric, *value);
    }
  }
  void Add(std::string_view combiner, const Difference& difference) {
    text_ +=
        fmt::format("{},difference,{} - {},{},{},{},{}\n", split_, combiner, Name(difference.versus), difference.metric,
                    difference.interval.difference, difference.interval.low, difference.interval.high);
  }
  std::string Take() && { return std::move(text_); }

 private:
  std::string_view split_;
  std::string text_;
};

std::string ToCsv(const EnsembleReport& report, const SplitReport& split) {
  CsvWriter csv(split.split);
  for (const NamedMetrics& combiner : split.combiners) csv.Add("combiner", combiner.name, combiner.metrics);
  csv.Add("members_mean", "", split.members_mean);
  if (split.members_deviation) csv.Add("members_deviation", "", *split.members_deviation);
  for (const NamedMetrics& member : split.members) csv.Add("member", member.name, member.metrics);
  for (const Difference& difference : split.differences) csv.Add(report.combiner, difference);
  return std::move(csv).Take();
}

}  // namespace

Json ToJson(const EnsembleReport& report) {
  Json splits = Json::object();
  for (const SplitReport& split : report.splits) splits[std::string(Name(split.split))] = ToJson(split);
  return {{"version", EnsembleReport::kVersion},
          {"members", report.members},
          {"members_total", report.members_total},
          {"classes", report.classes},
          {"combiner", report.combiner},
          {"best_member", report.best_member ? Json(*report.best_member) : Json(nullptr)},
          {"splits", std::move(splits)}};
}

Result<EnsembleReport> ReportFromJson(const Json& json) {
  try {
    return ReadReport(json);
  } catch (const Json::exception& error) {
    return Fail(ErrorCode::kInvalid, "these are no results of an ensemble: {}", error.what());
  }
}

std::string ToCsv(const EnsembleReport& report) {
  std::string text = "split,kind,name,metric,value,low,high\n";
  for (const SplitReport& split : report.splits) text += ToCsv(report, split);
  return text;
}

}  // namespace tutti::ensemble
