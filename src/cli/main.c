/* The way in. */
#include <errno.h>
#include <string.h>

#include "cli/cli.h"

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN); /* a reader that went away shows as EPIPE, and is no mistake */
    int code = run_command(argc, argv);
    if (fclose(stdout) != 0 && errno != EPIPE && code == EXIT_DONE)
        return complain_usage("cannot write to standard output: %s", strerror(errno)), EXIT_FAILED;
    return code;
}
