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

/// An answer of examples/programs: it says which instance it comes from, and what that was told by others.
bool is_example(const Json& answer) { return answer.is_object() && !text_at(answer, "/instance").empty(); }

std::string namespace_part(const std::string& qualified) { return qualified.substr(0, qualified.find('/')); }

std::string counts_text(const EdgeCounts& counts) {
  std::string text;
  for (const auto& [edge, count] : counts) {
    text += fmt::format("\n  {} -> {} ({}): {}", edge.source, edge.destination, edge.reporter, count);
  }
  return text.empty() ? " none" : text;
}

/// What came back from one address.
struct Answer {
  /// For a line of its own: which instances answered, "status 404", "connected".
  std::string words;
  /// What an example service tells of itself; null for any other program.
  Json told;
};

std::string_view authority_of(std::string_view url) {
  const auto begin = url.find("://") + 3;
  return url.substr(begin, url.find('/', begin) - begin);
}

/// One GET. Of an example service that is the JSON of an answer with 200; any other program may answer what
/// it likes, and its answer may have no end.
Task<Result<Answer>> request_one(runtime::Reactor& reactor, std::string url, base::Address address) {
  http::Client client(reactor, address);
  http::Request request;
  auto response = co_await client.open(std::move(request), answer_limit);
  if (!response) co_return failure(Exit::failed, fmt::format("no answer: {}", response.error().detail), url);
  const int status = (*response)->status();
  const auto type = (*response)->head().headers.find("content-type");
  Answer answer{.words = fmt::format("status {}", status), .told = {}};
  if (!type || !type->starts_with("application/json")) co_return answer;
  const auto body = co_await runtime::within(reactor, answer_limit, (*response)->rest());
  if (!body || !*body) co_return answer;
  auto told = yaml::parse_json(**body);
  if (!told || !is_example(*told)) co_return answer;
  if (status != 200)
    co_return failure(Exit::failed, answer.words, fmt::format("{}: {}", url, (*body)->substr(0, 500)));
  answer.words = instances_text(*told);
  answer.told = std::move(*told);
  co_return answer;
}

Task<runtime::IoResult<std::size_t>> first_byte(runtime::Stream& stream) {
  char byte = 0;
  co_return co_await runtime::read(stream, {&byte, 1});
}

/// One connection; who speaks first is not known, so that silence is as good as a banner.
Task<Result<Answer>> connect_one(runtime::Reactor& reactor, std::string url, base::Address address) {
  auto stream = co_await runtime::connect(reactor, address, answer_limit);
  if (!stream)
    co_return failure(Exit::failed, fmt::format("no connection: {}", stream.error().message()), url);
  const auto read = co_await runtime::within(reactor, settled_pause, first_byte(**stream));
  if (read && !*read)
    co_return failure(Exit::failed, fmt::format("the connection broke: {}", read->error().message()), url);
  co_return Answer{.words = "connected", .told = {}};
}

/// Whether the counters have risen by the calls made. What is no example service calls whom it likes; and
/// before an instance nothing is counted if another Service carries its port as TCP.
bool agree(const EdgeCounts& expected, const EdgeCounts& seen, bool with_others) {
  if (!with_others) return seen == expected;
  return std::ranges::all_of(expected, [&](const auto& one) {
    const auto& [edge, count] = one;
    const auto found = seen.find(edge);
    if (found == seen.end()) return edge.reporter == "destination";
    return edge.source == snapshot::edge_context.to_string() ? found->second == count
                                                             : found->second >= count;
  });
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
  std::string called;
  const Json& calls = value_at(answer, "/calls");
  if (calls.is_object()) {
    for (const auto& [name, nested] : calls.items())
      called += (called.empty() ? "" : ", ") + instances_text(nested);
  }
  return called.empty() ? text : fmt::format("{} <- ({})", text, called);
}

namespace {

/// What was sent in all, and what came of it.
struct Sent {
  EdgeCounts expected;
  std::uint64_t requests = 0;
  /// Something answered that is no example service.
  bool with_others = false;
};

Task<Result<void>> send_to(Session& session, const Json& service, std::string url, Sent& sent) {
  auto address = base::Address::parse(authority_of(url));
  if (!address) co_return failure(Exit::failed, fmt::format("{} is not an address", url));
  const bool is_http = url.starts_with("http://");
  auto answer = is_http ? co_await request_one(session.reactor, url, *address)
                        : co_await connect_one(session.reactor, url, *address);
  if (!answer) {
    auto failure = std::move(answer.error());
    failure.what = fmt::format("service {} did not answer: {}", name_of(service), failure.what);
    co_return std::unexpected(std::move(failure));
  }
  print(fmt::format("{} {} ({}): {}\n", is_http ? "GET" : "TCP", url, name_of(service),
                    base::printable(answer->words)));
  ++sent.requests;
  sent.with_others |= answer->told.is_null();
  if (is_http) {
    count_calls(answer->told, snapshot::edge_context.to_string(),
                namespace_of(service) + "/" + name_of(service), sent.expected);
  }
  co_return Result<void>();
}

/// Waits until the counters have risen so, and no further.
Task<Result<void>> compare(Session& session, std::vector<Sample> before, const Sent& sent) {
  const auto give_up = session.reactor.clock().now() + settle_limit;
  for (bool settled = false;;) {
    auto after = co_await fetch_metrics(session.reactor, session.home);
    if (!after) co_return std::unexpected(std::move(after.error()));
    const auto seen = difference(requests_by_edge(before), requests_by_edge(*after));
    const bool agrees = agree(sent.expected, seen, sent.with_others);
    if (agrees && settled) co_return Result<void>();
    if (!agrees && (settled || session.reactor.clock().now() > give_up)) {
      co_return failure(
          Exit::failed, "the request counters do not agree with the calls made",
          fmt::format("calls made:{}\ncounted:{}", counts_text(sent.expected), counts_text(seen)));
    }
    settled = agrees;
    co_await session.reactor.sleep(settled ? settled_pause : settle_pause);
  }
}

}  // namespace

Task<Result<void>> rehearse(Session& session, std::vector<Json> services, int rounds) {
  auto before = co_await fetch_metrics(session.reactor, session.home);
  if (!before) co_return std::unexpected(std::move(before.error()));
  Sent sent;
  for (int round = 0; round < rounds; ++round) {
    for (const Json& service : services) {
      for (const auto& url : urls_of(service)) {
        if (auto done = co_await send_to(session, service, url, sent); !done) co_return done;
      }
    }
  }
  if (auto compared = co_await compare(session, std::move(*before), sent); !compared) co_return compared;
  std::uint64_t calls = 0;
  for (const auto& [edge, count] : sent.expected) calls += edge.reporter == "source" ? count : 0;
  print(fmt::format("{} answered {}, {} in all; every hop's counters rose by {}\n",
                    base::counted(services.size(), "service"), base::counted(sent.requests, "request"),
                    base::counted(calls, "call"), sent.with_others ? "these at least" : "exactly these"));
  co_return Result<void>();
}

}  // namespace weft::cli
