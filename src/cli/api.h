// The control plane's REST API as the commands use it.
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "cli/failure.h"
#include "cli/time_limit.h"
#include "control/stopped.h"
#include "http/client.h"
#include "model/kinds.h"
#include "runtime/reactor.h"
#include "runtime/task.h"

namespace weft::cli {

/// An answer of whatever status. `body` is null if there was none or it is not JSON.
struct Reply {
  int status = 0;
  base::Json body;
  /// The texts of its Warning headers.
  std::vector<std::string> warnings;

  bool ok() const { return status >= 200 && status < 300; }
};

/// The path of a kind's objects, or of one of them, or of what is `below` that ("log"):
/// "/apis/apps/v1/namespaces/default/deployments/web". `ns` empty: of all namespaces. Whatever is in a name,
/// it stays one part of the path (RFC 3986, 2.1).
std::string rest_path(const model::Kind& kind, std::string_view ns, std::string_view name = {},
                      std::string_view below = {});
/// `path` with those parameters that have a value.
std::string with_query(std::string path,
                       std::initializer_list<std::pair<std::string_view, std::string_view>> parameters);

/// A Status in words: what, where (its causes), what to do.
Failure failure_of(const Reply& reply);

/// How far a streamed answer is within the limit: to its end, or to its beginning, as it goes on until the
/// reader leaves.
enum class Limited : bool { to_end, to_beginning };

/// Whether a request may be sent again when its connection broke and nobody knows if it was carried out.
enum class Again : bool { only_if_unsent, always };

class Api {
 public:
  /// How long a control plane that is being restarted is waited for.
  static constexpr auto patience = std::chrono::seconds(10);
  /// Connections of one command at a time.
  static constexpr std::size_t max_connections = 32;

  /// No call goes on for longer than last_words beyond `limit`, but for Limited::to_beginning.
  Api(runtime::Reactor& reactor, std::string socket, std::optional<TimeLimit> limit = {});

  /// From now on `mesh`, which does not run, answers from this process.
  void answer_from(std::unique_ptr<control::StoppedMesh> mesh) { stopped_ = std::move(mesh); }
  /// Nothing runs, so that nothing becomes of what is changed, or is waited for, until it is started.
  bool is_stopped() const { return stopped_ != nullptr; }

  /// Sends and reads the answer. `body` null: none; of a PATCH it is a merge patch. Fails only if no answer
  /// can be had: a control plane that is away is waited for.
  runtime::Task<Result<Reply>> call(message::Method method, std::string path, base::Json body = nullptr,
                                    Again again = Again::always);
  /// The object or list at `path`; what is not 2xx is a Failure.
  runtime::Task<Result<base::Json>> get(std::string path);
  /// The items of the list at `path`, each with its apiVersion and kind.
  runtime::Task<Result<std::vector<base::Json>>> list(std::string path);
  /// A merge patch; the patched object.
  runtime::Task<Result<base::Json>> patch(std::string path, base::Json patch);
  /// Hands the body to `on_bytes` as it arrives, until its end. What is not 2xx is a Failure.
  runtime::Task<Result<void>> stream(message::Method method, std::string path,
                                     std::function<void(std::string_view)> on_bytes,
                                     Limited limited = Limited::to_end);
  /// Begins the limit anew, for a command that looks again and again.
  void renew_limit();

 private:
  /// What one step may take.
  base::Duration at_most(base::Duration longest) const;
  std::unexpected<Failure> no_answer(const http::ClientError& error) const;

  runtime::Reactor& reactor_;
  std::unique_ptr<control::StoppedMesh> stopped_;
  http::Client client_;
  std::optional<TimeLimit> limit_;
};

}  // namespace weft::cli
