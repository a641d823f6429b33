/* weft verify: whether this build, on this machine, makes the published bits. */
#include <jansson.h>
#include <string.h>

#include "cli/cli.h"
#include "verify/verify.h"

enum { SHOWN = 5 }; /* differences of a team, in words */

static const option_spec options[] = {
    {0, "threads", "N", "with so many threads alone; default: with 1, 2, 3 and 8", OPTION_NUMBER, offsetof(args, threads), 1, MAX_THREADS},
    {0, "against", "FILE", "the table that another machine or version printed, instead of the published one", OPTION_TEXT,
     offsetof(args, against), 0, 0},
    {0, "print", NULL, "print the table of the bits that are made here, and hold them against nothing", OPTION_FLAG, offsetof(args, print), 0, 0},
    OPTION_JSON,
    OPTION_HELP,
    {0},
};

static const int all_teams[] = {1, 2, 3, 8};

/* What was held against the table, and what came of it. */
typedef struct outcome {
    bool json;
    json_t *list;
    size_t n, n_failed;
} outcome;

static void add_element(const difference *d, text *t)
{
    size_t rest = shape_numbers(&d->shape), at = d->element;
    for (size_t i = 0; i < d->shape.n_dims; i++) {
        rest /= d->shape.dims[i];
        text_printf(t, "%s%zu", i ? ", " : "[", at / rest);
        at %= rest;
    }
    text_add(t, d->shape.n_dims ? "]" : "");
}

static void print_difference(const difference *d)
{
    text where = {0};
    if (d->tensor)
        add_element(d, &where);
    printf("  %s: ", d->exercise);
    if (d->step)
        printf("step %llu%s: ", (unsigned long long)d->step, d->epoch ? ", after the epoch's evaluation" : "");
    if (d->tensor)
        printf("%s%s%s is %s, which is not the number of the table\n", d->tensor, where.length ? " " : "", where.length ? where.data : "", d->what);
    else
        printf("%s\n", d->what);
    text_free(&where);
}

static void print_verdict(const verdict *v)
{
    printf("%-5s %4d thread%s  %zu trainings, bits %.16s", isa_name(v->level), v->threads, v->threads == 1 ? " " : "s", v->n_exercises, v->sha256);
    if (!v->n_differences)
        printf("  as published\n");
    else
        printf("  %zu of them differ\n", v->n_differences);
    for (size_t i = 0; i < MIN(v->n_differences, (size_t)SHOWN); i++)
        print_difference(&v->differences[i]);
    if (v->n_differences > SHOWN)
        printf("  … and %zu more, which --json lists\n", v->n_differences - SHOWN);
    fflush(stdout);
}

static json_t *difference_json(const difference *d)
{
    json_t *element = json_array();
    size_t rest = shape_numbers(&d->shape), at = d->element;
    for (size_t i = 0; d->tensor && i < d->shape.n_dims; i++) {
        rest /= d->shape.dims[i];
        json_array_append_new(element, json_integer((json_int_t)(at / rest)));
        at %= rest;
    }
    return json_pack("{s:s, s:I, s:I, s:s?, s:o, s:s}", "training", d->exercise, "step", (json_int_t)d->step, "epoch", (json_int_t)d->epoch, "tensor",
                     d->tensor, "element", element, d->tensor ? "value" : "what", d->what);
}

static json_t *verdict_json(const verdict *v)
{
    json_t *differences = json_array();
    for (size_t i = 0; i < v->n_differences; i++)
        json_array_append_new(differences, difference_json(&v->differences[i]));
    return json_pack("{s:s, s:i, s:s, s:I, s:b, s:s, s:o}", "isa", isa_name(v->level), "threads", v->threads, "kind",
                     bits_kind_name(bits_kind_of(v->level)), "trainings", (json_int_t)v->n_exercises, "pass", v->n_differences == 0, "sha256",
                     v->sha256, "differences", differences);
}

static weft_status verify_team(const bits_table *table, const exercise_list *exercises, isa level, int threads, outcome *out, weft_error *err)
{
    arena a = {0};
    verdict v;
    const weft_status status = verify(table, exercises, level, threads, &v, &a, err);
    if (status == WEFT_OK) {
        out->n++;
        out->n_failed += v.n_differences > 0;
        json_begin();
        if (out->json)
            json_array_append_new(out->list, verdict_json(&v));
        else
            print_verdict(&v);
    }
    arena_deinit(&a);
    if (status == WEFT_OK && !json_whole())
        return fail_memory(err);
    return status;
}

static weft_status verify_all(const args *a, const bits_table *table, outcome *out, weft_error *err)
{
    exercise_list exercises;
    arena memory = {0};
    const int one[] = {(int)a->threads}, *teams = a->threads ? one : all_teams;
    weft_status status = exercises_list(&exercises, &memory, err);
    for (isa level = 0; level < N_ISAS; level++)
        for (size_t i = 0; i < (a->threads ? 1 : COUNT(all_teams)) && status == WEFT_OK; i++)
            if (isa_runs_here(level) && table->kinds[bits_kind_of(level)].n)
                status = verify_team(table, &exercises, level, teams[i], out, err);
    arena_deinit(&memory);
    return status;
}

static int end(const args *a, outcome *out)
{
    const bool pass = out->n && !out->n_failed;
    if (a->json) {
        json_begin();
        if (print_built(json_pack("{s:s, s:b, s:O}", "version", weft_version(), "pass", pass, "runs", out->list), JSON_INDENT(2)) != EXIT_DONE)
            return EXIT_FAILED;
    } else if (!out->n)
        printf("FAIL: the table has no bits of the kinds of arithmetic that this CPU has\n");
    else if (!pass)
        printf("FAIL: %zu of %zu runs over all trainings made other bits; a model trained here may not be the one that is trained elsewhere\n",
               out->n_failed, out->n);
    else
        printf("PASS: every step of every training has the published bits\n");
    return pass ? EXIT_DONE : EXIT_FAILED;
}

static int print_table(void)
{
    weft_error err = {0};
    text t = {0};
    const weft_status status = bits_write(&t, &err);
    if (status == WEFT_OK)
        fwrite(t.data, 1, t.length, stdout);
    text_free(&t);
    return status == WEFT_OK ? EXIT_DONE : complain(&err);
}

static int run_it(args *a)
{
    weft_error err = {0};
    bits_table table;
    isa level;
    if (!isa_choose(&level, &err)) /* whether there is any to verify */
        return complain(&err);
    if (a->print)
        return print_table();
    weft_status status = a->against ? bits_read(&table, a->against, &a->memory, &err) : bits_published(&table, &a->memory, &err);
    outcome out = {.json = a->json, .list = json_array()};
    if (status == WEFT_OK)
        status = verify_all(a, &table, &out, &err);
    const int code = status == WEFT_OK ? end(a, &out) : complain(&err);
    json_decref(out.list);
    return code;
}

const command cmd_verify = {
    .name = "verify",
    .words = NULL,
    .help = "whether this machine makes the published bits: small trainings of every layer, loss, optimizer and schedule, number by number",
    .examples = "  weft verify                       on every instruction set that this CPU has, with 1, 2, 3 and 8 threads\n"
                "  weft verify --threads 4 --json    for programs\n"
                "  weft verify --print > here.txt    and on another machine: weft verify --against here.txt\n",
    .max_words = 0,
    .options = options,
    .run = run_it,
};
