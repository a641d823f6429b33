/* The way in. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

/* Whoever started us may have closed standard input, output or error. No file of ours may take such a place: what is said would be written
 * into it. What stands there instead can neither be read nor written, as what is closed. */
static void hold_standard_places(void)
{
    for (int place = STDIN_FILENO; place <= STDERR_FILENO; place++)
        if (fcntl(place, F_GETFD) < 0)
            open("/", O_PATH);
}

int main(int argc, char **argv)
{
    hold_standard_places();
    signal(SIGPIPE, SIG_IGN); /* a reader that went away shows as EPIPE, and is no mistake */
    int code = run_command(argc, argv);
    if (fclose(stdout) != 0 && errno != EPIPE && code == EXIT_DONE)
        return complain_usage("cannot write to standard output: %s", strerror(errno)), EXIT_FAILED;
    return code;
}
