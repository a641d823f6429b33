/* Comparisons: many runs, their folders, and what happens when some of them fail. */
#include "test.h"

#include <stdatomic.h>
#include <zlib.h>

#include "lab_files.h"

/* A data set of 40 pictures of 2 x 2 pixels, in which a class is a bright pixel. */
static void write_set(const char *name)
{
    static const char *const stems[] = {"train", "t10k"};
    unsigned char images[16 + 40 * 4] = {0, 0, 8, 3, 0, 0, 0, 40, 0, 0, 0, 2, 0, 0, 0, 2};
    unsigned char labels[8 + 40] = {0, 0, 8, 1, 0, 0, 0, 40};
    char file[256];
    for (size_t i = 0; i < 40; i++) {
        labels[8 + i] = i % 4;
        images[16 + 4 * i + i % 4] = (unsigned char)(150 + i);
    }
    assert_int_equal(mkdir(name, 0700), 0);
    for (size_t i = 0; i < COUNT(stems); i++) {
        snprintf(file, sizeof file, "%s/%s-images-idx3-ubyte", name, stems[i]);
        write_bytes(file, images, sizeof images);
        snprintf(file, sizeof file, "%s/%s-labels-idx1-ubyte", name, stems[i]);
        write_bytes(file, labels, sizeof labels);
    }
}

/* What a listener saw; `stop` is set when the first run ends. */
typedef struct seen {
    atomic_int inside, overlaps;
    int begun, ended, epochs, warned;
    char warnings[1024];
    bool stops;
    volatile sig_atomic_t stop;
} seen;

static void see(void *self, const comparison *c, const trial *t, const run *r, event_kind event)
{
    seen *s = self;
    s->overlaps += s->inside++ != 0;
    s->overlaps += t < c->trials || t >= c->trials + c->n_trials || t->state != TRIAL_RUNNING;
    s->overlaps += strcmp(t->folder, r->folder) != 0;
    s->begun += event == EVENT_BEGIN;
    s->epochs += event == EVENT_EPOCH;
    s->ended += event == EVENT_END;
    if (s->stops && event == EVENT_END)
        s->stop = 1;
    s->inside--;
}

static void see_warnings(void *self, const char *warnings)
{
    seen *s = self;
    assert_int_equal(s->begun, 0);
    s->warned++;
    snprintf(s->warnings, sizeof s->warnings, "%s", warnings);
}

static experiment *open_small(void)
{
    char set[128], yaml[512];
    snprintf(set, sizeof set, "%s/set", folder);
    if (!folder_exists(set))
        write_set(set);
    snprintf(yaml, sizeof yaml,
             "data: {set: %s, scale: 255}\nmodel: [linear 8, relu, linear 4]\ntrain: {epochs: 3, batch: 8}\n"
             "variants: {good: {}, broken: {data: {scale: 1e-9}, optimizer: sgd 1e9}, longer: {train: {epochs: 5}}}\n"
             "seeds: [1, 2]\n",
             set);
    return GOOD(yaml);
}

static void a_comparison_runs_all_and_goes_on_when_one_diverges(void **state)
{
    (void)state;
    static const int jobs[] = {1, 3};
    experiment *e = open_small();
    for (size_t j = 0; j < COUNT(jobs); j++) {
        comparison *c;
        seen s = {0};
        char out[128];
        snprintf(out, sizeof out, "%s/jobs-%d", folder, jobs[j]);
        compare_options o = {.folder = out,
                             .jobs = jobs[j],
                             .stop = &s.stop,
                             .warn = see_warnings,
                             .hear = see,
                             .self = &s};
        const weft_status status = compare_run(e, &o, &c, &err);
        if (status != WEFT_OK)
            print_error("%s\n", err.message);
        assert_int_equal(status, WEFT_OK);
        assert_int_equal(c->n_trials, 6);
        assert_int_equal(s.overlaps, 0);
        assert_int_equal(s.warned, 0);
        assert_int_equal(s.begun, 6);
        assert_int_equal(s.ended, 6);
        assert_int_equal(s.epochs, 2 * 3 + 2 * 5);
        for (size_t i = 0; i < 6; i++) {
            char name[256];
            assert_int_equal(c->trials[i].variant, i / 2);
            assert_int_equal(c->trials[i].seed, i % 2);
            assert_int_equal(c->trials[i].state, TRIAL_DONE);
            assert_int_equal(c->trials[i].status, i / 2 == 1 ? RUN_DIVERGED : RUN_DONE);
            assert_int_equal(c->trials[i].error.count > 0, i / 2 == 1);
            snprintf(name, sizeof name, "%s/%s/seed-%zu/run.json", out, e->variants[i / 2].slug, i % 2 + 1);
            assert_true(file_exists(name));
        }
        comparison_free(c);
    }
    experiment_close(e);
}

static void a_comparison_that_is_stopped_starts_no_more(void **state)
{
    (void)state;
    experiment *e = open_small();
    comparison *c;
    seen s = {.stops = true};
    compare_options o = {.folder = folder, .jobs = 1, .stop = &s.stop, .hear = see, .self = &s};
    assert_int_equal(compare_run(e, &o, &c, &err), WEFT_STOPPED);
    assert_int_equal(s.begun, 1);
    for (size_t i = 0; i < c->n_trials; i++) /* the longest one was the first */
        assert_int_equal(c->trials[i].state, i == 4 ? TRIAL_DONE : TRIAL_WAITING);
    comparison_free(c);
    experiment_close(e);
}

static void a_comparison_names_the_variant_that_does_not_fit(void **state)
{
    (void)state;
    char init[128], override[160];
    experiment_close(open_small());
    snprintf(init, sizeof init, "%s/init.safetensors", folder);
    write_bytes(init, "no", 2);
    snprintf(override, sizeof override, "variants.longer.train.init=%s", init);
    bytes file;
    assert_int_equal(file_read(path, MIB, &file, NULL), WEFT_OK);
    experiment *e = open_good(open_bytes((const char *)file.data, file.size, (const char *const[]){override, NULL}));
    bytes_free(&file);
    comparison *c;
    seen s = {0};
    assert_int_equal(compare_run(e, &(compare_options){.folder = folder, .hear = see, .self = &s}, &c, &err),
                     WEFT_BAD_INPUT);
    assert_null(c);
    assert_int_equal(s.begun, 0);
    assert_says("variant longer: ");
    experiment_close(e);
}

/* Gzips a file in its place, and pads it as tapes do. */
static void gzip_and_pad(const char *name)
{
    bytes file;
    assert_int_equal(file_read(name, MIB, &file, NULL), WEFT_OK);
    gzFile packed = gzopen(name, "wb");
    assert_int_equal(gzwrite(packed, file.data, (unsigned)file.size), file.size);
    assert_int_equal(gzclose(packed), Z_OK);
    assert_int_equal(file_append(name, "\0\0", 2, NULL), WEFT_OK);
    bytes_free(&file);
}

/* Two ways of reading a set are two sets, with one warning in common. */
static void a_comparison_tells_each_warning_once_before_anything_runs(void **state)
{
    (void)state;
    static const struct {
        const char *trailing, *overrides[2];
        size_t n_lines;
    } table[] = {
        {"", {"variants.longer.data.allow_trailing=true"}, 1},
        {"x", {"data.allow_trailing=true"}, 2},
    };
    char labels[128], images[128];
    experiment_close(open_small());
    snprintf(labels, sizeof labels, "%s/set/train-labels-idx1-ubyte", folder);
    snprintf(images, sizeof images, "%s/set/t10k-images-idx3-ubyte", folder);
    gzip_and_pad(labels);
    bytes yaml;
    assert_int_equal(file_read(path, MIB, &yaml, NULL), WEFT_OK);
    for (size_t i = 0; i < COUNT(table); i++) {
        assert_int_equal(file_append(images, table[i].trailing, strlen(table[i].trailing), NULL), WEFT_OK);
        experiment *e = open_good(open_bytes((const char *)yaml.data, yaml.size, table[i].overrides));
        comparison *c;
        seen s = {0};
        char out[128];
        snprintf(out, sizeof out, "%s/out-%zu", folder, i);
        compare_options o = {.folder = out, .warn = see_warnings, .hear = see, .self = &s};
        assert_int_equal(compare_run(e, &o, &c, &err), WEFT_OK);
        assert_int_equal(s.begun, 6);
        assert_int_equal(s.warned, 1);
        size_t n_lines = 1;
        for (const char *l = s.warnings; (l = strchr(l, '\n')); l++)
            n_lines++;
        assert_int_equal(n_lines, table[i].n_lines);
        assert_non_null(strstr(s.warnings, "2 zero bytes after the gzip data"));
        assert_int_equal(strstr(s.warnings, "data after the end is passed over") != NULL, i == 1);
        comparison_free(c);
        o.warn = NULL;
        assert_int_equal(compare_run(e, &o, &c, &err), WEFT_OK);
        comparison_free(c);
        experiment_close(e);
    }
    const char *const mixed[] = {"variants.good.data.allow_trailing=true", NULL}; /* and the others do not */
    experiment *e = open_good(open_bytes((const char *)yaml.data, yaml.size, mixed));
    comparison *c;
    assert_int_equal(compare_run(e, &(compare_options){.folder = folder, .force = true}, &c, &err), WEFT_BAD_INPUT);
    assert_says("--allow-trailing");
    experiment_close(e);
    bytes_free(&yaml);
}

/* ---- Going on ---- */

/* Compares the small experiment with these overrides; what is found of its six trials is in `found`. */
static weft_status compare_again(seen *s, bool force, size_t found[FOUND_OTHER + 1], const char *const *overrides)
{
    char out[128];
    bytes yaml;
    comparison *c;
    experiment_close(open_small());
    assert_int_equal(file_read(path, MIB, &yaml, NULL), WEFT_OK);
    experiment *e = open_good(open_bytes((const char *)yaml.data, yaml.size, overrides));
    bytes_free(&yaml);
    snprintf(out, sizeof out, "%s/out", folder);
    const weft_status status = compare_run(e, &(compare_options){.folder = out, .jobs = 1, .force = force, .hear = see, .stop = &s->stop, .self = s},
                                           &c, &err);
    for (size_t i = 0; c && i <= FOUND_OTHER; i++)
        found[i] = c->n_found[i];
    assert_int_equal(c != NULL, status != WEFT_BAD_INPUT);
    comparison_free(c);
    experiment_close(e);
    return status;
}

#define AGAIN(s, force, found, ...) compare_again(s, force, found, (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static void a_comparison_runs_only_what_is_missing(void **state)
{
    (void)state;
    size_t found[FOUND_OTHER + 1];
    seen first = {.stops = true}, rest = {0}, none = {0}, more = {0}, longer = {0};
    assert_int_equal(AGAIN(&first, false, found, "seeds=[1]"), WEFT_STOPPED);
    assert_int_equal(first.begun, 1);
    assert_int_equal(AGAIN(&rest, false, found, "seeds=[1]"), WEFT_OK);
    assert_int_equal(rest.begun, 2);
    assert_int_equal(found[FOUND_ALL], 1);
    assert_int_equal(AGAIN(&none, false, found, "seeds=[1]"), WEFT_OK);
    assert_int_equal(none.begun, 0);
    assert_int_equal(found[FOUND_ALL], 3);
    assert_int_equal(AGAIN(&more, false, found, ), WEFT_OK);
    assert_int_equal(more.begun, 3);
    assert_int_equal(found[FOUND_NOTHING], 3);
    assert_int_equal(AGAIN(&longer, false, found, "variants.good.train.epochs=4"), WEFT_OK);
    assert_int_equal(longer.begun, 2);
    assert_int_equal(longer.epochs, 2); /* of each the fourth */
    assert_int_equal(found[FOUND_PART], 2);
    assert_int_equal(found[FOUND_ALL], 4);
}

static void a_comparison_refuses_what_was_run_with_other_settings(void **state)
{
    (void)state;
    static const struct {
        const char *overrides[3], *said[3];
    } table[] = {
        {{"variants.good.optimizer.lr=0.5"}, {"/out/good/seed-1: ", "optimizer.lr was 0.01, is 0.5", "--force"}},
        {{"variants.good.optimizer.lr=0.5"}, {"/out/good/seed-2: "}},
        {{"variants.longer.train.batch=4", "model=[linear 9, relu, linear 4]"},
         {"model was linear 8, relu, linear 4, is linear 9, relu, linear 4", "train.batch was 8, is 4"}},
        {{"variants.longer.train.epochs=4"}, {"/out/longer/seed-1: ", "train.epochs was 5, is 4"}},
        {{"variants.good.optimizer=adam"}, {"optimizer was sgd, is adam; optimizer.lr was 0.01, is 0.001"}},
        {{"variants.good.train.max_steps=100"}, {"train.max_steps was 0, is 100"}},
    };
    size_t found[FOUND_OTHER + 1];
    seen s = {0};
    assert_int_equal(AGAIN(&s, false, found, ), WEFT_OK);
    s.begun = 0;
    for (size_t i = 0; i < COUNT(table); i++) {
        err = (weft_error){0};
        assert_int_equal(compare_again(&s, false, found, table[i].overrides), WEFT_BAD_INPUT);
        for (size_t k = 0; k < 3 && table[i].said[k]; k++)
            assert_says(table[i].said[k]);
        assert_int_equal(s.begun, 0);
    }
    assert_null(strstr(err.message, "/broken/")); /* which has not changed */
    err = (weft_error){0};
    assert_int_equal(compare_again(&s, true, found, table[0].overrides), WEFT_OK);
    assert_int_equal(err.count, 0);
    assert_int_equal(s.begun, 2);
    assert_int_equal(found[FOUND_OTHER], 2);
    assert_int_equal(compare_again(&s, false, found, table[0].overrides), WEFT_OK);
    assert_int_equal(found[FOUND_ALL], 6);
}

static void a_comparison_refuses_other_data_but_not_another_place(void **state)
{
    (void)state;
    char moved[128], set[128], labels[160], override[160];
    size_t found[FOUND_OTHER + 1];
    seen s = {0};
    assert_int_equal(AGAIN(&s, false, found, ), WEFT_OK);
    snprintf(moved, sizeof moved, "%s/moved", folder);
    snprintf(set, sizeof set, "%s/set", folder);
    assert_int_equal(rename(set, moved), 0);
    snprintf(override, sizeof override, "data.set=%s", moved);
    assert_int_equal(AGAIN(&s, false, found, override), WEFT_OK);
    assert_int_equal(found[FOUND_ALL], 6);
    snprintf(labels, sizeof labels, "%s/train-labels-idx1-ubyte", moved);
    bytes file;
    assert_int_equal(file_read(labels, MIB, &file, NULL), WEFT_OK);
    file.data[8] ^= 1;
    write_bytes(labels, file.data, file.size);
    bytes_free(&file);
    assert_int_equal(AGAIN(&s, false, found, override), WEFT_BAD_INPUT);
    assert_says("the data's fingerprint was ");
}

static void a_comparison_says_what_it_cannot_read_or_go_on_with(void **state)
{
    (void)state;
    char name[160];
    size_t found[FOUND_OTHER + 1];
    seen s = {0};
    assert_int_equal(AGAIN(&s, false, found, ), WEFT_OK);
    snprintf(name, sizeof name, "%s/out/good/seed-1/checkpoint/previous.safetensors", folder);
    write_bytes(name, "", 0);
    snprintf(name, sizeof name, "%s/out/good/seed-1/checkpoint/state.safetensors", folder);
    write_bytes(name, "", 0);
    assert_int_equal(AGAIN(&s, false, found, "variants.good.train.epochs=4"), WEFT_BAD_INPUT);
    assert_says("/good/seed-1/checkpoint/state.safetensors");
    assert_says("--force");
    snprintf(name, sizeof name, "%s/out/good/seed-2/run.json", folder);
    write_bytes(name, "{}\n", 3);
    err = (weft_error){0};
    assert_int_equal(AGAIN(&s, false, found, ), WEFT_BAD_INPUT);
    assert_says("/good/seed-2/run.json");
    assert_int_equal(AGAIN(&s, true, found, ), WEFT_OK);
    assert_int_equal(found[FOUND_OTHER], 1);
}

/* Takes what stands between two words out of a run's record. */
static void cut_record(const char *run, const char *from, const char *to)
{
    char name[160];
    bytes file;
    snprintf(name, sizeof name, "%s/out/%s/run.json", folder, run);
    assert_int_equal(file_read(name, MIB, &file, NULL), WEFT_OK);
    char *begin = strstr((char *)file.data, from), *end = begin ? strstr(begin + 1, to) : NULL;
    assert_non_null(end);
    memmove(begin, end, strlen(end) + 1);
    write_bytes(name, file.data, strlen((char *)file.data));
    bytes_free(&file);
}

static void a_setting_that_a_run_did_not_know_is_at_its_default(void **state)
{
    (void)state;
    size_t found[FOUND_OTHER + 1];
    seen s = {0};
    assert_int_equal(AGAIN(&s, false, found, "train.clip_grad_norm=2"), WEFT_OK);
    cut_record("good/seed-1", "        \"train.accumulate\"", "        \"train.");
    cut_record("good/seed-1", "        \"optimizer.maximize\"", "        \"optimizer.");
    assert_int_equal(AGAIN(&s, false, found, "train.clip_grad_norm=2"), WEFT_OK);
    assert_int_equal(found[FOUND_ALL], 6);
    assert_int_equal(AGAIN(&s, false, found, "train.clip_grad_norm=2", "train.accumulate=2"), WEFT_BAD_INPUT);
    assert_says("/good/seed-1: this run has other settings: train.accumulate was not set, is 2");
    cut_record("good/seed-2", "        \"train.clip_grad_norm\"", "        \"train.");
    err = (weft_error){0};
    assert_int_equal(AGAIN(&s, false, found, "train.clip_grad_norm=2"), WEFT_BAD_INPUT);
    assert_says("/good/seed-2: this run has other settings: train.clip_grad_norm was not set, is 2");
    assert_int_equal(AGAIN(&s, true, found, "train.clip_grad_norm=2"), WEFT_OK);
    cut_record("good/seed-1", ",\n    \"settings\"", "\n}\n"); /* an older weft's */
    assert_int_equal(AGAIN(&s, false, found, "train.clip_grad_norm=2"), WEFT_BAD_INPUT);
    assert_says("did not write its settings down");
}

static void a_run_that_lost_a_file_is_not_done(void **state)
{
    (void)state;
    char name[160];
    size_t found[FOUND_OTHER + 1];
    seen s = {0};
    assert_int_equal(AGAIN(&s, false, found, ), WEFT_OK);
    snprintf(name, sizeof name, "%s/out/good/seed-1/model.safetensors", folder);
    assert_int_equal(remove(name), 0);
    assert_int_equal(AGAIN(&s, false, found, ), WEFT_OK);
    assert_int_equal(found[FOUND_PART], 1);
    assert_true(file_exists(name));
    snprintf(name, sizeof name, "%s/out/good/seed-1/run.json", folder);
    assert_int_equal(remove(name), 0);
    assert_int_equal(AGAIN(&s, false, found, ), WEFT_BAD_INPUT);
    assert_says("/out/good/seed-1: there are metrics of a run, but no run.json");
}

static void a_comparison_leaves_others_alone_and_knows_them(void **state)
{
    (void)state;
    size_t found[FOUND_OTHER + 1];
    seen s = {0};
    char out[128], wanted[160];
    assert_int_equal(AGAIN(&s, false, found, "seeds=[1, 7]"), WEFT_OK);
    experiment *e = open_small();
    comparison *c, *second;
    snprintf(out, sizeof out, "%s/out", folder);
    assert_int_equal(compare_run(e, &(compare_options){.folder = out}, &c, &err), WEFT_OK);
    assert_int_equal(c->n_others, 3);
    snprintf(wanted, sizeof wanted, "%s/broken/seed-7", out);
    assert_string_equal(c->others[0], wanted);
    /* and as long as it is open, no other comparison gets in */
    assert_int_equal(compare_run(e, &(compare_options){.folder = out}, &second, &err), WEFT_BAD_INPUT);
    assert_says("another weft is at work in this folder");
    comparison_free(c);
    assert_int_equal(compare_run(e, &(compare_options){.folder = out}, &c, &err), WEFT_OK);
    comparison_free(c);
    experiment_close(e);
}

/* Its folder cannot be made: a file stands in its place. */
static void a_comparison_goes_on_when_one_run_fails(void **state)
{
    (void)state;
    char name[128];
    experiment *e = open_small();
    snprintf(name, sizeof name, "%s/good", folder);
    write_bytes(name, "", 0);
    comparison *c;
    assert_int_not_equal(compare_run(e, &(compare_options){.folder = folder, .jobs = 2}, &c, &err), WEFT_OK);
    assert_non_null(c);
    for (size_t i = 0; i < c->n_trials; i++)
        assert_int_equal(c->trials[i].state, i < 2 ? TRIAL_FAILED : TRIAL_DONE);
    assert_int_equal(err.count, 2);
    assert_says("/good");
    comparison_free(c);
    experiment_close(e);
}

static void a_comparison_refuses_a_wrong_number_of_jobs(void **state)
{
    (void)state;
    static const int jobs[] = {-1, MAX_THREADS + 1};
    experiment *e = GOOD(DATA MODEL);
    for (size_t i = 0; i < COUNT(jobs); i++) {
        comparison *c;
        err = (weft_error){0};
        assert_int_equal(compare_run(e, &(compare_options){.folder = folder, .jobs = jobs[i]}, &c, &err),
                         WEFT_BAD_INPUT);
        assert_null(c);
    }
    experiment_close(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_comparison_runs_all_and_goes_on_when_one_diverges),
        TEST(a_comparison_that_is_stopped_starts_no_more),
        TEST(a_comparison_names_the_variant_that_does_not_fit),
        TEST(a_comparison_tells_each_warning_once_before_anything_runs),
        TEST(a_comparison_runs_only_what_is_missing),
        TEST(a_comparison_refuses_what_was_run_with_other_settings),
        TEST(a_comparison_refuses_other_data_but_not_another_place),
        TEST(a_comparison_says_what_it_cannot_read_or_go_on_with),
        TEST(a_setting_that_a_run_did_not_know_is_at_its_default),
        TEST(a_run_that_lost_a_file_is_not_done),
        TEST(a_comparison_leaves_others_alone_and_knows_them),
        TEST(a_comparison_goes_on_when_one_run_fails),
        TEST(a_comparison_refuses_a_wrong_number_of_jobs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
