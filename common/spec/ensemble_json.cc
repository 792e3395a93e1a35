#include <fmt/format.h>

#include "common/spec/descriptor.h"
#include "common/spec/ensemble_spec.h"
#include "common/spec/memory_size.h"
#include "common/spec/reader.h"

namespace tutti::spec {
namespace {

Json PartToJson(const PartSize& part) {
  return std::visit([](auto size) { return Json(size); }, part);
}

Json TestToJson(const decltype(DataSpec::test)& test) {
  if (std::holds_alternative<DataSpec::SourceTest>(test)) return "source";
  if (std::holds_alternative<DataSpec::NoTest>(test)) return "none";
  return std::get<int64_t>(test);
}

template <typename Value>
Json OrWord(const std::optional<Value>& value, const char* word) {
  return value ? Json(*value) : Json(word);
}

std::string_view UnitWord(CheckpointSpec::Unit unit) {
  switch (unit) {
    case CheckpointSpec::Unit::kEpochs:
      return "epoch";
    case CheckpointSpec::Unit::kSteps:
      return "step";
    case CheckpointSpec::Unit::kMinutes:
      return "minute";
  }
  return "";
}

// "1 epoch", "500 steps"
std::string IntervalText(const CheckpointSpec& checkpoint) {
  return fmt::format("{} {}{}", checkpoint.every, UnitWord(checkpoint.unit), checkpoint.every == 1 ? "" : "s");
}

Json ToJson(const SlotsSpec& slots) {
  const bool spreads = slots.spread == SlotsSpec::Spread::kAllowed;
  if (slots.min == slots.max && spreads) return slots.min;
  Json json = {{"min", slots.min}, {"max", slots.max}};
  if (!spreads) json["spread"] = false;
  return json;
}

Json ToJson(const PrepareSpec& prepare) {
  return {{"normalize", prepare.normalize == PrepareSpec::Normalize::kAuto ? "auto" : "none"},
          {"resize", OrWord(prepare.resize, "none")}};
}

Json ToJson(const std::vector<Choice>& augment) {
  Json list = Json::array();
  for (const Choice& choice : augment) list.push_back(ChoiceToJson(ChoiceKind::kAugmentation, choice));
  return list;
}

Json ToJson(const TrainingSpec& training) {
  const bool in_epochs = training.length_unit == TrainingSpec::LengthUnit::kEpochs;
  const CheckpointSpec& checkpoint = training.checkpoint;
  return {{in_epochs ? "epochs" : "steps", training.length},
          {"batch_size", training.batch_size},
          {"optimizer", ChoiceToJson(ChoiceKind::kOptimizer, training.optimizer)},
          {"schedule", ChoiceToJson(ChoiceKind::kSchedule, training.schedule)},
          {"label_smoothing", training.label_smoothing},
          {"clip_norm", OrWord(training.clip_norm, "none")},
          {"checkpoint", {{"every", IntervalText(checkpoint)}, {"keep", checkpoint.keep}}},
          {"predict", training.predict == TrainingSpec::Predict::kLast ? "last" : "best"}};
}

Result<std::filesystem::path> AsItIs(const std::string& path) { return std::filesystem::path(path); }

template <typename Spec>
Result<Spec> OrMessages(Spec spec, const Problems& problems) {
  if (!problems.empty()) return Fail(ErrorCode::kInvalid, "{}", problems.Messages());
  return spec;
}

}  // namespace

Json ToJson(const DataSpec& data) {
  return {{"source", data.source},
          {"path", data.path.string()},
          {"validation", PartToJson(data.validation)},
          {"split_seed", data.split_seed},
          {"test", TestToJson(data.test)},
          {"calibration", data.calibration ? PartToJson(*data.calibration) : Json("none")}};
}

Json ToJson(const MemberSpec& member) {
  Json model = ChoiceToJson(ChoiceKind::kModel, member.model);
  // What says nothing is left out: experiments of before the key keep their hash.
  if (member.weights) model["weights"] = member.weights->string();
  Json json = {
      {"name", member.name}, {"model", std::move(model)}, {"seed", member.seed}, {"slots", ToJson(member.slots)}};
  if (member.slot_memory_bytes) json["slot_memory"] = MemoryText(*member.slot_memory_bytes);
  json["prepare"] = ToJson(member.prepare);
  json["augment"] = ToJson(member.augment);
  json["training"] = ToJson(member.training);
  return json;
}

Json ToJson(const EnsembleSpec& spec) {
  Json members = Json::array();
  for (const MemberSpec& member : spec.members) members.push_back(ToJson(member));
  return {{"version", spec.version},
          {"name", spec.name},
          {"data", ToJson(spec.data)},
          {"members", std::move(members)},
          {"ensemble",
           {{"combiner", ChoiceToJson(ChoiceKind::kCombiner, spec.combiner)},
            {"minimum_members", OrWord(spec.minimum_members, "all")}}}};
}

Result<EnsembleSpec> EnsembleFromJson(const Json& json) {
  Problems problems;
  EnsembleSpec spec = ReadEnsemble(NodeFromJson(json, {}), {AsItIs, AsItIs}, problems);
  return OrMessages(std::move(spec), problems);
}

Result<EnsembleSpec> EnsembleFromText(std::string_view text) {
  TUTTI_ASSIGN_OR_RETURN(const Json json, ParseJson(text));
  return EnsembleFromJson(json);
}

Result<DataSpec> DataFromJson(const Json& json) {
  Problems problems;
  DataSpec data = ReadData(NodeFromJson(json, {}), AsItIs, problems);
  return OrMessages(std::move(data), problems);
}

Result<MemberSpec> MemberFromJson(const Json& json) {
  Problems problems;
  std::optional<MemberSpec> member = ReadMember(NodeFromJson(json, {}), AsItIs, problems);
  if (!member) return Fail(ErrorCode::kInvalid, "{}", problems.Messages());
  return std::move(*member);
}

}  // namespace tutti::spec
