#include "coordinator/server/metrics_text.h"

#include <fmt/format.h>

namespace tutti::server {

void MetricsText::AddHead(std::string_view name, Type type, std::string_view help) {
  text_ += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type == Type::kGauge ? "gauge" : "counter");
}

void MetricsText::Add(std::string_view name, Type type, std::string_view help, double value) {
  AddHead(name, type, help);
  text_ += fmt::format("{} {}\n", name, value);
}

void MetricsText::Add(std::string_view name, Type type, std::string_view help, std::string_view label,
                      const std::vector<Sample>& samples) {
  AddHead(name, type, help);
  for (const Sample& sample : samples) {
    text_ += fmt::format("{}{{{}=\"{}\"}} {}\n", name, label, sample.label, sample.value);
  }
}

}  // namespace tutti::server
