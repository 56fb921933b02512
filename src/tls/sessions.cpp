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
  const auto* found = by_name_.find(name);
  if (found == nullptr) return {};
  if (found->is_good(now)) return copy(*found);
  by_name_.erase(name);
  return {};
}

void SessionStore::add(std::string_view name, Resumable session) {
  const std::lock_guard lock(mutex_);
  by_name_.put(name, std::move(session));
}

void SessionStore::remove(std::string_view name) {
  const std::lock_guard lock(mutex_);
  by_name_.erase(name);
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
