// What listeners and clusters know of TLS: PEM texts (RFC 7468), with the names of the files that they came
// from. They are part of the Snapshot, so that a certificate that was renewed is a Snapshot that changed.
#pragma once

#include <memory>
#include <string>
#include <utility>

namespace weft::snapshot {

/// A value that many parts may share, or none; equal where the values are.
template <class T>
class Shared {
 public:
  Shared() = default;
  explicit Shared(T value) : value_(std::make_shared<const T>(std::move(value))) {}

  explicit operator bool() const { return value_ != nullptr; }
  const T& operator*() const { return *value_; }
  const T* operator->() const { return value_.get(); }
  friend bool operator==(const Shared& a, const Shared& b) {
    return a.value_ == b.value_ || (a.value_ && b.value_ && *a.value_ == *b.value_);
  }

 private:
  std::shared_ptr<const T> value_;
};

/// What was read of one file. A key's text leaves the process nowhere.
struct PemFile {
  /// As it was opened; empty: there is none.
  std::string name;
  Shared<std::string> text;

  explicit operator bool() const { return !name.empty(); }
  friend bool operator==(const PemFile&, const PemFile&) = default;
};

/// A listener ends its clients' TLS.
struct ServerTls {
  PemFile certificate;
  PemFile key;
  /// Who must have issued the clients' certificates; none: they need not have one.
  PemFile client_ca;

  friend bool operator==(const ServerTls&, const ServerTls&) = default;
};

/// A cluster's endpoints are spoken to in TLS.
struct ClientTls {
  /// Whom their certificates are for: a host name or an IP address (RFC 9525). The first, for it is soon
  /// compared.
  std::string name;
  /// Who must have issued these.
  PemFile ca;
  /// What is shown to endpoints that ask; none, or both.
  PemFile certificate;
  PemFile key;

  friend bool operator==(const ClientTls&, const ClientTls&) = default;
};

}  // namespace weft::snapshot
