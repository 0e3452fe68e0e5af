// What has to be done before Swift's own runtime starts.
#include "clinux_process.h"
#include <stdlib.h>

static const char name[] = "SWIFT_BACKTRACE";
static const char *given;
static char **arguments;

// When a program crashes, Swift's runtime executes `libexec/swift/linux/swift-backtrace` from where it thinks that it
// is installed: for a sealed copy of a program that is the current directory, for an engine's runtime a bundle.
__attribute__((constructor(101))) static void before_swift(int argc, char **argv) {
    (void)argc;
    arguments = argv;
    given = getenv(name);
    setenv(name, "enable=no", 1);
}

char **cl_argv(void) {
    if (given) {
        setenv(name, given, 1);
    } else {
        unsetenv(name);
    }
    return arguments;
}
