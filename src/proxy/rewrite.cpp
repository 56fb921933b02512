#include "proxy/rewrite.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "message/headers.h"
#include "message/scan.h"
#include "message/syntax.h"
#include "proxy/worker.h"
#include "snapshot/trust.h"
#include "telemetry/hex.h"
#include "telemetry/trace_context.h"

namespace weft::proxy {
namespace {

using message::FieldId;

/// A version 4 UUID (RFC 9562, 5.4) without a string of its own.
std::array<char, 36> new_request_id(base::Random& random) {
  const std::uint64_t high = (random.next() & ~0xf000ULL) | 0x4000ULL;
  const std::uint64_t low = (random.next() & ~(3ULL << 62)) | (2ULL << 62);
  const auto first = telemetry::hex_digits(high);
  const auto second = telemetry::hex_digits(low);
  std::array<char, 36> text;
  text.fill('-');
  // Groups of 8, 4, 4, 4 and 12 digits.
  std::memcpy(text.data(), first.data(), 8);
  std::memcpy(text.data() + 9, first.data() + 8, 4);
  std::memcpy(text.data() + 14, first.data() + 12, 4);
  std::memcpy(text.data() + 19, second.data(), 4);
  std::memcpy(text.data() + 24, second.data() + 4, 12);
  return text;
}

/// The longest x-request-id that is passed on: a UUID has 36 bytes, the longest in use (AWS X-Ray's) about
/// 100.
constexpr std::size_t max_request_id_bytes = 128;

bool begins_with(std::string_view name, std::string_view lower) {
  return message::equals_ignore_case(name.substr(0, lower.size()), lower);
}

/// Whether a member of Upgrade (RFC 9110, 7.8: a name, or a name, "/" and a version) may be passed on. None
/// that is HTTP again (h2c and its drafts, such as h2c-14; HTTP/2.0): its requests would pass the proxy
/// unseen.
bool may_upgrade_to(std::string_view protocol) {
  const auto slash = std::min(protocol.find('/'), protocol.size());
  const auto name = protocol.substr(0, slash);
  if (!message::is_token(name) ||
      (slash < protocol.size() && !message::is_token(protocol.substr(slash + 1)))) {
    return false;
  }
  return !begins_with(name, "h2") && !begins_with(name, "http");
}

/// Notes the protocols that the client wants to change to; none of a list with one that may not be passed on.
void note_upgrade(Request& request) {
  const auto& headers = request.head().headers;
  if (!headers.has(FieldId::upgrade) || request.has_body()) return;
  if (request.head().version == message::Version::http_1_0) return;
  if (!headers.has_token(FieldId::connection, "upgrade")) return;
  auto wanted = headers.joined(FieldId::upgrade);
  std::string_view list = wanted;
  std::string_view protocol;
  while (message::next_member(list, protocol)) {
    if (!may_upgrade_to(protocol)) return;
  }
  request.upgrade = std::move(wanted);
}

/// Whether what the client calls its request may go on, and stand in logs.
bool has_good_request_id(const Request& request) {
  const auto id = request.passed_on(FieldId::x_request_id);
  return id && !id->empty() && id->size() <= max_request_id_bytes && message::is_plain_word(*id) &&
         request.head().headers.count(FieldId::x_request_id) == 1;
}

bool has_good_trace(const Request& request) {
  const auto parent = request.passed_on(FieldId::traceparent);
  return parent && request.head().headers.count(FieldId::traceparent) == 1 &&
         telemetry::TraceParent::is_valid(*parent);
}

/// Adds what the next hop is told of this one: whom the request came from, if this is the edge, and what it
/// is to be known by in logs and traces.
void add_own_fields(Request& request) {
  const auto& headers = request.head().headers;
  auto& patch = request.patch();
  std::array<message::Headers::Own, 5> own;
  std::size_t count = 0;
  std::array<char, base::Address::max_ip_text> ip_text;
  std::string forwarded_for;
  if (request.direction() == snapshot::Direction::edge) {
    std::string_view ip = request.client.address.ip(ip_text);
    if (!ip.empty()) {
      if (request.passed_on(FieldId::x_forwarded_for)) {
        forwarded_for = headers.joined(FieldId::x_forwarded_for);
        ip = forwarded_for.append(forwarded_for.empty() ? "" : ", ").append(ip);
        patch.leave_out(FieldId::x_forwarded_for);
      }
      own[count++] = {FieldId::x_forwarded_for, ip};
    }
    // Of the list above readers believe its end, as far as they know who wrote it.
    patch.leave_out_all(snapshot::unbelieved(request.listener()));
    const std::string_view scheme = request.client.peer.is_tls ? "https" : "http";
    if (!request.passed_on(FieldId::x_forwarded_proto)) own[count++] = {FieldId::x_forwarded_proto, scheme};
  }
  auto& random = request.worker.random;
  std::array<char, 36> id;
  if (!has_good_request_id(request)) {
    patch.leave_out(FieldId::x_request_id);
    id = new_request_id(random);
    own[count++] = {FieldId::x_request_id, {id.data(), id.size()}};
  }
  telemetry::TraceParent started;
  if (!has_good_trace(request)) {
    // Another's state makes no sense in a new trace (Trace Context, 3.3).
    patch.leave_out(FieldId::tracestate);
    patch.leave_out(FieldId::traceparent);
    started = telemetry::TraceParent::started(random);
    own[count++] = {FieldId::traceparent, started.text()};
  }
  patch.added.add_own(std::span(own).first(count));
}

}  // namespace

void patch_request(Request& request) {
  const auto& head = request.head();
  auto& patch = request.patch();
  note_upgrade(request);
  patch.leave_out_hop_by_hop(head.headers);
  patch.leave_out(FieldId::x_weft_refused);
  if (head.version == message::Version::http_1_0) patch.leave_out(FieldId::expect);  // RFC 9110, 10.1.1
  // HTTP/1.0 may come without one, HTTP/1.1 must not go without one.
  if (!request.passed_on(FieldId::host)) patch.added.add(FieldId::host, request.host());
  add_own_fields(request);
  if (!request.upgrade.empty()) {
    patch.added.add_own(FieldId::connection, "upgrade");
    patch.added.add(FieldId::upgrade, request.upgrade);
  }
}

void patch_host(Request& request) {
  const auto& host = request.forward.action->host;
  request.patch().leave_out(FieldId::host);
  request.patch().added.remove(FieldId::host);
  request.patch().added.add(FieldId::host, host);
}

void patch_headers(Request& request) {
  const auto& changes = request.forward.action->headers;
  auto& patch = request.patch();
  const auto leave_out = [&](const std::string& name) {
    patch.leave_out(name);
    patch.added.remove(name);
  };
  for (const auto& name : changes.remove) leave_out(name);
  for (const auto& field : changes.set) leave_out(field.name);
  for (const auto* fields : {&changes.set, &changes.add})
    for (const auto& [name, value] : *fields) patch.added.add(name, value);
}

void patch_response(const Request& request, const message::ResponseHead& head, message::Patch& patch) {
  patch.clear();
  patch.leave_out_hop_by_hop(head.headers);
  patch.leave_out(FieldId::x_weft_refused);
  if (head.status == 101) {
    const auto protocol = head.headers.joined(FieldId::upgrade);
    patch.added.add_own(FieldId::connection, "upgrade");
    patch.added.add(FieldId::upgrade, protocol.empty() ? request.upgrade : protocol);
  }
}

}  // namespace weft::proxy
