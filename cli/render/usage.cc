#include "cli/render/usage.h"

namespace tutti::cli {

std::string RenderUsage(const storage::HomeUsage& usage, Colour colour) {
  using enum Table::Align;
  Table table({kLeft, kRight, kLeft});
  uint64_t total = usage.catalog_bytes + usage.cache_bytes + usage.other_bytes;
  for (const storage::EnsembleUsage& ensemble : usage.ensembles) {
    total += ensemble.bytes;
    table.Add({ensemble.id.str(), FormatBytes(ensemble.bytes)}, Ink::kBold);
    for (const storage::MemberUsage& member : ensemble.members) {
      table.Add({"  " + member.member, FormatBytes(member.bytes)});
    }
  }
  table.Add({"catalog", FormatBytes(usage.catalog_bytes)});
  table.Add({"cache", FormatBytes(usage.cache_bytes), "prepared data, safe to delete"});
  table.Add({"other", FormatBytes(usage.other_bytes), "logs, what removals left, folders without an experiment"});
  table.Add({"all", FormatBytes(total)}, Ink::kBold);
  return table.Render(colour);
}

Json UsageDocument(const storage::HomeUsage& usage) {
  Json ensembles = Json::array();
  for (const storage::EnsembleUsage& ensemble : usage.ensembles) {
    Json members = Json::array();
    for (const storage::MemberUsage& member : ensemble.members) {
      members.push_back({{"name", member.member}, {"bytes", member.bytes}});
    }
    ensembles.push_back({{"id", ensemble.id.str()}, {"bytes", ensemble.bytes}, {"members", std::move(members)}});
  }
  return {{"ensembles", std::move(ensembles)},
          {"catalog_bytes", usage.catalog_bytes},
          {"cache_bytes", usage.cache_bytes},
          {"other_bytes", usage.other_bytes}};
}

}  // namespace tutti::cli
