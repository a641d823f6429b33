/* The way in. */
#include <fcntl.h>
#include <poll.h>
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

/* A reader that went away, as `head` does, is no mistake. */
static bool reader_gone(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO};
    return poll(&out, 1, 0) == 1 && (out.revents & POLLERR);
}

int main(int argc, char **argv)
{
    static char buffer[BUFSIZ]; /* of our own: without memory for one, what is printed would be lost without a word */
    hold_standard_places();
    setvbuf(stdout, buffer, isatty(STDOUT_FILENO) ? _IOLBF : _IOFBF, sizeof buffer);
    signal(SIGPIPE, SIG_IGN);
    const int code = run_command(argc, argv);
    report_end();
    const bool gone = reader_gone(), lost = ferror(stdout); /* closing it would not tell of that again */
    const bool closed = fclose(stdout) == 0;
    if ((closed && !lost) || gone || code != EXIT_DONE)
        return code;
    complain_usage(closed ? "cannot write to standard output: a part of it is lost" : "cannot write to standard output: %m");
    return EXIT_FAILED;
}
