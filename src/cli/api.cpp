// Requests to the control plane, and its refusals in words.
#include "cli/api.h"

#include <fmt/format.h>

#include "cli/objects.h"
#include "message/authority.h"
#include "message/syntax.h"
#include "runtime/combine.h"

namespace weft::cli {

using base::Json;
using runtime::Task;

namespace {

constexpr auto request_limit = std::chrono::seconds(30);
constexpr auto first_pause = std::chrono::milliseconds(5);
constexpr auto longest_pause = std::chrono::milliseconds(200);

/// The text of a Warning header: 299 weft "text" (RFC 7234, 5.5).
std::string warning_text(std::string_view value) {
  const auto open = value.find('"');
  const auto close = value.rfind('"');
  if (open == std::string_view::npos || close <= open) return std::string(value);
  std::string text;
  for (std::size_t i = open + 1; i < close; ++i) {
    if (value[i] == '\\' && i + 1 < close) ++i;
    text += value[i];
  }
  return text;
}

Reply read_reply(http::Response response) {
  Reply reply{response.status, nullptr, {}};
  reply.body = Json::parse(response.body, nullptr, false);
  if (reply.body.is_discarded()) reply.body = nullptr;
  for (const auto& field : response.headers) {
    if (message::equals_ignore_case(field.name, "warning"))
      reply.warnings.push_back(warning_text(field.value));
  }
  return reply;
}

Exit exit_of(int status) {
  switch (status) {
    case 404: return Exit::not_found;
    case 400:
    case 422: return Exit::invalid;
    case 503: return Exit::unavailable;
    case 504: return Exit::timeout;
    default: return Exit::failed;
  }
}

std::string mend_of(int status, const Json& body) {
  const auto reason = text_at(body, "/reason");
  if (reason == "AlreadyExists") return "choose another name, or change the existing one with `weft apply`";
  switch (status) {
    case 404: {
      const auto kind = text_at(body, "/details/kind");
      return kind.empty() ? std::string() : fmt::format("list what exists: weft get {}", kind);
    }
    case 409: return "it was changed by somebody else meanwhile: try again";
    case 422: return "correct the named fields; `weft validate -f FILE` checks a file without applying it";
    case 503: return "see `control-plane status`";
    case 507: return "see to the disk and try again; nothing was changed";
    default: return {};
  }
}

}  // namespace

std::string rest_path(const model::Kind& kind, std::string_view ns, std::string_view name,
                      std::string_view below) {
  std::string path = kind.group().empty() ? "/api/" : "/apis/";
  path += kind.api_version;
  if (kind.namespaced && !ns.empty()) path += "/namespaces/" + message::percent_encode(ns);
  path += fmt::format("/{}", kind.plural);
  if (!name.empty()) path += "/" + message::percent_encode(name);
  if (!below.empty()) path += fmt::format("/{}", below);
  return path;
}

std::string with_query(std::string path,
                       std::initializer_list<std::pair<std::string_view, std::string_view>> parameters) {
  char separator = '?';
  for (const auto& [name, value] : parameters) {
    if (value.empty()) continue;
    path += fmt::format("{}{}={}", std::exchange(separator, '&'), name, message::percent_encode(value));
  }
  return path;
}

Failure failure_of(const Reply& reply) {
  Failure failure;
  failure.exit = exit_of(reply.status);
  failure.what = text_at(reply.body, "/message");
  if (failure.what.empty())
    failure.what = fmt::format("the control plane answered with status {}", reply.status);
  for (const Json& cause : value_at(reply.body, "/details/causes")) {
    const std::string field = text_at(cause, "/field");
    if (!failure.where.empty()) failure.where += '\n';
    failure.where += field.empty() ? text_at(cause, "/message") : field + ": " + text_at(cause, "/message");
  }
  failure.mend = mend_of(reply.status, reply.body);
  return failure;
}

Api::Api(runtime::Reactor& reactor, std::string socket, std::optional<TimeLimit> limit)
    : reactor_(reactor),
      client_(reactor, base::Address::unix_path(std::move(socket)),
              {.host = "weft",
               .dial = [this] { return stopped_ ? stopped_->connect() : nullptr; },
               .max_idle = max_connections}),
      limit_(limit) {
  if (limit_) limit_->end += last_words;
}

base::Duration Api::at_most(base::Duration longest) const {
  return within_limit(limit_, reactor_.clock().now(), longest);
}

std::unexpected<Failure> Api::no_answer(const http::ClientError& error) const {
  const bool late = at_most(request_limit) == base::Duration::zero();
  return failure(late ? Exit::timeout : Exit::unavailable,
                 fmt::format("no answer from the control plane{}: {}",
                             late ? " within " + base::format_duration(limit_->total) : "", error.detail),
                 client_.address().to_string(), "see `control-plane status` and `control-plane logs`");
}

Task<Result<Reply>> Api::call(message::Method method, std::string path, Json body, Again again) {
  http::Request request;
  request.method = method;
  request.target = path;
  if (!body.is_null()) {
    const bool patch = method == message::Method::patch;
    request.headers.add("content-type", patch ? "application/merge-patch+json" : "application/json");
    try {
      request.body = body.dump();
    } catch (const Json::type_error&) {
      co_return failure(Exit::usage, "what is to be stored has text that is not UTF-8", {},
                        "write the values of this command line in UTF-8");
    }
  }
  const auto give_up = reactor_.clock().now() + at_most(patience);
  base::Duration pause = first_pause;
  for (;;) {
    auto response = co_await client_.send(request, at_most(request_limit));
    if (response) co_return read_reply(std::move(*response));
    const auto kind = response.error().kind;
    const bool away = kind == http::ClientErrorKind::connect_failed ||
                      (kind == http::ClientErrorKind::closed && again == Again::always);
    if (!away || reactor_.clock().now() >= give_up) co_return no_answer(response.error());
    co_await reactor_.sleep(pause);
    pause = std::min<base::Duration>(pause * 2, longest_pause);
  }
}

Task<Result<Json>> Api::get(std::string path) {
  auto reply = co_await call(message::Method::get, std::move(path));
  if (!reply) co_return std::unexpected(std::move(reply.error()));
  if (!reply->ok()) co_return std::unexpected(failure_of(*reply));
  co_return std::move(reply->body);
}

Task<Result<std::vector<Json>>> Api::list(std::string path) {
  auto list = co_await get(std::move(path));
  if (!list) co_return std::unexpected(std::move(list.error()));
  std::string kind = text_at(*list, "/kind");
  if (kind.ends_with("List")) kind.resize(kind.size() - 4);
  std::vector<Json> items;
  if (list->contains("items")) {
    for (Json& item : (*list)["items"]) {
      if (!item.contains("kind")) item["kind"] = kind;
      if (!item.contains("apiVersion")) item["apiVersion"] = text_at(*list, "/apiVersion");
      items.push_back(std::move(item));
    }
  }
  co_return items;
}

Task<Result<Json>> Api::patch(std::string path, Json patch) {
  auto reply = co_await call(message::Method::patch, std::move(path), std::move(patch));
  if (!reply) co_return std::unexpected(std::move(reply.error()));
  if (!reply->ok()) co_return std::unexpected(failure_of(*reply));
  co_return std::move(reply->body);
}

void Api::renew_limit() {
  if (limit_) limit_->end = reactor_.clock().now() + limit_->total + last_words;
}

Task<Result<void>> Api::stream(message::Method method, std::string path,
                               std::function<void(std::string_view)> on_bytes, Limited limited) {
  http::Request request;
  request.method = method;
  request.target = std::move(path);
  auto opened = co_await client_.open(std::move(request), at_most(request_limit));
  if (!opened) co_return no_answer(opened.error());
  auto& response = **opened;
  std::string refusal;
  for (;;) {
    http::ClientResult<std::optional<std::string>> piece;
    if (limited == Limited::to_beginning) {
      piece = co_await response.next();
    } else {
      auto next = co_await runtime::within(reactor_, at_most(request_limit), response.next());
      if (!next) co_return no_answer({http::ClientErrorKind::timeout, "its answer does not go on"});
      piece = std::move(*next);
    }
    if (!piece) {
      co_return failure(Exit::unavailable, fmt::format("the answer broke off: {}", piece.error().detail));
    }
    if (!*piece) break;
    if (response.status() < 300) {
      on_bytes(**piece);
    } else {
      refusal += **piece;
    }
  }
  if (response.status() < 300) co_return Result<void>();
  co_return std::unexpected(failure_of(read_reply({response.status(), {}, refusal})));
}

}  // namespace weft::cli
