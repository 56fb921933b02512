#include "provider/process/volumes.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <set>

#include "base/expansion.h"
#include "base/hash.h"
#include "runtime/error.h"
#include "runtime/fd.h"
#include "runtime/log.h"

namespace weft::provider::process {
namespace {

namespace fs = std::filesystem;

/// Kubelet's names: what is seen are links into the newest folder of all files, which is exchanged at one
/// stroke.
constexpr std::string_view data_link = "..data";
constexpr std::string_view new_data_link = "..data_tmp";

/// "<namespace>_<name>": _ is in no name.
std::string folder_name(std::string id) {
  std::ranges::replace(id, '/', '_');
  return id;
}

std::unexpected<ProviderError> cannot_write(const std::string& path) {
  return base::fail(ProviderErrorKind::failed,
                    fmt::format("cannot write {}: {}", path, runtime::IoError{errno}.message()));
}

/// One that is there must be this user's own folder, and nothing that leads elsewhere.
Result<void> make_folder(const std::string& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) return cannot_write(path);
  const runtime::Fd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat found{};
  if (!folder || ::fstat(folder.get(), &found) != 0) return cannot_write(path);
  if (found.st_uid != ::geteuid()) {
    errno = EPERM;
    return cannot_write(path);
  }
  if (::fchmod(folder.get(), mode) != 0) return cannot_write(path);
  return {};
}

Result<void> write_file(const std::string& path, const VolumeFile& file,
                        const std::optional<Credentials>& owner) {
  const runtime::Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) return cannot_write(path);
  for (std::string_view rest = file.bytes; !rest.empty();) {
    const auto count = ::write(fd.get(), rest.data(), rest.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return cannot_write(path);
    rest.remove_prefix(static_cast<std::size_t>(count));
  }
  if (owner && ::fchown(fd.get(), owner->uid, owner->gid) != 0) return cannot_write(path);
  if (::fchmod(fd.get(), file.mode) != 0) return cannot_write(path);
  return {};
}

/// A folder that holds what weft writes: the owner's group may look into it, and only weft changes it, so
/// that nobody can lead it elsewhere.
Result<void> make_readable(const std::string& path, const std::optional<Credentials>& owner) {
  if (auto made = make_folder(path, owner ? 0750 : 0700); !made) return made;
  if (owner && ::lchown(path.c_str(), ::geteuid(), owner->gid) != 0) return cannot_write(path);
  return {};
}

/// What tells two states of a volume apart.
std::string version_of(const std::vector<VolumeFile>& files) {
  std::string all;
  for (const auto& file : files)
    all += fmt::format("{}:{}:{:o}:{}:{}\n", file.path.size(), file.path, file.mode, file.bytes.size(),
                       file.bytes);
  return ".." + base::content_hash(all);
}

Result<void> write_version(const std::string& folder, const std::vector<VolumeFile>& files,
                           const std::optional<Credentials>& owner) {
  std::error_code none;
  fs::remove_all(folder, none);  // half of one, from before a crash
  if (auto made = make_readable(folder, owner); !made) return made;
  for (const auto& file : files) {
    for (auto at = file.path.find('/'); at != std::string::npos; at = file.path.find('/', at + 1)) {
      if (auto made = make_readable(folder + "/" + file.path.substr(0, at), owner); !made) return made;
    }
    if (auto written = write_file(folder + "/" + file.path, file, owner); !written) return written;
  }
  return {};
}

Result<void> make_link(const std::string& link, std::string_view target) {
  if (::symlink(std::string(target).c_str(), link.c_str()) != 0 && errno != EEXIST) return cannot_write(link);
  return {};
}

/// As kubelet does (pkg/volume/util/atomic_writer.go): who reads sees all of the old or all of the new. The
/// links are looked at in any case: the full disk, or a kill, may have come before all were made.
Result<void> write_files(const std::string& folder, const std::vector<VolumeFile>& files,
                         const std::optional<Credentials>& owner) {
  if (auto made = make_readable(folder, owner); !made) return made;
  const auto version = version_of(files);
  const auto link = fmt::format("{}/{}", folder, data_link);
  std::error_code none;
  if (fs::read_symlink(link, none) != version) {
    if (auto written = write_version(folder + "/" + version, files, owner); !written) return written;
    const auto fresh = fmt::format("{}/{}", folder, new_data_link);
    ::unlink(fresh.c_str());
    if (auto made = make_link(fresh, version); !made) return made;
    if (::rename(fresh.c_str(), link.c_str()) != 0) return cannot_write(link);
  }
  std::set<std::string> wanted{std::string(data_link), version};
  for (const auto& file : files) {
    const auto top = file.path.substr(0, file.path.find('/'));
    if (!wanted.insert(top).second) continue;
    if (auto made = make_link(folder + "/" + top, fmt::format("{}/{}", data_link, top)); !made) return made;
  }
  for (const auto& entry : fs::directory_iterator(folder, none)) {
    if (!wanted.contains(entry.path().filename().string())) fs::remove_all(entry.path(), none);
  }
  return {};
}

/// What the instance keeps over its restarts. One that is not its owner's was left by a kill, still empty.
Result<void> make_empty(const std::string& folder, const std::optional<Credentials>& owner) {
  const bool is_new = ::mkdir(folder.c_str(), 0700) == 0;
  if (!is_new && errno != EEXIST) return cannot_write(folder);
  struct stat found{};
  if (::lstat(folder.c_str(), &found) != 0) return cannot_write(folder);
  if (!is_new && found.st_uid == (owner ? owner->uid : ::geteuid())) return {};
  if (::chmod(folder.c_str(), 0700) != 0) return cannot_write(folder);
  if (owner && ::lchown(folder.c_str(), owner->uid, owner->gid) != 0) return cannot_write(folder);
  return {};
}

Result<void> check_host(const Volume& volume, const std::optional<Credentials>& owner) {
  using Type = Volume::HostType;
  const auto& path = volume.host_path;
  const bool is_file = volume.host_type == Type::file || volume.host_type == Type::file_or_create;
  struct stat found{};
  if (::stat(path.c_str(), &found) == 0) {
    if (volume.host_type == Type::any || (is_file ? S_ISREG(found.st_mode) : S_ISDIR(found.st_mode)))
      return {};
    const auto* what = !is_file ? "no folder" : S_ISDIR(found.st_mode) ? "a folder" : "no regular file";
    return base::fail(ProviderErrorKind::wrong_config,
                      fmt::format("{} is {} (volume {})", path, what, volume.name));
  }
  if (volume.host_type != Type::directory_or_create && volume.host_type != Type::file_or_create) {
    return base::fail(ProviderErrorKind::wrong_config,
                      fmt::format("{} does not exist (volume {})", path, volume.name));
  }
  // The supervisor's umask may be 0: fs::create_directories() would let everybody write into the parents.
  for (auto at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1))
    ::mkdir(path.substr(0, at).c_str(), 0755);
  const runtime::Fd file(is_file ? ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644) : -1);
  if (is_file ? !file : ::mkdir(path.c_str(), 0755) != 0) return cannot_write(path);
  if (owner && ::lchown(path.c_str(), owner->uid, owner->gid) != 0) return cannot_write(path);
  return {};
}

void remove_tree(const std::string& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) runtime::log::warning("volumes", "cannot remove {}: {}", path, error.message());
}

}  // namespace

VolumeFolders VolumeFolders::of(const runtime::Home& home) {
  const auto parent = fs::path(home.run()).parent_path().string();
  return {home.state() + "/volumes", home.run() + "/volumes",
          fmt::format("{}-volumes/{}", parent, home.hash())};
}

Result<std::string> Volumes::folder_for(const std::string& id, const Volume& volume,
                                        const std::optional<Credentials>& owner) const {
  const bool is_shared = owner && owner->uid != ::geteuid();
  const auto& root = is_shared                              ? folders_.shared
                     : volume.kind == Volume::Kind::on_disk ? folders_.disk
                                                            : folders_.memory;
  if (root.empty()) return base::fail(ProviderErrorKind::failed, "there is no folder for volumes");
  const mode_t mode = is_shared ? 0711 : 0700;
  const auto folder = root + "/" + folder_name(id);
  std::vector<std::string> way{root, folder};
  if (is_shared) way.insert(way.begin(), fs::path(root).parent_path().string());
  for (const auto& path : way) {
    if (auto made = make_folder(path, mode); !made) return std::unexpected(made.error());
  }
  return folder + "/" + volume.name;
}

Result<std::vector<std::pair<std::string, std::string>>> Volumes::make(
    const std::string& id, const std::vector<Volume>& volumes, const std::optional<Credentials>& owner) {
  std::vector<std::pair<std::string, std::string>> variables;
  for (const auto& volume : volumes) {
    if (volume.kind == Volume::Kind::on_host) {
      if (auto checked = check_host(volume, owner); !checked) return std::unexpected(checked.error());
      variables.emplace_back(volume.variable, base::literal(volume.host_path));
      continue;
    }
    const auto folder = folder_for(id, volume, owner);
    if (!folder) return std::unexpected(folder.error());
    const auto done = volume.kind == Volume::Kind::files ? write_files(*folder, volume.files, owner)
                                                         : make_empty(*folder, owner);
    if (!done) return std::unexpected(done.error());
    variables.emplace_back(volume.variable, base::literal(*folder));
  }
  return variables;
}

std::vector<std::string> Volumes::roots() const {
  std::vector<std::string> all{folders_.disk, folders_.memory, folders_.shared};
  std::erase(all, "");
  return all;
}

void Volumes::remove(const std::string& id) const {
  for (const auto& root : roots()) remove_tree(root + "/" + folder_name(id));
}

void Volumes::remove_others(const std::function<bool(const std::string& id)>& is_known) const {
  for (const auto& root : roots()) {
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(root, none)) {
      auto id = entry.path().filename().string();
      std::ranges::replace(id, '_', '/');
      if (!is_known(id)) remove_tree(entry.path().string());
    }
  }
}

void Volumes::clear() const {
  for (const auto& root : roots()) remove_tree(root);
  ::rmdir(fs::path(folders_.shared).parent_path().c_str());  // only if no other home has one there
}

}  // namespace weft::provider::process
