#include "cli/render/listing.h"

#include <fmt/format.h>

#include "cli/render/progress.h"
#include "cli/render/results.h"

namespace tutti::cli {
namespace {

// "2026-03-01T12:00:00.000Z" -> "2026-03-01 12:00"
std::string ShortTime(const std::string& time) {
  if (time.size() < 16) return time;
  return time.substr(0, 10) + " " + time.substr(11, 5);
}

Ink InkOf(const EnsembleDocument& ensemble) {
  if (ensemble.state == "finished") return Ink::kGreen;
  if (ensemble.state == "failed" || ensemble.state == "incomplete") return Ink::kRed;
  return ensemble.state == "running" ? Ink::kBold : Ink::kPlain;
}

std::string HowToGoOn(const EnsembleDocument& document, const NextCommand& next) {
  return document.state == "stopped" ? fmt::format("Go on with: {}\n", next.Resume(document.id)) : "";
}

std::string Remark(const EnsembleDocument& document, const NextCommand& next) {
  if (!document.problem.empty() || document.state != "stopped") return document.problem;
  return fmt::format("{}{}{}", document.note, document.note.empty() ? "" : "; ", next.Resume(document.id));
}

// "small-1: stopped, its process is gone; 1 of 3 members finished"
std::string Headline(const EnsembleDocument& document) {
  return fmt::format("{}: {}{}{} {} of {} members finished\n\n", document.id, document.state,
                     document.note.empty() ? "," : ", ", document.note.empty() ? "" : document.note + ";",
                     document.members_finished, document.members_total);
}

// A drain outlives whom it is for: somebody has to end it.
std::string RemarkOn(const WorkerDocument& worker) {
  if (worker.connected || !worker.draining) return worker.note;
  return fmt::format("{}; `tutti drain {} --undo` ends that", worker.note, worker.id);
}

// "cpu, 2 threads, 4.2 GB", "cuda, 25.4 GB"
std::string EachSlot(const WorkerDocument& worker) {
  if (worker.device.empty()) return "";
  const std::string memory = worker.slot_memory_bytes == 0 ? "" : ", " + FormatBytes(worker.slot_memory_bytes);
  if (worker.device != "cpu") return worker.device + memory;
  return fmt::format("cpu, {} thread{}{}", worker.threads_per_slot, worker.threads_per_slot == 1 ? "" : "s", memory);
}

}  // namespace

Result<std::vector<EnsembleDocument>> ReadEnsembles(const Json& json) {
  const auto list = json.is_object() ? json.find("ensembles") : json.end();
  if (list == json.end() || !list->is_array()) {
    return Fail(ErrorCode::kInvalid, "this is no list of ensembles: {}", json.dump());
  }
  std::vector<EnsembleDocument> ensembles;
  for (const Json& entry : *list) {
    TUTTI_ASSIGN_OR_RETURN(ensembles.emplace_back(), ReadEnsemble(entry));
  }
  return ensembles;
}

std::string RenderListing(const std::vector<EnsembleDocument>& ensembles, const std::filesystem::path& home,
                          const NextCommand& next, const Page& page) {
  if (ensembles.empty())
    return fmt::format("There is no ensemble in {} yet.\n", home.empty() ? "the coordinator's home" : home.string());
  using enum Table::Align;
  Table table({kLeft, kLeft, kRight, kLeft, kRight, kLeft});
  table.Add({"ensemble", "state", "members", "submitted (UTC)", "ended after", "remark"}, Ink::kBold);
  for (const EnsembleDocument& ensemble : ensembles) {
    const auto seconds = ensemble.DurationSeconds();
    table.Add({ensemble.id, ensemble.state, fmt::format("{} of {}", ensemble.members_finished, ensemble.members_total),
               ShortTime(ensemble.submitted_at), seconds ? FormatDuration(*seconds) : "", Remark(ensemble, next)},
              InkOf(ensemble));
  }
  return table.Render(page);
}

std::string RenderWorkers(const std::vector<WorkerDocument>& workers, const Page& page) {
  if (workers.empty()) return "No worker is connected; `tutti worker` starts one.\n";
  using enum Table::Align;
  Table table({kLeft, kLeft, kRight, kRight, kLeft, kLeft});
  table.Add({"worker", "connection", "slots", "busy", "each slot", ""}, Ink::kBold);
  for (const WorkerDocument& worker : workers) {
    const char* away = worker.slots > 0 ? "lost, may come back" : "away";
    table.Add({worker.id, worker.connected ? "connected" : away, fmt::format("{}", worker.slots),
               fmt::format("{}", worker.busy), EachSlot(worker), RemarkOn(worker)},
              worker.connected ? Ink::kPlain : Ink::kRed);
  }
  return table.Render(page);
}

std::string RenderShow(const EnsembleDocument& document, const std::filesystem::path& home, const NextCommand& next,
                       const Page& page) {
  const std::string problem = document.problem.empty() ? "" : document.problem + "\n\n";
  const std::string members = RenderMembers(document, page) + "\n" + problem;
  if (document.ended() && document.state != "stopped") return members + RenderEnd(document, home, page);
  return Headline(document) + members + HowToGoOn(document, next) +
         (home.empty() ? "" : fmt::format("Files: {}\n", (home / document.id).string()));
}

}  // namespace tutti::cli
