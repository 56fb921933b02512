// Counts calls by what the services answer, and again by what the proxy counted.
#include "cli/rehearsal.h"

#include <fmt/format.h>

#include "base/counted.h"
#include "cli/mesh.h"
#include "cli/objects.h"
#include "cli/output.h"
#include "snapshot/snapshot.h"
#include "yaml/parse.h"

namespace weft::cli {

using base::Json;
using runtime::Task;

namespace {

constexpr auto answer_limit = std::chrono::seconds(15);
/// Counters are merged from the workers when they are read; they lag behind an answer by no more than its
/// last steps.
constexpr auto settle_limit = std::chrono::seconds(5);
constexpr auto settle_pause = std::chrono::milliseconds(20);
/// For how long the counters must then stay as they are: an excess comes late.
constexpr auto settled_pause = std::chrono::milliseconds(200);

std::string namespace_part(const std::string& qualified) { return qualified.substr(0, qualified.find('/')); }

std::string counts_text(const EdgeCounts& counts) {
  std::string text;
  for (const auto& [edge, count] : counts) {
    text += fmt::format("\n  {} -> {} ({}): {}", edge.source, edge.destination, edge.reporter, count);
  }
  return text.empty() ? " none" : text;
}

/// One GET; the JSON of an answer with 200.
Task<Result<Json>> request_one(runtime::Reactor& reactor, std::string url) {
  constexpr std::string_view scheme = "http://";
  const auto authority = url.substr(scheme.size(), url.find('/', scheme.size()) - scheme.size());
  auto address = base::Address::parse(authority);
  if (!address) co_return failure(Exit::failed, fmt::format("{} is not an address", url));
  http::Client client(reactor, *address);
  http::Request request;
  auto response = co_await client.send(std::move(request), answer_limit);
  if (!response) co_return failure(Exit::failed, fmt::format("no answer: {}", response.error().detail), url);
  if (response->status != 200) {
    co_return failure(Exit::failed, fmt::format("status {}", response->status),
                      fmt::format("{}: {}", url, response->body.substr(0, 500)));
  }
  auto answer = yaml::parse_json(response->body);
  co_return answer ? std::move(*answer) : Json(response->body);
}

}  // namespace

void count_calls(const Json& answer, const std::string& caller, const std::string& service,
                 EdgeCounts& counts) {
  for (const char* reporter : {"source", "destination"}) ++counts[{reporter, caller, service}];
  if (!answer.is_object()) return;
  const std::string ns = namespace_part(service);
  const std::string workload = ns + "/" + text_at(answer, "/service");
  const Json& calls = value_at(answer, "/calls");
  if (!calls.is_object()) return;
  for (const auto& [name, nested] : calls.items()) count_calls(nested, workload, ns + "/" + name, counts);
}

std::string instances_text(const Json& answer) {
  std::string text = text_at(answer, "/instance");
  if (text.empty()) return "an answer that names no instance";
  std::string called;
  const Json& calls = value_at(answer, "/calls");
  if (calls.is_object()) {
    for (const auto& [name, nested] : calls.items())
      called += (called.empty() ? "" : ", ") + instances_text(nested);
  }
  return called.empty() ? text : fmt::format("{} <- ({})", text, called);
}

Task<Result<void>> rehearse(Session& session, std::vector<Json> services, int rounds) {
  const std::string outside = snapshot::edge_context.to_string();
  auto before = co_await fetch_metrics(session.reactor, session.home);
  if (!before) co_return std::unexpected(std::move(before.error()));
  EdgeCounts expected;
  std::uint64_t requests = 0;
  for (int round = 0; round < rounds; ++round) {
    for (const Json& service : services) {
      for (const auto& url : urls_of(service)) {
        if (!url.starts_with("http://")) continue;
        auto answer = co_await request_one(session.reactor, url);
        if (!answer) {
          auto failure = std::move(answer.error());
          failure.what = fmt::format("service {} did not answer: {}", name_of(service), failure.what);
          co_return std::unexpected(std::move(failure));
        }
        ++requests;
        count_calls(*answer, outside, namespace_of(service) + "/" + name_of(service), expected);
        print(fmt::format("GET {} ({}): {}\n", url, name_of(service),
                          base::printable(instances_text(*answer))));
      }
    }
  }
  const auto give_up = session.reactor.clock().now() + settle_limit;
  for (bool settled = false;;) {
    auto after = co_await fetch_metrics(session.reactor, session.home);
    if (!after) co_return std::unexpected(std::move(after.error()));
    const auto seen = difference(requests_by_edge(*before), requests_by_edge(*after));
    if (seen == expected && settled) break;
    if (seen != expected && (settled || session.reactor.clock().now() > give_up)) {
      co_return failure(Exit::failed, "the request counters do not agree with the calls made",
                        fmt::format("calls made:{}\ncounted:{}", counts_text(expected), counts_text(seen)));
    }
    settled = seen == expected;
    co_await session.reactor.sleep(settled ? settled_pause : settle_pause);
  }
  std::uint64_t calls = 0;
  for (const auto& [edge, count] : expected) calls += edge.reporter == "source" ? count : 0;
  print(fmt::format("{} answered {}, {} in all; every hop's counters rose by exactly these\n",
                    base::counted(services.size(), "service"), base::counted(requests, "request"),
                    base::counted(calls, "call")));
  co_return Result<void>();
}

}  // namespace weft::cli
