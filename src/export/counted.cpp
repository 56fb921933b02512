#include "export/counted.h"

#include <algorithm>

namespace weft::exporter {
namespace {

using base::Json;
using telemetry::Histogram;
using telemetry::Kind;

Json to_json(const Histogram& histogram) {
  return {{"counts", histogram.counts}, {"sumNs", histogram.sum_ns}};
}

bool is_count(const Json& json) { return json.is_number_unsigned(); }

bool is_histogram(const Json& json) {
  const auto counts = json.find("counts");
  const auto sum = json.find("sumNs");
  return counts != json.end() && sum != json.end() && counts->is_array() &&
         counts->size() == Histogram{}.counts.size() && std::ranges::all_of(*counts, is_count) &&
         is_count(*sum);
}

Histogram histogram_from(const Json& json) {
  return {json["counts"].get<decltype(Histogram::counts)>(), json["sumNs"].get<std::uint64_t>()};
}

}  // namespace

Json counted_json(const telemetry::Samples& samples) {
  auto families = Json::object();
  for (const auto& [name, family] : samples.families()) {
    if (family.kind == Kind::gauge) continue;
    auto series = Json::object();
    for (const auto& [labels, value] : family.values) series[labels] = value;
    for (const auto& [labels, histogram] : family.histograms) series[labels] = to_json(histogram);
    families[name] = {{"help", family.help}, {"series", std::move(series)}};
  }
  return families;
}

telemetry::Samples read_counted(const Json& json) {
  telemetry::Samples samples;
  if (!json.is_object()) return samples;
  for (const auto& [name, family] : json.items()) {
    const auto help = family.find("help");
    const auto series = family.find("series");
    if (help == family.end() || series == family.end() || !help->is_string() || !series->is_object())
      continue;
    const auto& words = help->get_ref<const std::string&>();
    for (const auto& [labels, value] : series->items()) {
      if (is_count(value)) samples.add(name, words, Kind::counter, labels, value.get<std::uint64_t>());
      if (is_histogram(value)) samples.add(name, words, labels, histogram_from(value));
    }
  }
  return samples;
}

}  // namespace weft::exporter
