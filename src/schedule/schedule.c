/* The list of schedules, made by the build from the files of this folder, and a schedule at work: by step or by epoch, behind a warm-up. */
#include <sleef.h>
#include <string.h>

#include "schedule/schedule.h"

#define X(name) extern const schedule schedule_##name;
#include "gen/schedule.inc"
#undef X

#define X(name) &schedule_##name,
const schedule *const schedule_table[] = {
#include "gen/schedule.inc"
    NULL};
#undef X

static const char *const units[] = {"epoch", "step", NULL};

const field schedule_common_fields[] = {
    {"by", FIELD_TEXT, offsetof(schedule_common, by), 0, .text = "epoch", .words = units,
     .help = "what it counts: step or epoch; none, one_cycle_lr and cyclic_lr count steps if they are not told"},
    {"warmup", FIELD_SIZE, offsetof(schedule_common, warmup), 0, .min = 0, .max = 1e18,
     .help = "so many steps or epochs, before the schedule begins, in which the rate rises to the schedule's first one, in a line"},
    {"warmup_start", FIELD_REAL, offsetof(schedule_common, warmup_start), 0, .min = 0, .max = 1, .value = {1.0 / 3},
     .help = "the share of that rate which the warm-up begins with"},
    {0},
};

const schedule *schedule_find(const char *name)
{
    for (const schedule *const *s = schedule_table; *s; s++)
        if (strcmp((*s)->name, name) == 0)
            return *s;
    return NULL;
}

/* ---- Reading ---- */

static weft_status refuse(const setting *name, weft_error *err)
{
    const char *names[64];
    size_t n = 0;
    for (const schedule *const *s = schedule_table; *s && n < COUNT(names); s++)
        names[n++] = (*s)->name;
    return fail_unknown(err, name->at, "schedule", name->text, names, n, sizeof *names);
}

static weft_status find_kind(const schedule **kind, const setting *map, weft_error *err)
{
    const setting *name = map->kind == SETTING_MAP ? setting_find(map, "name") : NULL;
    if (!name || name->kind != SETTING_SCALAR)
        return fail(err, WEFT_BAD_INPUT, map->at, "a schedule is written as {name: step_lr, step_size: 10}");
    *kind = schedule_find(name->text);
    return *kind ? WEFT_OK : refuse(name, err);
}

/* `values` is what the table describes, `fields` the kind's part of it. */
static weft_status read_fields(const schedule *kind, const field *table, void *values, void *fields, const setting *map, arena *a,
                               weft_error *err)
{
    static const char *const skip[] = {"name", NULL};
    const char *what = arena_printf(a, "schedule %s", kind->name);
    if (!what)
        return fail_memory(err);
    TRY(fields_read(table, map, what, skip, values, a, err));
    return kind->complete ? kind->complete(fields, map, a, err) : WEFT_OK;
}

weft_status schedule_read(const schedule **kind, void **fields, const setting *map, arena *a, weft_error *err)
{
    TRY(find_kind(kind, map, err));
    *fields = arena_alloc(a, MAX((*kind)->fields_bytes, 1));
    return *fields ? read_fields(*kind, (*kind)->fields, *fields, *fields, map, a, err) : fail_memory(err);
}

static size_t common_offset(const schedule *kind) { return round_up(kind->fields_bytes, sizeof(double)); }

const field *scheduler_table(const schedule *kind, void **values, arena *a)
{
    field *table = fields_join(kind->fields, schedule_common_fields, common_offset(kind), a);
    *values = arena_alloc(a, common_offset(kind) + sizeof(schedule_common));
    if (!table || !*values)
        return NULL;
    table[fields_count(kind->fields)].text = units[kind->by_step];
    return table;
}

static const schedule_common *common_of(const scheduler *s)
{
    return const_member_of(s->values, common_offset(s->kind));
}

static bool counts_steps(const scheduler *s) { return strcmp(common_of(s)->by, "step") == 0; }

weft_status scheduler_read(scheduler *s, const setting *map, arena *a, weft_error *err)
{
    *s = (scheduler){0};
    TRY(find_kind(&s->kind, map, err));
    s->table = scheduler_table(s->kind, &s->values, a);
    if (!s->table)
        return fail_memory(err);
    TRY(read_fields(s->kind, s->table, s->values, s->values, map, a, err));
    if (s->kind->learn && counts_steps(s))
        return fail(err, WEFT_BAD_INPUT, schedule_place(map, "by"), "%s looks at what is known after an epoch, and cannot go by step",
                    s->kind->name);
    return WEFT_OK;
}

where schedule_place(const setting *map, const char *key)
{
    const setting *s = setting_find(map, key);
    return s ? s->at : map->at;
}

const char *scheduler_text(const scheduler *s, arena *a) { return fields_spec(s->kind->name, s->table, s->values, false, a); }

/* ---- At work ---- */

weft_status scheduler_fit(scheduler *s, uint64_t steps, uint64_t steps_per_epoch, where at, weft_error *err)
{
    const schedule_common *common = common_of(s);
    const bool by_step = counts_steps(s);
    if (!by_step && !steps_per_epoch)
        return fail(err, WEFT_BAD_INPUT, at, "without a data set there are no epochs for %s to go by; write by=step", s->kind->name);
    const uint64_t length = by_step ? steps : steps / steps_per_epoch + (steps % steps_per_epoch > 0);
    return s->kind->fit ? s->kind->fit(s->values, length > common->warmup ? length - common->warmup : 0, at, err) : WEFT_OK;
}

void scheduler_begin(scheduler *s, double base_lr) { s->state.lr = base_lr; }

static uint64_t count(const scheduler *s, uint64_t steps, uint64_t epochs) { return counts_steps(s) ? steps : epochs; }

double scheduler_rate(const scheduler *s, uint64_t steps, uint64_t epochs)
{
    const schedule_common *common = common_of(s);
    const uint64_t t = count(s, steps, epochs);
    const bool warm = t >= common->warmup;
    const double rate = s->kind->rate(s->values, s->state.lr, warm ? t - common->warmup : 0);
    return warm ? rate : (double)(rate * glide_line(common->warmup_start, 1, (wide)t / common->warmup));
}

double scheduler_momentum(const scheduler *s, uint64_t steps, uint64_t epochs)
{
    const schedule_common *common = common_of(s);
    const uint64_t t = count(s, steps, epochs);
    return s->kind->momentum ? s->kind->momentum(s->values, t > common->warmup ? t - common->warmup : 0) : -1;
}

const char *scheduler_watches(const scheduler *s) { return s->kind->watches ? s->kind->watches(s->values) : NULL; }

void scheduler_learn(scheduler *s, const weft_metrics *m)
{
    if (s->kind->learn && m->epoch > common_of(s)->warmup)
        s->kind->learn(s->values, &s->state, m);
}

/* ---- Curves ---- */

wide schedule_power(wide base, double exponent)
{
    uint64_t whole = (uint64_t)exponent;
    const double rest = exponent - (double)whole;
    wide result = rest > 0 ? Sleef_cinz_powd1_u10purec((double)base, rest) : 1;
    for (; whole; whole >>= 1) {
        if (whole & 1)
            result *= base;
        base *= base;
    }
    return result;
}

/* sin(pi x / 2) for x of 0..1: Taylor's series; the first term that is left out is below 2^-75 of the sum. */
static wide quarter_sine(wide x)
{
    enum { TERMS = 14 };
    const wide a = WIDE(1.57079632679489661923132169163975144209858469968755) * x, square = a * a;
    wide sum = 1;
    for (int k = 2 * TERMS - 2; k > 0; k -= 2)
        sum = 1 - sum * square / (k * (k + 1));
    return a * sum;
}

wide glide_line(wide from, wide to, wide x) { return from + (to - from) * x; }

/* (1 + cos(pi x)) / 2 of the way is left: a square, and 0 at the end */
wide glide_cosine(wide from, wide to, wide x)
{
    const wide sine = quarter_sine(1 - x);
    return glide_line(to, from, sine * sine);
}
