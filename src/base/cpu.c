/* What the machine calls its processor. */
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/base.h"

/* "model name      : Intel(R) Xeon(R)"; ARM's kernels have no such line. */
static const char *name_in(FILE *file, arena *a)
{
    char line[256];
    while (fgets(line, sizeof line, file)) {
        const char *value = strchr(line, ':');
        if (strncmp(line, "model name", strlen("model name")) != 0 || !value)
            continue;
        value += 1 + strspn(value + 1, " \t");
        return arena_printf(a, "%.*s", (int)strcspn(value, "\n"), value);
    }
    return NULL;
}

const char *cpu_name(arena *a)
{
    struct utsname system;
    FILE *file = fopen("/proc/cpuinfo", "re");
    const char *name = file ? name_in(file, a) : NULL;
    if (file)
        fclose(file);
    return name ? name : arena_text(a, uname(&system) == 0 ? system.machine : "unknown");
}
