#include "runtime/home.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <pwd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "runtime/error.h"
#include "runtime/process.h"

namespace weft::runtime {
namespace {

namespace fs = std::filesystem;

/// sun_path holds 108 bytes with its end (unix(7)).
constexpr std::size_t max_socket_path = 107;
/// The longest path among the sockets below a parent of run folders: in one of them, that of a proxy with the
/// kernel's highest pid (PID_MAX_LIMIT).
constexpr std::string_view longest_socket = "/0123456789ab/admin.4194304.sock";

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

std::string reason(int code) { return IoError{code}.message(); }

std::unexpected<HomeError> failed(std::string_view what, const std::string& path, int code) {
  return base::fail(HomeErrorKind::failed, fmt::format("{} {}: {}", what, path, reason(code)));
}

bool is_own_folder(const std::string& path, uid_t uid) {
  struct stat found{};
  return lstat(path.c_str(), &found) == 0 && S_ISDIR(found.st_mode) && found.st_uid == uid &&
         (found.st_mode & 077U) == 0;
}

/// Where the supervisor of this state folder said that its sockets are: another environment (cron, sudo, a
/// second login) may compute another place.
std::string run_folder_in_use(const std::string& state) {
  struct stat owner{};
  if (stat(state.c_str(), &owner) != 0) return {};
  std::error_code error;
  std::string target = fs::read_symlink(state + "/run", error).string();
  if (error || !target.starts_with('/') || !is_own_folder(target, owner.st_uid)) return {};
  return target;
}

/// Folders in which a run folder may lie, the best first.
std::vector<std::string> run_parents(const HomeSource& source) {
  std::vector<std::string> parents;
  if (source.uid == 0) {
    auto above = fs::path(source.system_run).parent_path();
    if (access(above.c_str(), W_OK) == 0) parents.push_back(source.system_run);
  } else if (source.xdg_runtime_dir.starts_with('/') && is_own_folder(source.xdg_runtime_dir, source.uid)) {
    parents.push_back(source.xdg_runtime_dir + "/weft");
  }
  parents.push_back(fmt::format("{}/weft-{}", source.temporary, source.uid));
  return parents;
}

HomeResult<std::string> state_folder(const HomeSource& source) {
  std::string chosen;
  if (!source.flag.empty()) {
    chosen = source.flag;
  } else if (!source.weft_home.empty()) {
    chosen = source.weft_home;
  } else if (source.uid == 0) {
    chosen = source.system_state;
  } else if (!source.user_home.empty()) {
    chosen = source.user_home + "/.local/share/weft";
  } else {
    return base::fail(HomeErrorKind::unknown,
                      "no state folder is known: give --home, or set WEFT_HOME or HOME");
  }
  std::error_code error;
  auto path = fs::weakly_canonical(fs::absolute(chosen, error), error);
  if (error) return failed("cannot resolve the state folder", chosen, error.value());
  auto text = path.string();
  while (text.size() > 1 && text.ends_with('/')) text.pop_back();
  return text;
}

/// What to do about a run folder that is no use.
std::string another_run(const std::string& path, uid_t uid) {
  // root looks at no XDG_RUNTIME_DIR.
  return uid == 0
             ? fmt::format("remove {}", path)
             : fmt::format("set XDG_RUNTIME_DIR to a folder of your own with mode 700, or have {} removed",
                           path);
}

/// Checks a folder that is there: ours, not a link, and not for others to write in (`closed`: not even to
/// look into). `mend` is for one of somebody else, or of everybody.
HomeResult<void> check_folder(const std::string& path, uid_t uid, bool closed, std::string_view mend) {
  struct stat found{};
  if (lstat(path.c_str(), &found) != 0) return failed("cannot look at", path, errno);
  if (!S_ISDIR(found.st_mode))
    return base::fail(HomeErrorKind::insecure, fmt::format("{} is not a folder: {}", path, mend));
  if (found.st_uid != uid) {
    return base::fail(
        HomeErrorKind::insecure,
        fmt::format("the folder {} belongs to user {}, not to user {}: {}", path, found.st_uid, uid, mend));
  }
  const unsigned forbidden = closed ? 077U : 022U;
  if ((found.st_mode & forbidden) == 0) return {};
  if ((found.st_mode & S_ISVTX) != 0)
    return base::fail(HomeErrorKind::insecure, fmt::format("the folder {} is everybody's: {}", path, mend));
  return base::fail(HomeErrorKind::insecure,
                    fmt::format("the folder {} is open to other users: run chmod 700 on it", path));
}

/// Makes one folder with mode 0700, whatever the umask, or checks the one that is there.
HomeResult<void> make_folder(const std::string& path, uid_t uid, bool closed, std::string_view mend) {
  if (mkdir(path.c_str(), 0700) == 0) {
    if (chmod(path.c_str(), 0700) != 0) return failed("cannot close to others the folder", path, errno);
    return {};
  }
  if (errno != EEXIST) return failed("cannot create the folder", path, errno);
  return check_folder(path, uid, closed, mend);
}

HomeResult<void> make_state_folder(const std::string& path, uid_t uid,
                                   std::string_view mend = HomeLock::another_home) {
  std::error_code error;
  fs::create_directories(fs::path(path).parent_path(), error);
  if (error) return failed("cannot create the folder", fs::path(path).parent_path().string(), error.value());
  return make_folder(path, uid, false, mend);
}

/// Replaces the link at one stroke, if it points elsewhere.
HomeResult<void> point_link(const std::string& link, const std::string& target) {
  std::error_code none;
  if (fs::read_symlink(link, none) == target) return {};  // also where nothing can be written any more
  auto fresh = link + ".new";
  unlink(fresh.c_str());
  if (symlink(target.c_str(), fresh.c_str()) != 0) return failed("cannot create the link", fresh, errno);
  if (rename(fresh.c_str(), link.c_str()) != 0) return failed("cannot create the link", link, errno);
  return {};
}

/// What the holder wrote into the lock file.
std::optional<pid_t> read_pid(int fd) {
  char text[32] = {};
  if (pread(fd, text, sizeof text - 1, 0) <= 0) return std::nullopt;
  const int pid = std::atoi(text);
  return pid > 0 ? std::optional(pid) : std::nullopt;
}

/// "process 123 (weft)" from what the holder wrote into the lock file.
std::string describe_holder(int fd) {
  const auto pid = read_pid(fd);
  if (!pid) return "another process";
  return describe_process(*pid);
}

/// The user's home by /etc/passwd; empty if it has no such user. getpwuid() would load libraries.
std::string home_in_passwd(uid_t uid) {
  std::string home;
  auto* file = std::fopen("/etc/passwd", "re");
  if (file == nullptr) return home;
  while (const passwd* entry = fgetpwent(file)) {
    if (entry->pw_uid == uid) home = entry->pw_dir;
  }
  std::fclose(file);
  return home;
}

}  // namespace

HomeSource HomeSource::of_process(std::string flag) {
  HomeSource source;
  source.flag = std::move(flag);
  source.weft_home = environment("WEFT_HOME");
  source.xdg_runtime_dir = environment("XDG_RUNTIME_DIR");
  source.user_home = environment("HOME");
  source.uid = geteuid();
  if (source.user_home.empty()) {
    source.user_home = home_in_passwd(source.uid);
  }
  return source;
}

namespace {

/// The best folder for run folders in which sockets may have their paths.
HomeResult<std::string> run_parent(const HomeSource& source) {
  std::string last;
  for (auto& parent : run_parents(source)) {
    if (parent.size() + longest_socket.size() <= max_socket_path) return std::move(parent);
    last = std::move(parent);
  }
  return base::fail(
      HomeErrorKind::path_too_long,
      fmt::format("the paths of sockets in {} would be longer than {} bytes: set XDG_RUNTIME_DIR to a "
                  "shorter one",
                  last, max_socket_path));
}

}  // namespace

HomeResult<Home> Home::resolve(const HomeSource& source) {
  auto state = state_folder(source);
  if (!state) return std::unexpected(state.error());
  Home home;
  home.state_ = *state;
  home.hash_ = fmt::format("{:012x}", base::hash64(home.state_) & 0xffff'ffff'ffffU);
  home.uid_ = source.uid;
  home.run_ = run_folder_in_use(home.state_);
  if (!home.run_.empty()) {
    home.run_parent_ = fs::path(home.run_).parent_path().string();
    return home;
  }
  auto parent = run_parent(source);
  if (!parent) return std::unexpected(parent.error());
  // Sockets in a folder that somebody else made first would be his.
  struct stat there{};
  if (lstat(parent->c_str(), &there) == 0) {
    auto checked = check_folder(*parent, source.uid, true, another_run(*parent, source.uid));
    if (!checked) return std::unexpected(checked.error());
  }
  home.run_ = *parent + "/" + home.hash_;
  home.run_parent_ = std::move(*parent);
  return home;
}

HomeResult<std::string> shared_run_folder(const HomeSource& source) {
  auto folder = run_parent(source);
  if (!folder) return folder;
  if (auto made = make_folder(*folder, source.uid, true, another_run(*folder, source.uid)); !made)
    return std::unexpected(made.error());
  return folder;
}

HomeResult<void> Home::check_state() const {
  for (const auto& [path, closed] : {std::pair(state_, false), std::pair(logs(), true)}) {
    std::error_code error;
    if (!fs::exists(fs::symlink_status(path, error))) continue;
    if (auto checked = check_folder(path, uid_, closed, HomeLock::another_home); !checked) return checked;
  }
  return {};
}

HomeResult<void> Home::prepare() const {
  if (auto made = make_state_folder(state_, uid_); !made) return made;
  if (auto made = make_folder(logs(), uid_, true, HomeLock::another_home); !made) return made;
  for (const auto& run : {run_parent_, run_}) {
    if (auto made = make_folder(run, uid_, true, another_run(run, uid_)); !made) return made;
  }
  return point_link(state_ + "/run", run_);
}

std::optional<std::string> Home::exposure() const {
  struct stat found{};
  if (stat(state_.c_str(), &found) != 0 || (found.st_mode & 077U) == 0) return std::nullopt;
  return fmt::format("the state folder {} is open to other users (mode {:o}): run chmod 700 on it", state_,
                     found.st_mode & 0777U);
}

void Home::remove_run_folder() const {
  std::error_code ignored;
  fs::remove_all(run_, ignored);
  fs::remove(state_ + "/run", ignored);
  rmdir(run_parent_.c_str());  // only if no other home has one there
}

namespace {

/// Whoever looks for the holder (HomeLock::holder) shares the lock for three system calls; this is long even
/// for one that does not run in between.
constexpr auto look_limit = std::chrono::seconds(1);
constexpr auto look_pause = std::chrono::milliseconds(1);

/// Whether nobody holds it; who looks for a holder is waited for. False with errno.
bool lock_alone(int fd) {
  const auto give_up = std::chrono::steady_clock::now() + look_limit;
  while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    // It can be shared: then it is only looked at.
    if (errno != EWOULDBLOCK || flock(fd, LOCK_SH | LOCK_NB) != 0) return false;
    flock(fd, LOCK_UN);
    if (std::chrono::steady_clock::now() >= give_up) {
      errno = EWOULDBLOCK;
      return false;
    }
    std::this_thread::sleep_for(look_pause);
  }
  return true;
}

}  // namespace

HomeResult<HomeLock> HomeLock::take(const std::string& path, std::string_view mend) {
  if (auto made = make_state_folder(fs::path(path).parent_path().string(), geteuid(), mend); !made) {
    return std::unexpected(made.error());
  }
  auto fd = open_private(path);
  if (!fd) return failed("cannot open the lock file", path, errno);
  if (!lock_alone(fd.get())) {
    if (errno != EWOULDBLOCK) return failed("cannot lock", path, errno);
    return base::fail(HomeErrorKind::held, fmt::format("{} is held by {}", path, describe_holder(fd.get())));
  }
  HomeLock lock(std::move(fd));
  lock.sign();
  return lock;
}

void HomeLock::sign() const {
  const auto pid = fmt::format("{}\n", getpid());
  // A full or read-only disk must not keep the holder from working, and who reads must always find a process.
  if (pwrite(fd(), pid.data(), pid.size(), 0) == static_cast<ssize_t>(pid.size()))
    (void)!ftruncate(fd(), static_cast<off_t>(pid.size()));
}

HomeResult<HomeLock> HomeLock::inherited(Fd fd) {
  if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) return failed("cannot take over", "the lock", errno);
  fcntl(fd.get(), F_SETFD, FD_CLOEXEC);
  return HomeLock(std::move(fd));
}

std::optional<pid_t> HomeLock::holder(const std::string& path) {
  const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd || flock(fd.get(), LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK) return std::nullopt;
  return read_pid(fd.get());
}

void HomeLock::release() {
  flock(fd_.get(), LOCK_UN);
  fd_.reset();
}

}  // namespace weft::runtime
