#include "tls/sessions.h"

#include <utility>

namespace weft::tls {
namespace {

/// The same, held once more.
Resumable copy(const Resumable& one) {
  SSL_SESSION_up_ref(one.session.get());
  return {SslSession(one.session.get()), one.good_until, one.peer_good_until};
}

}  // namespace

Resumable SessionStore::find(std::string_view name, base::WallTime now) {
  const std::lock_guard lock(mutex_);
  const auto at = by_name_.find(name);
  if (at == by_name_.end()) return {};
  if (!at->second.session.is_good(now)) {
    erase(at);
    return {};
  }
  uses_.splice(uses_.begin(), uses_, at->second.use);
  return copy(at->second.session);
}

void SessionStore::add(std::string_view name, Resumable session) {
  const std::lock_guard lock(mutex_);
  const auto [at, is_new] = by_name_.try_emplace(std::string(name));
  at->second.session = std::move(session);
  if (!is_new) return;
  uses_.push_front(&at->first);
  at->second.use = uses_.begin();
  if (by_name_.size() > max_sessions) erase(by_name_.find(*uses_.back()));
}

void SessionStore::remove(std::string_view name) {
  const std::lock_guard lock(mutex_);
  if (const auto at = by_name_.find(name); at != by_name_.end()) erase(at);
}

void SessionStore::erase(ByName::iterator at) {
  uses_.erase(at->second.use);
  by_name_.erase(at);
}

std::shared_ptr<SessionStore> make_session_store() { return std::make_shared<SessionStore>(); }

Resumable Resumption::take(std::uint64_t context, base::WallTime now) {
  auto taken = std::exchange(session_, {});
  if (context != context_ || !taken.is_good(now)) return {};
  if (SSL_SESSION_get_protocol_version(taken.session.get()) < TLS1_3_VERSION) session_ = copy(taken);
  return taken;
}

void Resumption::put(std::uint64_t context, Resumable session) {
  session_ = std::move(session);
  context_ = context;
}

std::shared_ptr<Resumption> make_resumption() { return std::make_shared<Resumption>(); }

}  // namespace weft::tls
