// The lines of many instances' logs in order of time, read from their files: nobody is asked for them, so
// that it goes on while control plane and supervisor are replaced, and who reads slowly holds nobody back.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/terminal.h"
#include "provider/process/instance_log.h"
#include "provider/process/log_reader.h"
#include "runtime/reactor.h"
#include "runtime/task.h"

namespace weft::cli {

/// A longer line is shown in parts, each but the last with cut_mark at its end.
constexpr std::size_t most_line_bytes = std::size_t{1} << 20;
constexpr std::string_view cut_mark = " [weft: the line goes on]";

struct LogLine {
  /// Of the instance: "default/web-x7k2p".
  std::string id;
  /// RFC 3339 with microseconds.
  std::string time;
  /// Without its end.
  std::string text;
};

class LogFeed {
 public:
  using Log = provider::process::InstanceLog;
  using Admits = std::function<bool(const Log&)>;

  /// `folder` is the home's folder of logs.
  LogFeed(runtime::Reactor& reactor, std::string folder) : reactor_(reactor), folder_(std::move(folder)) {}

  /// From now on what is written later is read too, in the logs that were added since and in those that begin
  /// then, if `admits` says so. Call it before the folder is listed, so that none is missed.
  void follow(Admits admits);
  /// Also gives a line for each run that ends from now on: "weft: ended, exit code 1".
  void tell_ends() { tells_ends_ = true; }
  /// Reads that log too. `options` say where it begins.
  void add(const Log& log, provider::LogOptions options);
  /// The next lines that are there, at most some thousand at once; empty: these were all.
  std::vector<LogLine> take();
  /// Ends when there may be more to take.
  runtime::Task<void> changed();
  /// Whether more than one log is or was read.
  bool has_several() const { return has_several_; }
  /// Whether one of them has a run that goes on.
  bool has_running() const;

 private:
  struct Source {
    Log log;
    /// Nothing once all is read of a log to which nothing more is written: it costs no open file then. What
    /// is left of the source says where to go on if it is written again, and is dropped with the file.
    std::unique_ptr<provider::process::LogFileReader> reader;
    std::string last_time;  // of the lines that were read, or of its end
    std::deque<LogLine> lines;
    std::string rest;
    std::optional<LogLine> end;  // of its run, behind its last lines
    bool may_have_more = true;
  };

  void open(Source& source, provider::LogOptions options);
  void fill(Source& source);
  void end(Source& source);
  void split(Source& source);
  void update(Source& source, Log log);
  void look_again(Source& source, Log log);
  bool touch(const std::string& file);
  void look_at_all();

  runtime::Reactor& reactor_;
  std::string folder_;
  Admits admits_;
  bool follows_ = false;
  bool tells_ends_ = false;
  bool has_several_ = false;
  bool has_warned_ = false;  // that there are too few open files
  runtime::Fd watch_;
  std::map<std::string, Source> sources_;  // by the name of the log
};

/// How lines are shown.
struct LogStyle {
  /// "web-x7k2p | " in front, with its namespace if that is not `ns`.
  bool names = false;
  bool times = false;
  bool colour = false;
  /// So many at most; 0: no limit.
  int columns = 0;
  std::string ns = "default";
};
/// For people: escaped, names in colour.
Shown render(const std::vector<LogLine>& lines, const LogStyle& style);
/// To stdout: for people on a terminal, else as they were written.
void print(const std::vector<LogLine>& lines, const LogStyle& style);

}  // namespace weft::cli
