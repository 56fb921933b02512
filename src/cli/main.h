// The whole command line of the one binary.
#pragma once

namespace weft::cli {

/// Runs what the arguments say, as weft, control-plane or service by the name in argv[0]; the process's exit
/// code.
int run(int argc, char** argv);

}  // namespace weft::cli
