#include "tls/filter.h"

#include <openssl/core.h>
#include <openssl/core_dispatch.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <map>
#include <mutex>
#include <string_view>
#include <vector>

namespace weft::tls {
namespace {

/// The default provider behind one filter.
struct Filter {
  LibraryContext library = make_library_context(false);
  OSSL_PROVIDER* provider = library ? library.get_deleter().provider : nullptr;
  /// What is left of each operation, with the entry of zeros at the end.
  std::map<int, std::vector<OSSL_ALGORITHM>> kept;
};

/// Filters by the context of their provider, which is all that OpenSSL's calls bring along.
struct Filters {
  std::mutex mutex;
  std::map<void*, std::unique_ptr<Filter>> by_context;

  Filter* find(void* context) {
    const std::lock_guard lock(mutex);
    const auto at = by_context.find(context);
    return at == by_context.end() ? nullptr : at->second.get();
  }
};

Filters& filters() {
  // Never destroyed: threads may still end while the process does.
  static auto* const all = new Filters;
  return *all;
}

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::ranges::find(names, name) != names.end();
}

/// Names are "EC:id-ecPublicKey:1.2.840.10045.2.1" or "EC".
bool is_kept(int operation, const OSSL_ALGORITHM& algorithm) {
  std::string_view name(algorithm.algorithm_names);
  name = name.substr(0, name.find(':'));
  const std::string_view properties(algorithm.property_definition);
  switch (operation) {
    case OSSL_OP_KEYMGMT:
      // HMAC is what the binders of resumption are made with.
      // RSA-PSS is how keys of RSA sign in TLS 1.3.
      return is_one_of(name, {"EC", "RSA", "RSA-PSS", "X25519", "ED25519", "HKDF", "HMAC", "TLS1-PRF"});
    case OSSL_OP_DECODER:
      return is_one_of(name, {"EC", "RSA", "RSA-PSS", "ED25519", "DER"}) &&
             std::ranges::any_of(std::initializer_list<std::string_view>{"input=pem", "SubjectPublicKeyInfo",
                                                                         "PrivateKeyInfo", "type-specific"},
                                 [&](auto part) { return properties.contains(part); });
    case OSSL_OP_ENCODER: return false;
    default: return true;
  }
}

const OSSL_ALGORITHM* query(void* context, int operation, int* no_cache) {
  *no_cache = 0;
  auto* filter = filters().find(context);
  if (filter == nullptr) return nullptr;
  const std::lock_guard lock(filters().mutex);
  const auto [at, is_new] = filter->kept.try_emplace(operation);
  auto& kept = at->second;
  if (is_new) {
    const auto* all = OSSL_PROVIDER_query_operation(filter->provider, operation, no_cache);
    *no_cache = 0;
    for (; all != nullptr && all->algorithm_names != nullptr; ++all) {
      if (is_kept(operation, *all)) kept.push_back(*all);
    }
    if (!kept.empty()) kept.push_back({});
  }
  return kept.empty() ? nullptr : kept.data();
}

int get_params(void* context, OSSL_PARAM* params) {
  auto* filter = filters().find(context);
  return filter == nullptr ? 0 : OSSL_PROVIDER_get_params(filter->provider, params);
}

const OSSL_PARAM* gettable_params(void* context) {
  auto* filter = filters().find(context);
  return filter == nullptr ? nullptr : OSSL_PROVIDER_gettable_params(filter->provider);
}

int get_capabilities(void* context, const char* capability, OSSL_CALLBACK* callback, void* argument) {
  auto* filter = filters().find(context);
  return filter == nullptr ? 0
                           : OSSL_PROVIDER_get_capabilities(filter->provider, capability, callback, argument);
}

void tear_down(void* context) {
  std::unique_ptr<Filter> filter;
  const std::lock_guard lock(filters().mutex);
  if (auto at = filters().by_context.extract(context)) filter = std::move(at.mapped());
}

template <class Function>
OSSL_DISPATCH dispatch(int id, Function* function) {
  return {id, reinterpret_cast<void (*)()>(function)};
}

int begin(const OSSL_CORE_HANDLE*, const OSSL_DISPATCH*, const OSSL_DISPATCH** out, void** context) {
  static const std::array table{dispatch(OSSL_FUNC_PROVIDER_TEARDOWN, tear_down),
                                dispatch(OSSL_FUNC_PROVIDER_GETTABLE_PARAMS, gettable_params),
                                dispatch(OSSL_FUNC_PROVIDER_GET_PARAMS, get_params),
                                dispatch(OSSL_FUNC_PROVIDER_QUERY_OPERATION, query),
                                dispatch(OSSL_FUNC_PROVIDER_GET_CAPABILITIES, get_capabilities),
                                OSSL_DISPATCH{}};
  auto filter = std::make_unique<Filter>();
  if (filter->provider == nullptr) return 0;
  *context = OSSL_PROVIDER_get0_provider_ctx(filter->provider);
  *out = table.data();
  const std::lock_guard lock(filters().mutex);
  filters().by_context.insert_or_assign(*context, std::move(filter));
  return 1;
}

}  // namespace

LibraryContext make_library_context(bool is_filtered) {
  LibraryContext library(OSSL_LIB_CTX_new());
  if (!library) return library;
  const char* const provider = is_filtered ? "weft" : "default";
  if (!is_filtered || OSSL_PROVIDER_add_builtin(library.get(), provider, begin) == 1)
    library.get_deleter().provider = OSSL_PROVIDER_load(library.get(), provider);
  if (library.get_deleter().provider == nullptr) library.reset();
  return library;
}

}  // namespace weft::tls
