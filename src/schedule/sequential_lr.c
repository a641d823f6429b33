/* torch.optim.lr_scheduler.SequentialLR */
#include "schedule/schedule.h"

typedef struct part {
    const schedule *kind;
    void *fields;
} part;

typedef struct sequential_lr_fields {
    const setting *schedules; /* as written; when `parts` are read, a text for each with all of its settings */
    size_list milestones;
    part *parts; /* [milestones.n + 1] */
} sequential_lr_fields;

static const field fields[] = {
    {"schedules", FIELD_LIST, offsetof(sequential_lr_fields, schedules), FIELD_REQUIRED, .help = "schedules, one after the other"},
    {"milestones", FIELD_SIZES, offsetof(sequential_lr_fields, milestones), FIELD_REQUIRED, .min = 1, .max = 1e18,
     .help = "when the second one begins, and so on; each counts from its own beginning"},
    {0},
};

static const char *const cases[] = {"sequential_lr schedules=[\"linear_lr 0.1\", \"cosine_annealing_lr 20\"] milestones=[5]",
                                    "sequential_lr schedules=[\"constant_lr 0.5 total_iters=2\", \"exponential_lr 0.99\", \"step_lr 7 gamma=0.5\"] "
                                    "milestones=[3, 400]",
                                    "sequential_lr schedules=[\"exponential_lr 0.9\"] milestones=[]", NULL};

static weft_status read_part(part *p, const setting *item, arena *a, weft_error *err)
{
    const setting *map = item->kind == SETTING_SCALAR ? setting_from_spec(a, item->text, item->at, err) : item;
    if (!map)
        return WEFT_BAD_INPUT;
    TRY(schedule_read(&p->kind, &p->fields, map, a, err));
    if (p->kind->learn)
        return fail(err, WEFT_BAD_INPUT, map->at, "%s has no end that is known, and cannot be a part of sequential_lr", p->kind->name);
    if (p->kind->momentum && p->kind->momentum(p->fields, 0) >= 0)
        return fail(err, WEFT_BAD_INPUT, map->at, "a part of sequential_lr cannot move the momentum; write cycle_momentum: false");
    return WEFT_OK;
}

/* The part as one text, every default written out. */
static weft_status write_part(setting *to, const part *p, where at, arena *a, weft_error *err)
{
    text t = {0};
    text_printf(&t, "%s%s", p->kind->name, p->kind->fields->name ? " " : "");
    fields_print(p->kind->fields, p->fields, "%s=%s", " ", &t);
    *to = (setting){SETTING_SCALAR, .text = t.failed ? NULL : arena_text(a, t.data), .at = at, .key_at = at};
    text_free(&t);
    return to->text ? WEFT_OK : fail_memory(err);
}

static weft_status check_milestones(const sequential_lr_fields *f, size_t n, const setting *map, weft_error *err)
{
    const where at = schedule_place(map, "milestones");
    if (f->milestones.n + 1 != n)
        return fail(err, WEFT_BAD_INPUT, at, "%zu schedules have %zu milestones between them, not %zu", n, n - 1, f->milestones.n);
    for (size_t i = 1; i < f->milestones.n; i++)
        if (f->milestones.at[i] <= f->milestones.at[i - 1])
            return fail(err, WEFT_BAD_INPUT, at, "milestones of sequential_lr must rise, but %zu comes behind %zu", f->milestones.at[i],
                        f->milestones.at[i - 1]);
    return WEFT_OK;
}

static weft_status complete(void *fields_in, const setting *map, arena *a, weft_error *err)
{
    sequential_lr_fields *f = fields_in;
    size_t n = 0, i = 0;
    weft_status status = WEFT_OK;
    for (const setting *s = f->schedules->first; s; s = s->next)
        n++;
    if (!n)
        return fail(err, WEFT_BAD_INPUT, f->schedules->at, "there is no schedule in this list; the least is [linear_lr, step_lr 10]");
    TRY(check_milestones(f, n, map, err));
    setting *list = arena_array(a, n + 1, sizeof *list);
    f->parts = arena_array(a, n, sizeof *f->parts);
    if (!list || !f->parts)
        return fail_memory(err);
    list[0] = *f->schedules;
    for (const setting *s = f->schedules->first; s; s = s->next, i++) {
        weft_status one = read_part(&f->parts[i], s, a, err);
        if (one == WEFT_OK)
            one = write_part(&list[i + 1], &f->parts[i], s->at, a, err);
        if (one != WEFT_OK)
            status = one;
        *(i ? &list[i].next : &list[0].first) = &list[i + 1];
    }
    f->schedules = list;
    return status;
}

static uint64_t beginning(const sequential_lr_fields *f, size_t i) { return i ? f->milestones.at[i - 1] : 0; }

/* A part lasts until the next one begins, or until the training ends. */
static weft_status fit(void *fields_in, uint64_t length, where at, weft_error *err)
{
    sequential_lr_fields *f = fields_in;
    for (size_t i = 0; i <= f->milestones.n; i++) {
        const uint64_t end = i < f->milestones.n ? beginning(f, i + 1) : length, begin = beginning(f, i);
        if (f->parts[i].kind->fit)
            TRY(f->parts[i].kind->fit(f->parts[i].fields, end > begin ? end - begin : 0, at, err));
    }
    return WEFT_OK;
}

static double rate(const void *fields_in, double base_lr, uint64_t t)
{
    const sequential_lr_fields *f = fields_in;
    size_t i = f->milestones.n;
    while (t < beginning(f, i))
        i--;
    return f->parts[i].kind->rate(f->parts[i].fields, base_lr, t - beginning(f, i));
}

const schedule schedule_sequential_lr = {
    .name = "sequential_lr",
    .help = "several schedules, one after the other",
    .formula = "milestones[i] <= t < milestones[i + 1]: schedule i + 1 at t - milestones[i]",
    .fields = fields,
    .fields_bytes = sizeof(sequential_lr_fields),
    .cases = cases,
    .complete = complete,
    .fit = fit,
    .rate = rate,
};
