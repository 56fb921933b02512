// A mesh that does not run, as its REST API shows it: what is stored, served within the process that asks.
#pragma once

#include <cstdint>
#include <memory>

#include "runtime/home.h"
#include "runtime/reactor.h"
#include "runtime/stream.h"
#include "store/store.h"

namespace weft::control {

class StoppedMesh {
 public:
  /// read: nothing is changed, locked or made, and a home that does not exist has nothing but the namespaces
  /// that always exist. What ran last is
  /// shown as Stopped, whatever was stored of its readiness. change: the home's lock is held meanwhile, so
  /// that no mesh starts on what is being changed.
  enum class Access : std::uint8_t { read, change };
  /// Errors: `locked` (a mesh runs, or is being started) for `change`; those of opening a store.
  static store::Result<std::unique_ptr<StoppedMesh>> open(runtime::Reactor& reactor,
                                                          const runtime::Home& home, Access access);
  StoppedMesh(const StoppedMesh&) = delete;
  StoppedMesh& operator=(const StoppedMesh&) = delete;
  ~StoppedMesh();

  /// A connection to its API.
  std::unique_ptr<runtime::Stream> connect();

 private:
  struct Impl;
  explicit StoppedMesh(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// An object as it was stored, with what it said of instances that ran then replaced by the fact that none
/// does: its Ready or Available is False for the reason Stopped, and the counts are gone. A Job that has
/// ended has ended.
base::Json as_stopped(base::Json object);

}  // namespace weft::control
