// Hot restart: a proxy that is started in the place of one that runs takes its listening sockets, accepts,
// and only then has it drain. What both sides say is in proxy/handover.h.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/failure.h"
#include "proxy/admin.h"
#include "proxy/control.h"
#include "proxy/generations.h"
#include "proxy/handover.h"
#include "proxy/proxy.h"
#include "runtime/home.h"
#include "runtime/reactor.h"
#include "runtime/scope.h"
#include "runtime/task.h"

namespace weft::cli {

inline constexpr const char* restart_socket_flag = "--restart-socket";

/// The socket by which a proxy is asked: `named`, if that is not empty, as an absolute path; fails if that is
/// too long for one. Else that of the file `config`. It is the same for everyone of this user who names the
/// file by the same absolute path, in the same network namespace: those are one proxy. Links are not
/// followed: one that leads to the configuration of the day names one proxy. Nothing for what is no file that
/// stays (a FIFO), and where no folder for sockets can be had, which is told as a warning.
Result<std::optional<std::string>> restart_socket(const std::string& config, const std::string& named);

/// What a proxy does about one that runs in its place, before it serves itself.
class ProxyStart {
 public:
  /// Takes the sockets of the proxy that is asked at `socket`, if one runs. Of several that start at once one
  /// goes on; the failure names it. Without `socket` nobody is asked.
  static runtime::Task<Result<std::unique_ptr<ProxyStart>>> begin(runtime::Reactor& reactor,
                                                                  std::optional<std::string> socket);

  ProxyStart() = default;
  ProxyStart(const ProxyStart&) = delete;
  ProxyStart& operator=(const ProxyStart&) = delete;
  ~ProxyStart();

  bool has_predecessor() const { return predecessor_ != nullptr; }
  /// The listening socket of that address that the one before had, or a new one.
  runtime::IoResult<runtime::Fd> listen(const base::Address& address);
  /// Where the one before listens, and this one not yet.
  std::vector<base::Address> listening_before() const;

 private:
  friend class ProxyLife;
  std::optional<std::string> socket_;
  std::optional<runtime::HomeLock> lock_;
  std::unique_ptr<proxy::Predecessor> predecessor_;
};

/// A proxy from when it accepts to its end, as one of several generations.
class ProxyLife {
 public:
  /// `old_limit`: how long connections may stay once a successor accepts.
  ProxyLife(runtime::Reactor& reactor, proxy::Proxy& proxy, base::Duration old_limit)
      : reactor_(reactor), proxy_(proxy), old_limit_(old_limit), generations_(reactor) {}
  ProxyLife(const ProxyLife&) = delete;
  ProxyLife& operator=(const ProxyLife&) = delete;
  ~ProxyLife();

  /// Once the proxy accepts: relieves the one before, and answers the one that comes. `admin`: where the
  /// admin interface will be; empty if there is none.
  runtime::Task<void> begin(std::unique_ptr<ProxyStart> start, base::Address admin);
  /// For an admin interface at that address, which goes on with the socket of the one before.
  proxy::AdminOptions admin_options(base::Address address);

  /// What ends once a successor has taken over.
  runtime::Scope& newest() { return newest_; }
  runtime::Event& superseded() { return superseded_; }
  bool is_superseded() const { return is_superseded_; }
  /// A change of the configuration and a successor keep out of each other's way: waits for one that is taking
  /// over, but not longer than one should take. In force as long as what it gives lives.
  runtime::Task<std::optional<proxy::Exclusive::Held>> exclusive();

  /// Proxy::reopen_access_log(), here and in older ones.
  void reopen_access_logs();
  /// The end, within `limit`: of the newest, which answers nobody any more, with those of older ones; or of
  /// one that is superseded, whose newest is told so when it asks.
  void stop(base::Duration limit);
  /// Once superseded: until nothing is under way any more.
  runtime::Task<void> drain_as_old();
  /// Ends what is left, and tells the newest what was counted.
  runtime::Task<void> finish();

 private:
  runtime::Reactor& reactor_;
  proxy::Proxy& proxy_;
  base::Duration old_limit_;
  std::string socket_;
  proxy::Generations generations_;
  std::unique_ptr<proxy::Control> control_;
  /// Of the predecessor's admin interface.
  std::optional<runtime::Fd> admin_;
  bool is_superseded_ = false;
  /// Set once what only the newest has is gone.
  runtime::Event superseded_;
  runtime::Scope newest_;
};

}  // namespace weft::cli
