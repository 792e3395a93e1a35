// The text that Prometheus reads (https://prometheus.io/docs/instrumenting/exposition_formats). Pure.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tutti::server {

class MetricsText {
 public:
  static constexpr const char* kContentType = "text/plain; version=0.0.4; charset=utf-8";
  enum class Type { kGauge, kCounter };
  struct Sample {
    std::string_view label;  // its value: a word
    double value = 0;
  };

  void Add(std::string_view name, Type type, std::string_view help, double value);
  // One sample for each value of the label.
  void Add(std::string_view name, Type type, std::string_view help, std::string_view label,
           const std::vector<Sample>& samples);

  std::string text() && { return std::move(text_); }

 private:
  void AddHead(std::string_view name, Type type, std::string_view help);

  std::string text_;
};

}  // namespace tutti::server
