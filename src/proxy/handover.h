// What a proxy that is started in the place of one that runs asks of it, over a Unix socket of whole
// messages:
//   take     every listening descriptor of the one that runs, which goes on as if nothing had been asked; or
//            why it gives none (`error`)
//   relieve  the newer one accepts: from now on it is the newest, and the older one drains
//   status   the generations that there are
// The connection of the two then lasts until the older one has ended. By it the newest asks
//   tell     what the older one has counted, and how much is under way there; it tells so itself at its end
//   end      what is left is to end within so many milliseconds
//   reopen   the access log has been moved away
// Each message is a JSON object; descriptors and counts (a file in memory) go beside it.
#pragma once

#include <sys/types.h>

#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/address.h"
#include "base/clock.h"
#include "base/json.h"
#include "proxy/proxy.h"
#include "runtime/fd.h"
#include "runtime/reactor.h"
#include "runtime/socket.h"
#include "runtime/task.h"
#include "telemetry/samples.h"

namespace weft::proxy {

/// A proxy that is stuck is not waited for any longer; one that works answers at once.
inline constexpr auto answer_limit = std::chrono::seconds(5);

/// One life of a proxy, as it is told of.
struct Generation {
  unsigned number = 1;
  pid_t pid = 0;
  std::string version;
  base::WallTime started{};
  /// Of an older one: since when it drains, and when it is cut.
  std::optional<base::WallTime> drains_since;
  std::optional<base::WallTime> cut_at;
  /// Connections of clients, and those of them that carry nothing but tunnels and streams of events.
  std::uint64_t connections = 0;
  std::uint64_t streams = 0;
};
base::Json to_json(const Generation& generation);
/// Nothing if it is not of the right form.
std::optional<Generation> generation_from(const base::Json& json);

/// An older generation as a newer one takes it over.
struct Older {
  Generation generation;
  std::unique_ptr<runtime::MessageSocket> link;
  telemetry::Samples counted;
};

/// A file in memory for what was counted. The errors of memfd_create(2).
runtime::IoResult<runtime::Fd> make_counts_file();
/// Writes what was counted into an empty one; an error if there is no room for it.
runtime::IoResult<void> write_counted(int fd, const telemetry::Samples& samples);
/// What such a file holds; nothing if it cannot be read.
std::optional<telemetry::Samples> read_counted(int fd);

/// Sends one message with its descriptors.
runtime::Task<runtime::IoResult<void>> send_json(runtime::MessageSocket& socket, base::Json json,
                                                 std::vector<int> fds = {});
/// The next message; nothing if the other side has gone, or says what is no object.
struct JsonMessage {
  base::Json json;
  std::vector<runtime::Fd> fds;
};
runtime::Task<std::optional<JsonMessage>> receive_json(runtime::MessageSocket& socket);

/// The kinds of sockets that are handed over.
enum class SocketKind : std::uint8_t { control, admin, listener };

/// Sends these sockets, in as many messages as it takes.
struct HandedSocket {
  SocketKind kind = SocketKind::listener;
  base::Address address;
  int fd = -1;
};
runtime::Task<runtime::IoResult<void>> send_sockets(runtime::MessageSocket& link, Generation of,
                                                    std::vector<HandedSocket> sockets);

/// What is taken over from a predecessor.
struct Relieved {
  /// The predecessor first.
  std::vector<Older> older;
  /// What generations that have ended had counted.
  telemetry::Samples ended;
};
/// What an answer to `relieve` says; the link of the first is the one that it came by. What is missing beside
/// it, as descriptors were too few, is passed over. Nothing if the message is none.
std::optional<Relieved> relieved_from(runtime::Reactor& reactor, JsonMessage& message);

/// Why nothing is taken over.
struct NotGiven {
  std::string why;
  /// What helps where a proxy runs; empty: whether one does cannot be known.
  std::string mend;
};

/// The proxy that runs already, seen from the one that is started in its place.
class Predecessor {
 public:
  /// Connects to whoever listens at the socket `path` and takes its listening sockets. Null if nobody does.
  static runtime::Task<std::expected<std::unique_ptr<Predecessor>, NotGiven>> find(runtime::Reactor& reactor,
                                                                                   std::string path);

  const Generation& generation() const { return generation_; }
  /// The socket that it is asked by. Taken once.
  runtime::Fd take_control() { return std::move(control_); }
  /// The listening socket of that kind at that address, if it had one. Taken once.
  std::optional<runtime::Fd> take(SocketKind kind, const base::Address& address);
  /// Where it listens for clients, of what was not taken.
  std::vector<base::Address> listening() const;
  /// Closes what was not taken: sockets that this process has no use for. Unix sockets of the kind `admin`
  /// lose their files.
  void close_rest();

  /// Tells it that this process accepts: it drains from now on. Ends well also if it has died meanwhile;
  /// there is nothing to take over then.
  runtime::Task<Relieved> relieve();

 private:
  Predecessor(runtime::Reactor& reactor, runtime::Fd fd) : reactor_(reactor) {
    link_ = std::make_unique<runtime::MessageSocket>(reactor, std::move(fd));
  }
  /// False if it ends just now, and with it what it would have given.
  runtime::Task<std::expected<bool, NotGiven>> receive_sockets();

  runtime::Reactor& reactor_;
  std::unique_ptr<runtime::MessageSocket> link_;
  Generation generation_;
  runtime::Fd control_;
  std::vector<std::pair<SocketKind, ListeningSocket>> sockets_;
};

/// Why the generations are not told: nobody listens, or whoever does is silent.
struct Unanswered {
  bool listens = false;
  /// Who listens; 0 if the kernel does not say.
  pid_t pid = 0;
};
/// The generations at the socket `path`, the newest first, as its owner tells them within `limit`.
runtime::Task<std::expected<std::vector<Generation>, Unanswered>> ask_status(runtime::Reactor& reactor,
                                                                             std::string path,
                                                                             base::Duration limit);

}  // namespace weft::proxy
