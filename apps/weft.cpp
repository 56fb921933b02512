// The one binary: weft, and by its name control-plane and service.
#include "cli/main.h"

int main(int argc, char** argv) { return weft::cli::run(argc, argv); }
