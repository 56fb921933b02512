// Images of the process provider: programs found by name in folders.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "provider/provider.h"

namespace weft::provider::process {

/// What an image says about itself, with absolute paths.
struct Image {
  std::string path;    // the executable file, or the folder that holds image.yaml
  std::string folder;  // what relative paths are relative to
  std::vector<std::string> command;
  std::vector<std::string> args;
  std::map<std::string, std::string> environment;
  std::vector<ContainerPort> ports;
  std::string working_directory;
};

/// The folders of $WEFT_IMAGES (separated by colons); without it `<folder of this program>/../images`.
std::vector<std::string> image_folders();

/// The path of a program of this machine that is called like an image of a registry ("nginx:1.27",
/// "docker.io/library/redis"), on $PATH or where servers are; empty if there is none.
std::string installed_program(std::string_view image);

/// Finds `name`: an executable file, or a folder with image.yaml (command, args, env, ports, workingDir), in
/// the first of `folders` that has it, as it is and then without its tag (`web:1.2`); or an absolute path of
/// such a file or folder. Errors: image_not_found (with the nearest name there is), image_not_executable,
/// failed (an image.yaml that is wrong).
Result<Image> find_image(std::string_view name, const std::vector<std::string>& folders);

/// The absolute path of the program `name`: a path relative to `folder`, else a file in `folder`, else one on
/// `search_path` (a PATH). Errors: image_not_found, image_not_executable.
Result<std::string> find_program(const std::string& name, const std::string& folder,
                                 std::string_view search_path);

/// The command line of `spec` in `image`: Kubernetes' rule, by which a given command also drops the image's
/// args.
std::vector<std::string> command_line(const InstanceSpec& spec, const Image& image);

}  // namespace weft::provider::process
