// The Snapshot's closed sets in words, for people.
#pragma once

#include <string_view>

#include "snapshot/snapshot.h"

namespace weft::proxy {

constexpr std::string_view word(snapshot::Direction direction) {
  switch (direction) {
    case snapshot::Direction::edge: return "edge";
    case snapshot::Direction::outbound: return "outbound";
    case snapshot::Direction::inbound: return "inbound";
  }
  return {};
}

constexpr std::string_view word(snapshot::ListenerProtocol protocol) {
  switch (protocol) {
    case snapshot::ListenerProtocol::http: return "http";
    case snapshot::ListenerProtocol::automatic: return "auto";
    case snapshot::ListenerProtocol::tcp: return "tcp";
    case snapshot::ListenerProtocol::tls: return "tls";
  }
  return {};
}

constexpr std::string_view word(snapshot::ClusterProtocol protocol) {
  switch (protocol) {
    case snapshot::ClusterProtocol::http1: return "http1";
    case snapshot::ClusterProtocol::http2: return "http2";
    case snapshot::ClusterProtocol::automatic: return "auto";
    case snapshot::ClusterProtocol::tcp: return "tcp";
  }
  return {};
}

constexpr std::string_view word(snapshot::ProxyProtocol version) {
  switch (version) {
    case snapshot::ProxyProtocol::none: return "none";
    case snapshot::ProxyProtocol::v1: return "v1";
    case snapshot::ProxyProtocol::v2: return "v2";
  }
  return {};
}

constexpr std::string_view word(snapshot::Match::Path kind) {
  switch (kind) {
    case snapshot::Match::Path::prefix: return "prefix";
    case snapshot::Match::Path::segments: return "segments";
    case snapshot::Match::Path::exact: return "exact";
  }
  return {};
}

constexpr std::string_view word(snapshot::Redirect::Scheme scheme) {
  switch (scheme) {
    case snapshot::Redirect::Scheme::as_asked: return "as asked";
    case snapshot::Redirect::Scheme::http: return "http";
    case snapshot::Redirect::Scheme::https: return "https";
  }
  return {};
}

constexpr std::string_view word(snapshot::Redirect::Path kind) {
  switch (kind) {
    case snapshot::Redirect::Path::as_asked: return "as asked";
    case snapshot::Redirect::Path::whole: return "path";
    case snapshot::Redirect::Path::prefix: return "prefix";
  }
  return {};
}

constexpr std::string_view word(snapshot::Health health) {
  switch (health) {
    case snapshot::Health::healthy: return "healthy";
    case snapshot::Health::unhealthy: return "unhealthy";
    case snapshot::Health::draining: return "draining";
  }
  return {};
}

constexpr std::string_view word(snapshot::LoadBalancing load_balancing) {
  switch (load_balancing) {
    case snapshot::LoadBalancing::round_robin: return "round_robin";
    case snapshot::LoadBalancing::least_request: return "least_request";
  }
  return {};
}

}  // namespace weft::proxy
