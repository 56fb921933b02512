#include "tls/sessions.h"

#include <utility>

namespace weft::tls {

SslSession SessionStore::find(std::string_view name, base::WallTime now) {
  const std::lock_guard lock(mutex_);
  const auto at = by_name_.find(name);
  if (at == by_name_.end()) return nullptr;
  if (now >= at->second.good_until) {
    erase(at);
    return nullptr;
  }
  uses_.splice(uses_.begin(), uses_, at->second.use);
  SSL_SESSION_up_ref(at->second.session.get());
  return SslSession(at->second.session.get());
}

void SessionStore::add(std::string_view name, SslSession session, base::WallTime good_until) {
  const std::lock_guard lock(mutex_);
  const auto [at, is_new] = by_name_.try_emplace(std::string(name));
  at->second.session = std::move(session);
  at->second.good_until = good_until;
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

SslSession Resumption::take(std::uint64_t context, base::WallTime now) {
  auto session = std::move(session_);
  if (!session || context != context_ || now >= good_until_) return nullptr;
  if (SSL_SESSION_get_protocol_version(session.get()) < TLS1_3_VERSION) {
    SSL_SESSION_up_ref(session.get());
    session_.reset(session.get());
  }
  return session;
}

void Resumption::put(std::uint64_t context, SslSession session, base::WallTime good_until) {
  session_ = std::move(session);
  context_ = context;
  good_until_ = good_until;
}

std::shared_ptr<Resumption> make_resumption() { return std::make_shared<Resumption>(); }

}  // namespace weft::tls
