/* What is shown on stderr while trials run: on a terminal a live area, erased at the end; clean lines elsewhere. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/cli.h"

enum { ALL_CELLS = 20, TRIAL_CELLS = 8 }; /* of bars */
enum { WITH_BARS = 72 }; /* columns that a terminal has which has room for them */

typedef struct trial_progress {
    char *name; /* fit for a terminal */
    expected expected;
    enum { TRIAL_TO_COME, TRIAL_AT_WORK, TRIAL_OVER } state;
    double epochs_done, before, whole; /* with fractions: now, when it began here, of all its run */
    size_t epochs;
    bool begun;
    double began, took_before, took_s; /* when it began to run, how long it had then, and has now: it may pause */
    double loss, score;   /* of the last step; of the last epoch, NaN before */
    weft_task task;
    double kind_work, kind_s; /* of the kind whose number is this trial's index: what was done of its trials here, and in how long */
} trial_progress;

struct progress {
    bool quiet, live;
    double begin, drawn;
    size_t columns, rows; /* of the terminal */
    size_t lines; /* that the area has on it now */
    size_t widest; /* of the names, in characters */
    size_t lanes; /* the most that ran at a time */
    size_t best;  /* the trial with the best score so far */
    double best_score;
    size_t n_trials;
    trial_progress trials[];
};

progress *progress_create(size_t n_trials, bool quiet)
{
    progress *p = calloc(1, sizeof *p + n_trials * sizeof *p->trials);
    const char *term = getenv("TERM");
    if (!p)
        return NULL;
    p->quiet = quiet;
    p->live = !quiet && isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
    p->begin = now_seconds();
    p->best_score = NAN;
    p->n_trials = n_trials;
    return p;
}

static size_t characters(const char *string, size_t bytes)
{
    size_t n = 0;
    for (size_t i = 0; i < bytes; i++)
        n += ((unsigned char)string[i] & 0xc0) != 0x80;
    return n;
}

/* As many bytes of a line as `most` characters have. */
static int fitting(const char *line, size_t most)
{
    size_t i = 0;
    for (size_t n = 0; line[i] && (n < most || ((unsigned char)line[i] & 0xc0) == 0x80); i++)
        n += ((unsigned char)line[i] & 0xc0) != 0x80;
    return (int)i;
}

static void note_score(progress *p, size_t trial, double score)
{
    if (!(score <= p->best_score) && isfinite(score)) {
        p->best = trial;
        p->best_score = score;
    }
}

bool progress_expect(progress *p, size_t trial, const expected *what)
{
    trial_progress *t = &p->trials[trial];
    text name = {0};
    text_add_escaped(&name, what->name);
    text_add(&name, "");
    *t = (trial_progress){.name = name.data, .expected = *what, .state = what->over ? TRIAL_OVER : TRIAL_TO_COME, .score = NAN,
                          .epochs_done = what->before, .before = what->before, .whole = INFINITY};
    note_score(p, trial, what->best);
    p->widest = MAX(p->widest, characters(name.data ? name.data : "", name.length));
    return !name.failed;
}

/* ---- The live area ---- */


static void clear_area(progress *p)
{
    if (p->lines > 1)
        fprintf(stderr, "\033[%zuA", p->lines - 1);
    if (p->lines)
        fputs("\r\033[J", stderr);
    p->lines = 0;
}

void progress_free(progress *p)
{
    if (!p)
        return;
    clear_area(p);
    for (size_t i = 0; i < p->n_trials; i++)
        free(p->trials[i].name);
    free(p);
}

static void add_duration(text *t, double seconds)
{
    const unsigned long s = (unsigned long)(seconds + 0.5);
    if (s >= 3600)
        text_printf(t, "%lu h %02lu min", s / 3600, s / 60 % 60);
    else if (s >= 60)
        text_printf(t, "%lu min %02lu s", s / 60, s % 60);
    else
        text_printf(t, "%lu s", s);
}

/* 80 x 24 where the terminal does not say. */
static void measure_terminal(progress *p)
{
    struct winsize size = {0};
    ioctl(STDERR_FILENO, TIOCGWINSZ, &size);
    p->columns = size.ws_col ? size.ws_col : 80;
    p->rows = size.ws_row ? size.ws_row : 24;
}

/* What was done here, and what is likely to be left. */
static double work_done(const trial_progress *t) { return t->expected.work * (t->epochs_done - t->before); }

static double work_left(const trial_progress *t)
{
    return t->state == TRIAL_OVER ? 0 : t->expected.work * fmax(fmin(t->expected.goal, t->whole) - t->epochs_done, 0);
}

/* How long a unit of work takes, measured on the trials of each kind; returns that of all together, NaN: nothing was done yet. */
static double measure_pace(progress *p)
{
    double work = 0, took_s = 0;
    for (size_t i = 0; i < p->n_trials; i++)
        p->trials[i].kind_work = p->trials[i].kind_s = 0;
    for (size_t i = 0; i < p->n_trials; i++) {
        const trial_progress *t = &p->trials[i];
        const double done = t->took_s > 0 ? work_done(t) : 0;
        p->trials[t->expected.kind].kind_work += done;
        p->trials[t->expected.kind].kind_s += done > 0 ? t->took_s : 0;
        work += done;
        took_s += done > 0 ? t->took_s : 0;
    }
    return work > 0 ? took_s / work : NAN;
}

/* All that is left, shared out among as many as run at a time; but at least as long as the longest of them takes. NaN: nothing is known. */
static double seconds_left(progress *p)
{
    double all = 0, longest = 0;
    const double usual = measure_pace(p);
    for (size_t i = 0; i < p->n_trials; i++) {
        const trial_progress *t = &p->trials[i], *kind = &p->trials[t->expected.kind];
        const double pace = kind->kind_work > 0 ? kind->kind_s / kind->kind_work : usual;
        const double seconds = pace * work_left(t);
        all += seconds;
        longest = fmax(longest, seconds);
    }
    return isnan(usual) ? NAN : fmax(longest, all / (double)MAX(p->lanes, 1));
}

static double share_of_all(const progress *p)
{
    double done = 0, left = 0;
    for (size_t i = 0; i < p->n_trials; i++) {
        done += work_done(&p->trials[i]);
        left += work_left(&p->trials[i]);
    }
    return left > 0 ? done / (done + left) : 1;
}

static void add_bar(const progress *p, text *line, int cells, double share)
{
    if (p->columns < WITH_BARS)
        return;
    text_add(line, "[");
    for (int i = 0; i < cells; i++)
        text_add(line, i < (int)(share * cells) ? "#" : ".");
    text_add(line, "] ");
}

static void add_header(progress *p, text *line)
{
    char score[32];
    size_t over = 0;
    const double share = share_of_all(p), left = seconds_left(p);
    for (size_t i = 0; i < p->n_trials; i++)
        over += p->trials[i].state == TRIAL_OVER;
    if (p->n_trials > 1)
        text_printf(line, "%zu/%zu done ", over, p->n_trials);
    add_bar(p, line, ALL_CELLS, share);
    text_printf(line, "%3.0f %%", 100 * share);
    if (isfinite(left)) {
        text_add(line, "  ");
        add_duration(line, left);
        text_add(line, " left");
    }
    if (p->n_trials > 1) {
        text_add(line, " after ");
        add_duration(line, now_seconds() - p->begin);
    }
    if (p->n_trials > 1 && isfinite(p->best_score))
        text_printf(line, "  best %s (%s)", score_print(p->trials[p->best].task, p->best_score, score), p->trials[p->best].name);
}

static void add_epoch(const trial_progress *t, text *line)
{
    char score[32];
    text_printf(line, "epoch %zu/%zu  loss %.4f", MIN((size_t)t->epochs_done + 1, t->epochs), t->epochs, t->loss);
    if (isfinite(t->score))
        text_printf(line, "  %s %s", known_tasks[t->task].score, score_print(t->task, t->score, score));
}

/* A line that breaks would be counted as one. */
static void print_line(progress *p, text *line)
{
    if (line->data)
        fprintf(stderr, "%s%.*s", p->lines++ ? "\n" : "", fitting(line->data, p->columns - 1), line->data);
    text_free(line);
}

/* What a trial's line begins with: its name, as wide as all of them, but at most a quarter of the line; of a long one its middle is left out, for
 * the seed stands at its end. */
static void add_name(const progress *p, text *line, const char *name)
{
    enum { TAIL = 8 };
    const size_t width = MIN(p->widest, MAX(p->columns / 4, TAIL + 3)), length = characters(name, strlen(name));
    if (length <= width)
        text_printf(line, "  %s%*s  ", name, (int)(width - length), "");
    else
        text_printf(line, "  %.*s..%s  ", fitting(name, width - TAIL - 2), name, name + fitting(name, length - TAIL));
}

/* A single run is a line; several have one each below that of them all, as far as the terminal is high. */
static void draw_area(progress *p)
{
    text line = {0};
    size_t more = 0;
    measure_terminal(p);
    clear_area(p);
    add_header(p, &line);
    if (p->n_trials == 1) {
        text_add(&line, " | ");
        add_epoch(&p->trials[0], &line);
    }
    print_line(p, &line);
    for (size_t i = 0; i < p->n_trials && p->n_trials > 1; i++) {
        const trial_progress *t = &p->trials[i];
        if (t->state != TRIAL_AT_WORK)
            continue;
        if (p->lines + 2 >= p->rows) { /* the last one is for what stays */
            more++;
            continue;
        }
        add_name(p, &line, t->name);
        add_bar(p, &line, TRIAL_CELLS, t->whole > 0 ? t->epochs_done / t->whole : 1);
        add_epoch(t, &line);
        print_line(p, &line);
    }
    if (more) {
        text_printf(&line, "  and %zu more", more);
        print_line(p, &line);
    }
    fflush(stderr);
    p->drawn = now_seconds();
}

/* ---- Lines that stay ---- */

static void add_prefix(text *line, const trial_progress *t) { text_printf(line, "%s%s", t->name, *t->name ? ": " : ""); }

static void print_staying(progress *p, text *line)
{
    clear_area(p);
    if (line->data)
        fputs(line->data, stderr);
    text_free(line);
}

static void print_epoch(progress *p, const trial_progress *t, const run *r)
{
    const weft_metrics *m = &r->metrics;
    const char *score = known_tasks[m->task].score;
    char training[32], validation[32];
    text line = {0};
    add_prefix(&line, t);
    text_printf(&line, "epoch %*zu/%zu  loss %.4f  %s %8s  validation: loss %.4f  %s %8s",
                snprintf(NULL, 0, "%zu", r->settings->train.epochs), m->epoch, r->settings->train.epochs, m->train_loss, score,
                score_print(m->task, metrics_score(m, WEFT_TRAIN), training), m->val_loss, score,
                score_print(m->task, metrics_score(m, WEFT_TEST), validation));
    if (strcmp(r->settings->schedule_text, "none") != 0)
        text_printf(&line, "  lr %.3g", m->lr);
    text_printf(&line, "  %.2f s%s\n", m->train_seconds + m->eval_seconds, r->best.epoch == m->epoch ? "  best so far" : "");
    print_staying(p, &line);
}

/* How it ended; where there was an epoch's line for each that is said already. */
static void print_end(progress *p, const trial_progress *t, const run *r)
{
    static const char *const names[] = {[RUN_DONE] = "done", [RUN_DIVERGED] = "diverged", [RUN_STOPPED] = "stopped"};
    const bool summed_up = p->live && p->n_trials > 1;
    char score[32];
    text line = {0};
    if (r->status == RUN_DONE && !summed_up)
        return;
    add_prefix(&line, t);
    text_add(&line, names[r->status]);
    if (r->status != RUN_DONE)
        text_printf(&line, " at step %llu", (unsigned long long)r->step + (r->status == RUN_DIVERGED)); /* the one that failed is not counted */
    if (summed_up && isfinite(t->score))
        text_printf(&line, "  epoch %zu/%zu  validation %s %s", r->metrics.epoch, t->epochs, known_tasks[t->task].score,
                    score_print(t->task, t->score, score));
    if (summed_up) {
        text_add(&line, "  ");
        add_duration(&line, t->took_s);
    }
    text_add(&line, "\n");
    print_staying(p, &line);
}

/* Also where nothing else is shown. */
static void print_warning(progress *p, const trial_progress *t, const run *r)
{
    text line = {0};
    clear_area(p);
    add_prefix(&line, t);
    text_add(&line, r->warning);
    if (!line.failed)
        print_warnings(line.data);
    text_free(&line);
}

/* ---- Events ---- */

static void take_note(progress *p, trial_progress *t, const run *r, event_kind event)
{
    const size_t most_steps = r->settings->train.max_steps;
    const double steps = (double)trainer_steps_per_epoch(r->trainer);
    size_t at_work = 0;
    t->task = r->trainer->task;
    t->epochs = r->settings->train.epochs;
    t->loss = r->loss;
    t->whole = most_steps ? fmin((double)t->epochs, (double)most_steps / steps) : (double)t->epochs;
    /* An epoch that was cut counts as a whole one when it ends. */
    t->epochs_done = fmin((double)r->trainer->epoch + (double)r->trainer->step_of_epoch / steps, t->whole);
    if (event == EVENT_BEGIN) {
        t->state = TRIAL_AT_WORK;
        t->before = t->begun ? t->before : t->epochs_done;
        t->begun = true;
        t->began = now_seconds();
        t->took_before = t->took_s;
    }
    t->took_s = t->took_before + now_seconds() - t->began;
    if (event == EVENT_EPOCH) {
        t->score = metrics_score(&r->metrics, WEFT_TEST);
        note_score(p, (size_t)(t - p->trials), t->score);
    }
    if (event == EVENT_END)
        t->state = TRIAL_OVER; /* maybe early */
    for (size_t i = 0; i < p->n_trials; i++)
        at_work += p->trials[i].state == TRIAL_AT_WORK;
    p->lanes = MAX(p->lanes, at_work);
}

void progress_goal(progress *p, size_t trial, double goal) { p->trials[trial].expected.goal = goal; }

void progress_rest(progress *p, size_t trial, bool is_over)
{
    p->trials[trial].state = is_over ? TRIAL_OVER : TRIAL_TO_COME;
}

void progress_hear(progress *p, size_t trial, const run *r, event_kind event)
{
    trial_progress *t = &p->trials[trial];
    if (event == EVENT_WARN)
        print_warning(p, t, r);
    if (p->quiet || event == EVENT_WARN)
        return;
    take_note(p, t, r, event);
    if (event == EVENT_EPOCH && !(p->live && p->n_trials > 1))
        print_epoch(p, t, r);
    if (event == EVENT_END)
        print_end(p, t, r);
    if (p->live && now_seconds() - p->drawn >= 0.1)
        draw_area(p);
}
