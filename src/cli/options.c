/* The option table at work: parsing, errors, --help. */
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

#define X(name) extern const command cmd_##name;
#include "gen/command.inc"
#undef X

#define X(name) &cmd_##name,
static const command *const commands[] = {
#include "gen/command.inc"
    NULL};
#undef X

enum { MAX_OPTIONS = 32, MORE_SETS = 16 /* for what other options become: --seed, --allow-trailing, those of lr-find */ };

int exit_code(weft_status status)
{
    switch (status) {
    case WEFT_OK:
        return EXIT_DONE;
    case WEFT_BAD_INPUT:
        return EXIT_USAGE;
    case WEFT_DIVERGED:
        return EXIT_DIVERGED;
    case WEFT_STOPPED:
        return 128 + (int)stop_signal;
    default:
        return EXIT_FAILED;
    }
}

static void print_lines(const char *before, const char *lines)
{
    for (size_t n; *lines; lines += n + (lines[n] == '\n')) {
        n = strcspn(lines, "\n");
        fprintf(stderr, "weft: %s%.*s\n", before, (int)n, lines);
    }
}

int complain(const weft_error *err)
{
    print_lines("", err->count ? err->message : "out of memory"); /* nothing else fails without a word */
    return err->count ? exit_code(err->status) : EXIT_FAILED;
}

static bool text_lost;

void show_text(text *t)
{
    if (t->failed) {
        complain(&(weft_error){0});
        text_lost = true;
    } else if (t->length)
        fputs(t->data, stdout);
    text_free(t);
}

int print_built(struct json_t *root, size_t flags)
{
    char *printed = json_end(root, flags);
    if (!printed)
        return complain(&(weft_error){0});
    printf("%s\n", printed);
    free(printed);
    return EXIT_DONE;
}

void print_warnings(const char *lines) { print_lines("warning: ", lines); }

int complain_usage(const char *format, ...)
{
    va_list list;
    char message[1024];
    va_start(list, format);
    vsnprintf(message, sizeof message, format, list);
    va_end(list);
    text escaped = {0};
    text_add_escaped(&escaped, message);
    fprintf(stderr, "weft: %s\n", escaped.data ? escaped.data : message);
    text_free(&escaped);
    return EXIT_USAGE;
}

/* ---- --help ---- */

static void show_command_help(const command *c, const char *path)
{
    printf("%s: %s\n\n%s\nusage: weft %s%s%s%s\n", path, c->help, c->examples, path, c->commands ? " COMMAND" : c->options ? " [OPTION]..." : "",
           c->words ? " " : "", c->words ? c->words : "");
    if (c->commands)
        printf("\ncommands:\n");
    for (size_t i = 0; c->commands && c->commands[i]; i++)
        printf("  %-10s %s\n", c->commands[i]->name, c->commands[i]->help);
    if (c->options)
        printf("\noptions:\n");
    for (const option_spec *o = c->options; o && o->name; o++) {
        char left[64], letter[8] = "    ";
        if (o->letter)
            snprintf(letter, sizeof letter, "-%c, ", o->letter);
        snprintf(left, sizeof left, "%s--%s%s%s", letter, o->name, o->value ? " " : "", o->value ? o->value : "");
        printf("  %-24s %s\n", left, o->help);
    }
}

static void show_help(void)
{
    printf("weft %s trains neural networks, and shows which settings work and why.\n\n"
           "  weft data info fashion-mnist               what a data set is\n"
           "  weft train recipes/tutorial.yaml --variant adam -o runs/adam\n"
           "  weft compare recipes/tutorial.yaml         every variant, with figures and a table\n"
           "  weft eval runs/adam                        how good the trained model is\n"
           "  weft predict runs/adam shoe.png            what it says of an image\n\n"
           "commands:\n",
           weft_version());
    for (const command *const *c = commands; *c; c++)
        printf("  %-10s %s\n", (*c)->name, (*c)->help);
    printf("\nweft COMMAND --help tells more. weft --version prints the version.\n"
           "exit codes: 0 done; 1 failed; 2 bad usage or bad input, nothing was run; 3 diverged; 130, 143 stopped by a signal, after saving\n");
}

/* ---- Parsing ---- */

static int set_real(double *at, const option_spec *o, const char *value)
{
    if (parse_double(value, at) && *at > 0)
        return EXIT_DONE;
    return complain_usage("--%s takes a number above 0, not \"%s\"", o->name, value);
}

/* What is written is also told of, and proposed for the next command: it must be a name that a terminal shows as it is. */
static int check_path(const option_spec *o, const char *value)
{
    text shown = {0};
    text_add_escaped(&shown, value);
    const bool plain = shown.length && strcmp(shown.data, value) == 0;
    const int code = shown.failed ? complain(&(weft_error){0}) : EXIT_DONE;
    text_free(&shown);
    return code || plain ? code : complain_usage("--%s takes a path of characters that can be shown, in UTF-8, not \"%s\"", o->name, value);
}

static int set_option(args *a, const option_spec *o, const char *value, bool seen)
{
    void *at = (char *)a + o->offset;
    uint64_t number;
    switch (o->kind) {
    case OPTION_FLAG:
        *(bool *)at = true;
        return EXIT_DONE;
    case OPTION_LIST:
        a->sets[a->n_sets++] = value;
        return EXIT_DONE;
    case OPTION_TEXT:
    case OPTION_PATH:
        if (seen && strcmp(*(const char **)at, value) != 0)
            return complain_usage("--%s is given twice, as \"%s\" and as \"%s\"; which one?", o->name, *(const char **)at, value);
        *(const char **)at = value;
        return o->kind == OPTION_PATH ? check_path(o, value) : EXIT_DONE;
    case OPTION_REAL:
        return set_real(at, o, value);
    default:
        if (!parse_u64(value, &number) || number < o->min || number > o->max)
            return complain_usage("--%s takes a whole number from %llu to %llu, not \"%s\"", o->name, (unsigned long long)o->min,
                                  (unsigned long long)o->max, value);
        if (seen && *(uint64_t *)at != number)
            return complain_usage("--%s is given twice, as %llu and as %s; which one?", o->name, (unsigned long long)*(uint64_t *)at, value);
        *(uint64_t *)at = number;
        a->seed_given |= o->offset == offsetof(args, seed);
        return EXIT_DONE;
    }
}

static int complain_option(const command *c, const char *path, const char *word, bool needs_value)
{
    const char *names[MAX_OPTIONS];
    size_t n = 0;
    for (const option_spec *o = c->options; o && o->name; o++)
        names[n++] = o->name;
    char bare[64];
    snprintf(bare, sizeof bare, "%.*s", (int)strcspn(word, "="), word);
    const char *near = strncmp(bare, "--", 2) == 0 ? nearest_word(bare + 2, names, n, sizeof *names) : NULL;
    if (needs_value)
        return complain_usage("option %s needs a value; see weft %s --help", bare, path);
    if (near && strcmp(near, bare + 2) == 0)
        return complain_usage("option --%s takes no value; see weft %s --help", near, path);
    if (near)
        return complain_usage("unknown option %s; did you mean --%s?", bare, near);
    return complain_usage("unknown option %s; see weft %s --help", bare, path);
}

/* getopt's tables from ours. A long option's value is its index + 256. */
static void make_tables(const command *c, struct option *longs, char *shorts)
{
    size_t n = 0;
    *shorts++ = ':'; /* a missing value is told apart */
    for (const option_spec *o = c->options; o && o->name; o++, n++) {
        longs[n] = (struct option){o->name, o->value ? required_argument : no_argument, NULL, (int)(256 + n)};
        if (o->letter) {
            *shorts++ = o->letter;
            if (o->value)
                *shorts++ = ':';
        }
    }
    longs[n] = (struct option){0};
    *shorts = 0;
}

static const option_spec *option_of(const command *c, int found)
{
    if (found >= 256)
        return &c->options[found - 256];
    const option_spec *o = c->options;
    while (o->letter != found)
        o++;
    return o;
}

static int parse_options(const command *c, const char *path, int argc, char **argv, args *a)
{
    struct option longs[MAX_OPTIONS + 1];
    char shorts[2 * MAX_OPTIONS + 2];
    bool seen[MAX_OPTIONS] = {0};
    make_tables(c, longs, shorts);
    optind = 1;
    opterr = 0;
    for (;;) {
        const int at = optind;
        const int found = getopt_long(argc, argv, shorts, longs, NULL);
        if (found == -1)
            break;
        if (found == '?' || found == ':')
            return complain_option(c, path, argv[optind > at ? optind - 1 : at], found == ':');
        const option_spec *o = option_of(c, found);
        const int code = set_option(a, o, optarg, seen[o - c->options]);
        if (code)
            return code;
        seen[o - c->options] = true;
    }
    a->words = (const char **)(argv + optind);
    a->n_words = (size_t)(argc - optind);
    return EXIT_DONE;
}

/* The words as a shell would take them again, but for --resume: without it they make the same run from nothing. NULL: no memory. */
static const char *command_line(const char *path, int argc, char **argv, arena *a)
{
    text t = {0};
    text_printf(&t, "weft %s", path);
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (strcmp(word, "--resume") == 0)
            continue;
        const bool plain = *word && word[strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@%+=:,./-")] == 0;
        text_add(&t, plain ? " " : " '");
        for (size_t n; *word; word += n + (word[n] == '\'')) {
            n = strcspn(word, "'");
            text_add_bytes(&t, word, n);
            text_add(&t, word[n] ? "'\\''" : "");
        }
        text_add(&t, plain ? "" : "'");
    }
    const char *line = t.failed ? NULL : arena_text(a, t.data);
    text_free(&t);
    return line;
}

static int run_parsed(const command *c, const char *path, int argc, char **argv)
{
    args a = {0};
    a.sets = arena_array(&a.memory, (size_t)argc + MORE_SETS, sizeof *a.sets);
    a.line = command_line(path, argc, argv, &a.memory); /* before getopt moves words */
    int code = a.sets && a.line ? parse_options(c, path, argc, argv, &a) : complain(&(weft_error){0});
    if (code == EXIT_DONE && a.help)
        show_command_help(c, path);
    else if (code == EXIT_DONE && a.n_words < c->min_words)
        code = complain_usage("weft %s needs %s; see weft %s --help", path, c->words, path);
    else if (code == EXIT_DONE && a.n_words > c->max_words)
        code = complain_usage("weft %s takes %s; what is \"%s\"?", path, c->words ? c->words : "no words", a.words[c->max_words]);
    else if (code == EXIT_DONE)
        code = c->run(&a);
    if (code == EXIT_DONE && text_lost)
        code = EXIT_FAILED;
    arena_deinit(&a.memory);
    return code;
}

static const command *find_command(const command *const *list, const char *name)
{
    for (; *list; list++)
        if (strcmp((*list)->name, name) == 0)
            return *list;
    return NULL;
}

static int complain_command(const command *const *list, const char *word)
{
    const char *names[MAX_OPTIONS];
    size_t n = 0;
    for (; list[n]; n++)
        names[n] = list[n]->name;
    weft_error err = {0};
    fail_unknown(&err, (where){"weft", 0, 0}, "command", word, names, n, sizeof *names);
    return complain_usage("%s", err.message + strlen("weft: "));
}

static bool is_help(const char *word) { return strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0 || strcmp(word, "help") == 0; }

int run_command(int argc, char **argv)
{
    if (argc < 2) {
        show_help();
        return EXIT_USAGE;
    }
    if (is_help(argv[1])) {
        show_help();
        return EXIT_DONE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("weft %s\n", weft_version());
        return EXIT_DONE;
    }
    const command *c = find_command(commands, argv[1]);
    if (!c)
        return complain_command(commands, argv[1]);
    if (!c->commands)
        return run_parsed(c, c->name, argc - 1, argv + 1);
    if (argc < 3 || is_help(argv[2])) {
        show_command_help(c, c->name);
        return argc < 3 ? EXIT_USAGE : EXIT_DONE;
    }
    const command *own = find_command(c->commands, argv[2]);
    if (!own)
        return complain_command(c->commands, argv[2]);
    char path[64];
    snprintf(path, sizeof path, "%s %s", c->name, own->name);
    return run_parsed(own, path, argc - 2, argv + 2);
}
