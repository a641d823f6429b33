/* A bar on terminals, clean lines elsewhere. */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/cli.h"

typedef struct trial_progress {
    double work; /* epochs to do */
    double done; /* epochs done, with fractions */
    double loss;
    size_t epochs;
    const char *name; /* of a running one; NULL: it waits, or is over */
    bool over;
} trial_progress;

struct progress {
    bool quiet, bar;
    double begin, drawn;
    double done_before; /* work that a resume found done */
    size_t n_trials;
    trial_progress trials[];
};

progress *progress_create(const double *work, size_t n_trials, bool quiet)
{
    progress *p = calloc(1, sizeof *p + n_trials * sizeof *p->trials);
    const char *term = getenv("TERM");
    if (!p)
        return NULL;
    p->quiet = quiet;
    p->bar = isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
    p->begin = now_seconds();
    p->n_trials = n_trials;
    for (size_t i = 0; i < n_trials; i++)
        p->trials[i].work = work[i];
    return p;
}

static void clear_bar(const progress *p)
{
    if (p->bar && !p->quiet)
        fputs("\r\033[K", stderr);
}

void progress_free(progress *p)
{
    if (p)
        clear_bar(p);
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

/* How wide the terminal is; 80 where it does not say. */
static size_t columns(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
}

static void draw_bar(progress *p)
{
    enum { CELLS = 20 };
    text line = {0};
    double work = 0, done = 0;
    size_t over = 0;
    for (size_t i = 0; i < p->n_trials; i++) {
        work += p->trials[i].work;
        done += p->trials[i].done;
        over += p->trials[i].over;
    }
    const double share = work > 0 ? done / work : 1, elapsed = now_seconds() - p->begin, now_done = done - p->done_before;
    if (p->n_trials > 1)
        text_printf(&line, "%zu/%zu done ", over, p->n_trials);
    text_add(&line, "[");
    for (int i = 0; i < CELLS; i++)
        text_add(&line, i < (int)(share * CELLS) ? "#" : ".");
    text_printf(&line, "] %3.0f %%", 100 * share);
    if (now_done > 0) {
        text_add(&line, "  ");
        add_duration(&line, elapsed * (work - done) / now_done);
        text_add(&line, " left");
    }
    for (size_t i = 0; i < p->n_trials; i++) {
        const trial_progress *t = &p->trials[i];
        if (!t->name)
            continue;
        text_add(&line, " | ");
        text_add_escaped(&line, t->name);
        text_printf(&line, "%sepoch %zu/%zu loss %.4f", *t->name ? " " : "", MIN((size_t)t->done + 1, t->epochs), t->epochs, t->loss);
    }
    clear_bar(p);
    if (line.data)
        fprintf(stderr, "%.*s", (int)MIN(line.length, columns() - 1), line.data);
    fflush(stderr);
    text_free(&line);
    p->drawn = now_seconds();
}

static void print_epoch(const progress *p, const char *name, const run *r)
{
    const weft_metrics *m = &r->metrics;
    const char *score = known_tasks[m->task].score;
    char training[32], validation[32];
    text line = {0};
    text_add_escaped(&line, name);
    text_printf(&line, "%sepoch %*zu/%zu  loss %.4f  %s %8s  validation: loss %.4f  %s %8s", *name ? ": " : "",
                snprintf(NULL, 0, "%zu", r->settings->train.epochs), m->epoch, r->settings->train.epochs, m->train_loss, score,
                score_print(m->task, metrics_score(m, WEFT_TRAIN), training), m->val_loss, score,
                score_print(m->task, metrics_score(m, WEFT_TEST), validation));
    if (strcmp(r->settings->schedule_text, "none") != 0)
        text_printf(&line, "  lr %.3g", m->lr);
    text_printf(&line, "  %.2f s%s\n", m->train_seconds + m->eval_seconds, r->best.epoch == m->epoch ? "  best so far" : "");
    clear_bar(p);
    if (line.data)
        fputs(line.data, stderr);
    text_free(&line);
}

static void print_end(const progress *p, const char *name, const run *r)
{
    if (r->status == RUN_DONE)
        return;
    clear_bar(p);
    fprintf(stderr, "%s%s%s at step %llu\n", name, *name ? ": " : "", r->status == RUN_DIVERGED ? "diverged" : "stopped",
            (unsigned long long)r->step);
}

void progress_hear(progress *p, size_t trial, const char *name, const run *r, event_kind event)
{
    trial_progress *t = &p->trials[trial];
    if (p->quiet)
        return;
    const double steps = (double)trainer_steps_per_epoch(r->trainer);
    t->name = event == EVENT_END ? NULL : name;
    t->epochs = r->settings->train.epochs;
    t->loss = r->loss;
    t->done = (double)r->trainer->epoch + (double)r->trainer->step_of_epoch / steps;
    if (event == EVENT_BEGIN)
        p->done_before += t->done;
    if (event == EVENT_EPOCH)
        print_epoch(p, name, r);
    if (event == EVENT_END) {
        t->over = true;
        t->work = t->done; /* it may have ended early */
        print_end(p, name, r);
    }
    if (p->bar && now_seconds() - p->drawn >= 0.1)
        draw_bar(p);
}
