/* Experiment files: what they say, what is wrong with them and where, and what becomes of them. */
#include "test.h"

#include "lab_files.h"

/* A wrong text, where it is wrong, and words of the message. */
typedef struct bad {
    const char *yaml;
    size_t line, column;
    const char *words;
} bad;

static void assert_refused(const bad *b, experiment *e)
{
    if (e || err.status != WEFT_BAD_INPUT || err.line != b->line || err.column != b->column || err.count != 1 ||
        !strstr(err.message, b->words))
        print_error("%s\nwanted: %zu:%zu %s\ngot %d: %s\n", b->yaml, b->line, b->column, b->words, err.count,
                    err.message);
    assert_null(e);
    assert_int_equal(err.status, WEFT_BAD_INPUT);
    assert_int_equal(err.line, b->line);
    assert_int_equal(err.column, b->column);
    assert_int_equal(err.count, 1);
    assert_non_null(strstr(err.message, b->words));
}

static void assert_all_refused(const bad *table, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        assert_refused(&table[i], OPEN(table[i].yaml));
        assert_string_equal(err.file, path);
    }
}

/* ---- What a file says ---- */

static void the_least_has_all_defaults(void **state)
{
    (void)state;
    experiment *e = GOOD(DATA MODEL);
    const run_settings *s = &e->variants[0].settings;
    assert_int_equal(e->n_variants, 1);
    assert_int_equal(e->n_seeds, 1);
    assert_int_equal(e->seeds[0], 1);
    assert_string_equal(e->variants[0].name, "");
    assert_string_equal(s->data.set, "fashion-mnist");
    assert_true(s->data.scale == 1);
    assert_int_equal(s->train.epochs, 10);
    assert_int_equal(s->train.batch, 32);
    assert_int_equal(s->train.max_steps, 0);
    assert_true(s->train.shuffle);
    assert_false(s->train.log_steps);
    assert_null(s->train.init);
    assert_string_equal(s->model_text, "linear 10");
    assert_string_equal(s->loss_text, "cross_entropy");
    assert_string_equal(s->optimizer_text, "sgd lr=0.01");
    experiment_close(e);
}

static void a_spec_shows_what_differs_from_its_defaults(void **state)
{
    (void)state;
    experiment *e = GOOD(DATA "model: [linear 10 bias=false]\noptimizer: adam 0.001 betas=(0.8,0.999) eps=1e-8\n");
    assert_string_equal(e->variants[0].settings.model_text, "linear 10 bias=false");
    assert_string_equal(e->variants[0].settings.optimizer_text, "adam lr=0.001 betas=[0.8, 0.999]");
    experiment_close(e);
}

static void odd_numbers_within_the_ranges_are_taken(void **state)
{
    (void)state;
    experiment *e = GOOD(DATA MODEL "optimizer: sgd lr=0\n"
                                    "train: {epochs: 1000000000000000000, seed: 18446744073709551615, batch: 1}\n");
    assert_int_equal(e->variants[0].settings.train.epochs, 1000000000000000000);
    assert_true(e->seeds[0] == UINT64_MAX);
    assert_string_equal(e->variants[0].settings.optimizer_text, "sgd lr=0");
    experiment_close(e);
    experiment_close(GOOD(DATA MODEL "train: {epochs: 0}\n"));
}

static void empty_sections_say_nothing(void **state)
{
    (void)state;
    experiment *e = GOOD(DATA MODEL "loss:\noptimizer:\ntrain:\nvariants:\n");
    assert_int_equal(e->n_variants, 1);
    assert_string_equal(e->variants[0].settings.optimizer_text, "sgd lr=0.01");
    experiment_close(e);
}

static void seeds_are_a_list_or_a_number(void **state)
{
    (void)state;
    experiment *e = GOOD(DATA MODEL "seeds: [3, 18446744073709551615, 0]\n");
    run_settings s;
    assert_int_equal(e->n_seeds, 3);
    assert_int_equal(e->variants[0].settings.train.seed, 3);
    assert_int_equal(experiment_settings(e, 0, 1, &s, &err), WEFT_OK);
    assert_true(s.train.seed == UINT64_MAX);
    assert_non_null(strstr(s.config, "seed: 18446744073709551615"));
    assert_non_null(strstr(e->variants[0].settings.config, "seed: 3,"));
    experiment_close(e);
    e = GOOD(DATA MODEL "seeds: 7\n");
    assert_int_equal(e->n_seeds, 1);
    assert_int_equal(e->variants[0].settings.train.seed, 7);
    experiment_close(e);
}

static const char *flat(const run_settings *s, const char *key)
{
    const setting *found = setting_find(s->flat, key);
    return found ? found->text : "(none)";
}

static void settings_are_flat_too_each_variant_and_seed_its_own(void **state)
{
    (void)state;
    experiment *e = GOOD(DATA MODEL "loss: cross_entropy label_smoothing=0.1\ntrain: {early_stopping: 3}\nseeds: [3, 4]\n"
                         "variants: {a: {}, b: {optimizer: {name: adam, lr: 0.5}, schedule: {warmup: 2}, data: {scale: 7}}}\n");
    run_settings s[2];
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(experiment_settings(e, i, 1 - i, &s[i], &err), WEFT_OK);
    static const char *const cases[][3] = {
        {"train.seed", "4", "3"},     {"train.early_stopping.patience", "3", "3"}, {"data.scale", "1", "7"},
        {"optimizer", "sgd", "adam"}, {"optimizer.lr", "0.01", "0.5"},             {"optimizer.momentum", "0", "(none)"},
        {"loss", "cross_entropy", "cross_entropy"}, {"loss.label_smoothing", "0.1", "0.1"}, {"schedule.warmup", "0", "2"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t k = 0; k < 2; k++)
            assert_string_equal(flat(&s[k], cases[i][0]), cases[i][1 + k]);
    assert_string_equal(flat(&s[0], "model"), s[0].model_text);
    experiment_close(e);
}

static void without_seeds_a_variant_has_its_own(void **state)
{
    (void)state;
    experiment *e = GOOD(DATA MODEL "train: {seed: 5}\nvariants: {a: {}, b: {train: {seed: 6}}}\n");
    run_settings s;
    assert_int_equal(e->n_seeds, 1);
    assert_int_equal(experiment_settings(e, 0, 0, &s, &err), WEFT_OK);
    assert_int_equal(s.train.seed, 5);
    assert_int_equal(experiment_settings(e, 1, 0, &s, &err), WEFT_OK);
    assert_int_equal(s.train.seed, 6);
    experiment_close(e);
}

/* ---- Variants ---- */

static void a_variant_changes_key_by_key(void **state)
{
    (void)state;
    experiment *e = GOOD("data: {set: fashion-mnist, scale: 255}\n" MODEL "train: {epochs: 20, batch: 50}\n"
                         "variants:\n  a: {data: {scale: 1}, train: {epochs: 3}}\n  b:\n");
    assert_true(settings_of(e, "a")->data.scale == 1);
    assert_string_equal(settings_of(e, "a")->data.set, "fashion-mnist");
    assert_int_equal(settings_of(e, "a")->train.epochs, 3);
    assert_int_equal(settings_of(e, "a")->train.batch, 50);
    assert_true(settings_of(e, "b")->data.scale == 255);
    assert_int_equal(settings_of(e, "b")->train.epochs, 20);
    experiment_close(e);
}

static void a_variant_that_names_an_optimizer_replaces_it(void **state)
{
    (void)state;
    experiment *e = GOOD(DATA MODEL "optimizer: sgd 0.1 momentum=0.9\n"
                                    "variants:\n"
                                    "  other:  {optimizer: {name: adam}}\n"
                                    "  spec:   {optimizer: adam 0.01}\n"
                                    "  again:  {optimizer: sgd}\n"
                                    "  slower: {optimizer: {lr: 0.05}}\n"
                                    "  ahead:  {optimizer: {nesterov: true}}\n");
    assert_string_equal(settings_of(e, "other")->optimizer_text, "adam lr=0.001");
    assert_string_equal(settings_of(e, "spec")->optimizer_text, "adam lr=0.01");
    assert_string_equal(settings_of(e, "again")->optimizer_text, "sgd lr=0.01");
    assert_string_equal(settings_of(e, "slower")->optimizer_text, "sgd lr=0.05 momentum=0.9");
    assert_string_equal(settings_of(e, "ahead")->optimizer_text, "sgd lr=0.1 momentum=0.9 nesterov=true");
    experiment_close(e);
}

static void a_variant_completes_what_the_top_leaves_open(void **state)
{
    (void)state;
    experiment *e = GOOD("optimizer: {name: sgd, nesterov: true}\n"
                         "variants:\n"
                         "  a: {data: {set: fashion-mnist}, model: [linear 10], optimizer: {momentum: 0.5}}\n"
                         "  b: {data: {set: mnist}, model: [linear 5, linear 10], optimizer: adam}\n");
    assert_string_equal(settings_of(e, "a")->optimizer_text, "sgd lr=0.01 momentum=0.5 nesterov=true");
    assert_string_equal(settings_of(e, "b")->data.set, "mnist");
    assert_string_equal(settings_of(e, "b")->model_text, "linear 5, linear 10");
    experiment_close(e);
}

static void variants_get_folders_of_their_own(void **state)
{
    (void)state;
    experiment *e = GOOD(DATA MODEL "variants: {'A b': {}, 'a  B!': {}, ../x: {}}\n");
    assert_string_equal(e->variants[0].slug, "a-b");
    assert_string_equal(e->variants[1].slug, "a-b-2");
    assert_string_equal(e->variants[2].slug, "x");
    experiment_close(e);
}

static void the_same_mistake_is_said_once(void **state)
{
    (void)state;
    assert_refused(&(bad){"", 3, 19, "unknown optimizer \"adamm\"; did you mean \"adam\"?"},
                   OPEN(DATA MODEL "optimizer: {name: adamm}\nvariants: {a: {}, b: {train: {epochs: 1}}, c: {}}\n"));
    assert_refused(&(bad){"", 0, 0, "model is missing"}, OPEN(DATA "variants: {a: {}, b: {}, c: {}}\n"));
    assert_refused(&(bad){"", 2, 9, "unknown layer \"rleu\""},
                   OPEN(DATA "model: [rleu, linear 10]\nvariants: {a: {}, b: {train: {epochs: 1}}}\n"));
}

static void a_mistake_that_every_variant_hides_is_said(void **state)
{
    (void)state;
    assert_refused(&(bad){"", 3, 28, "lr is -1"},
                   OPEN(DATA MODEL "optimizer: {name: sgd, lr: -1}\nvariants: {a: {optimizer: adam}}\n"));
}

static void a_mistake_of_a_variant_is_in_its_place(void **state)
{
    (void)state;
    static const bad table[] = {
        {DATA MODEL "variants:\n  a: {optimizer: {lr: x}}\n", 4, 23, "lr must be a number"},
        {DATA MODEL "variants:\n  a: {model: [linear]}\n", 4, 15, "out_features"},
        {DATA MODEL "variants:\n  a: {optimizer: {nesterov: true}}\n", 4, 18, "nesterov needs a momentum"},
        {DATA MODEL "variants:\n  a: {modle: [linear 1]}\n", 4, 7, "did you mean \"model\"?"},
        {DATA MODEL "variants:\n  a: {title: x}\n", 4, 7, "title is not a variant's"},
        {DATA MODEL "variants:\n  a: {seeds: [1]}\n", 4, 7, "seeds is not a variant's"},
        {DATA MODEL "variants:\n  a: {variants: {}}\n", 4, 7, "variants is not a variant's"},
        {DATA MODEL "variants:\n  a: sgd\n", 4, 6, "a variant is a map"},
        {DATA MODEL "variants:\n  '': {}\n", 4, 4, "needs a name"},
        {DATA MODEL "seeds: [1, 2]\nvariants:\n  a: {train: {seed: 3}}\n", 5, 15, "seeds that the file lists"},
        {DATA "variants: {a: {model: [linear 1]}, b: {}}\n", 0, 0, "model is missing"},
    };
    assert_all_refused(table, COUNT(table));
}

/* ---- Mistakes ---- */

static void a_mistake_has_its_line_and_column(void **state)
{
    (void)state;
    static const bad table[] = {
        {DATA MODEL "trian: {}\n", 3, 1, "unknown key \"trian\"; did you mean \"train\"?"},
        {DATA MODEL "train: {epoch: 1}\n", 3, 9, "did you mean \"epochs\"?"},
        {DATA MODEL "train:\n  batch: 0\n", 4, 10, "batch is 0"},
        {DATA MODEL "train: {epochs: -1}\n", 3, 17, "epochs"},
        {DATA MODEL "train: {seed: 18446744073709551616}\n", 3, 15, "seed"},
        {DATA MODEL "train: {seed: -1}\n", 3, 15, "seed"},
        {DATA MODEL "train: {shuffle: maybe}\n", 3, 18, "true or false"},
        {DATA MODEL "train: {init: /nowhere/x.safetensors}\n", 3, 15, "there is no file \"/nowhere/x.safetensors\""},
        {DATA MODEL "train: 5\n", 3, 8, "train: {epochs: 10, batch: 32}"},
        {DATA MODEL "seeds: []\n", 3, 8, "no seed"},
        {DATA MODEL "seeds:\n", 3, 7, "not \"\""},
        {DATA MODEL "seeds: abc\n", 3, 8, "not \"abc\""},
        {DATA MODEL "seeds: [1, -1]\n", 3, 12, "not \"-1\""},
        {DATA MODEL "seeds: [18446744073709551616]\n", 3, 9, "from 0 to 18446744073709551615"},
        {DATA MODEL "seeds: [1, [2]]\n", 3, 12, "a seed is a whole number"},
        {DATA MODEL "seeds: [4, 5, 4]\n", 3, 15, "the seed 4 is there twice"},
        {DATA MODEL "seeds: {a: 1}\n", 3, 8, "seeds: [1, 2, 3]"},
        {DATA MODEL "variants: [a]\n", 3, 11, "variants: {"},
        {DATA MODEL "title: [a]\n", 3, 8, "title: SGD against Adam"},
        {DATA MODEL "loss: [a]\n", 3, 7, "loss: cross_entropy"},
        {DATA MODEL "loss: cross_entrpy\n", 3, 7, "did you mean \"cross_entropy\"?"},
        {DATA MODEL "optimizer: sgd lr=abc\n", 3, 19, "lr must be a number, not \"abc\""},
        {DATA MODEL "optimizer: 'sgd lr=abc'\n", 3, 20, "lr must be a number"},
        {DATA MODEL "optimizer: sgd lr=nan\n", 3, 19, "lr must be a number"},
        {DATA MODEL "optimizer: sgd lr=1e39\n", 3, 19, "lr is 1e39"},
        {DATA MODEL "optimizer: sgd momentum=1\n", 3, 25, "momentum is 1"},
        {DATA MODEL "optimizer: adam betas=(0.9,1.0)\n", 3, 28, "the second of betas is 1.0"},
        {DATA MODEL "optimizer: {name: adam, eps: 0}\n", 3, 30, "eps is 0"},
        {DATA MODEL "optimizer: sgd lr=\n", 3, 16, "lr="},
        {DATA MODEL "optimizer: sgd 0.1 lr=0.2\n", 3, 20, "twice"},
        {DATA MODEL "optimizer: {nam: sgd}\n", 3, 13, "did you mean \"name\"?"},
        {"data: fashion-mnist\n" MODEL, 1, 7, "data: {set: fashion-mnist, scale: 255}"},
        {"data: {set: fashion-mnst}\n" MODEL, 1, 13, "did you mean \"fashion-mnist\"?"},
        {"data: {set: /nowhere/at-all}\n" MODEL, 1, 13, "there is no folder \"/nowhere/at-all\""},
        {"data: {set: [a]}\n" MODEL, 1, 13, "set must be a text"},
        {"data: {set: mnist, scale: 0}\n" MODEL, 1, 27, "scale is 0"},
        {"data: {set: mnist, allow_trailing: yes}\n" MODEL, 1, 36, "allow_trailing must be true or false"},
        {"data: {scale: 255}\n" MODEL, 1, 7, "set of data is missing"},
        {MODEL, 0, 0, "set of data is missing"},
        {DATA, 0, 0, "model is missing"},
        {DATA "model: []\n", 2, 8, "no layers"},
        {DATA "model:\n", 2, 7, "no layers"},
        {DATA "model: {name: linear}\n", 2, 8, "model: [linear 1000, relu, linear 10]"},
        {DATA "model: [linear 10, '']\n", 2, 21, "a layer is missing"},
        {DATA "model: [linear 10, [relu]]\n", 2, 20, "a layer is written as"},
        {DATA "model: [{linear 10}]\n", 2, 9, "a layer is written as"},
        {DATA "model: [linear ten]\n", 2, 16, "out_features must be a whole number"},
        {DATA "model: ['linear ten']\n", 2, 17, "out_features must be a whole number"},
        {DATA "model: linear 1, rleu, linear 10\n", 2, 18, "did you mean \"relu\"?"},
        {DATA "model:\n  - linear 1\n  - relu 5\n", 4, 10, "one value too many"},
        {"[a, b]\n", 1, 1, "an experiment is a map of keys"},
        {"a text", 1, 1, "an experiment is a map of keys"},
        {"", 1, 1, "no experiment in this file"},
        {"# nothing but words\n", 1, 1, "no experiment in this file"},
    };
    assert_all_refused(table, COUNT(table));
}

static void what_yaml_could_and_weft_does_not_is_refused(void **state)
{
    (void)state;
    static const bad table[] = {
        {DATA MODEL "title: a\ntitle: b\n", 4, 1,
         "the key \"title\" is there twice; the first one is in line 3, column 1"},
        {DATA MODEL "train: {batch: 1, batch: 1}\n", 3, 19, "the first one is in line 3, column 9"},
        {DATA MODEL "title: &x a\n", 3, 8, "anchors (&x)"},
        {DATA MODEL "title: *x\n", 3, 8, "aliases (*x)"},
        {DATA MODEL "title: !!str a\n", 3, 8, "tags (tag:yaml.org,2002:str)"},
        {DATA MODEL "? [a, b]\n: c\n", 3, 3, "a key is a single word"},
        {DATA MODEL "---\na: b\n", 3, 1, "a second document"},
        {DATA MODEL "title: \"a\\0b\"\n", 3, 9, "control character"},
        {DATA MODEL "title: \"a\\u2028b\"\n", 3, 9, "control character"},
        {DATA MODEL "train: {batch: 1\n", 4, 1, "did not find expected ',' or '}' while parsing a flow mapping"},
        {DATA MODEL "train: {batch: 1\n", 4, 1, "that begins in line 3"},
        {DATA MODEL "title: a: b\n", 3, 9, "mapping values are not allowed"},
        {DATA MODEL "train:\n\tbatch: 1\n", 4, 1, "never with tabs"},
        {DATA MODEL "title: 'a\n", 4, 1, "unexpected end of stream"},
        {DATA MODEL "ti\x01tle: a\n", 3, 3, "control characters are not allowed"},
        {DATA MODEL "title: h\xc3\xa9 \xff\n", 3, 11, "not a text in UTF-8"},
    };
    assert_all_refused(table, COUNT(table));
}

static void all_mistakes_are_said_at_once(void **state)
{
    (void)state;
    static const char *const words[] = {"e.yaml:1:7: ",
                                        "e.yaml:2:9: unknown layer \"liner\"",
                                        "e.yaml:2:19: unknown layer \"rleu\"",
                                        "e.yaml:3:11: unknown loss",
                                        "e.yaml:4:19: ",
                                        "e.yaml:5:9: ",
                                        "e.yaml:5:26: ",
                                        "e.yaml:6:1: unknown key \"sedes\"",
                                        "e.yaml:8:9: unknown key \"optimzer\"",
                                        "e.yaml:9:20: unknown optimizer"};
    assert_null(OPEN("data: {scale: 1}\n"
                     "model: [liner 10, rleu]\n"
                     "loss:     crossentropie x\n"
                     "optimizer: sgd lr=fast\n"
                     "train: {epoch: 1, batch: 0}\n"
                     "sedes: [1]\n"
                     "variants:\n"
                     "  one: {optimzer: {lr: 1}}\n"
                     "  two: {optimizer: adamm}\n"));
    for (size_t i = 0; i < COUNT(words); i++)
        assert_says(words[i]);
    assert_int_equal(err.count, COUNT(words));
    assert_int_equal(err.status, WEFT_BAD_INPUT);
}

static void a_yaml_mistake_does_not_hide_the_others(void **state)
{
    (void)state;
    assert_null(OPEN(DATA MODEL "train: {batch: 0}\ntitle: &x a\ntitle: b\n"));
    assert_int_equal(err.count, 3);
    assert_says("batch is 0");
    assert_says("anchors");
    assert_says("is there twice");
}

static void an_error_is_optional(void **state)
{
    (void)state;
    write_bytes(path, "a: b\n", 5);
    assert_null(experiment_open(path, NULL, 0, NULL));
    experiment_close(NULL);
    comparison_free(NULL);
}

/* ---- Overrides ---- */

static void overrides_change_the_file(void **state)
{
    (void)state;
    experiment *e = GOOD(DATA MODEL "optimizer: sgd 0.1\n", "optimizer.lr=0.5", "model=[linear 20, relu, linear 10]",
                         "train.epochs=2", "seeds=[1, 2]", "title=my = title", "data.scale=255");
    const run_settings *s = &e->variants[0].settings;
    assert_string_equal(s->optimizer_text, "sgd lr=0.5");
    assert_string_equal(s->model_text, "linear 20, relu, linear 10");
    assert_int_equal(s->train.epochs, 2);
    assert_int_equal(e->n_seeds, 2);
    assert_string_equal(s->title, "my = title");
    assert_true(s->data.scale == 255);
    experiment_close(e);
}

static void overrides_alone_make_an_experiment(void **state)
{
    (void)state;
    experiment *e =
        GOOD("{}", "data.set=mnist", "model=linear 10", "optimizer.momentum=0.5", "variants.a.train.epochs=3");
    assert_string_equal(settings_of(e, "a")->optimizer_text, "sgd lr=0.01 momentum=0.5");
    assert_int_equal(settings_of(e, "a")->train.epochs, 3);
    experiment_close(e);
}

static void an_override_that_names_replaces_and_the_last_one_wins(void **state)
{
    (void)state;
    experiment *e = GOOD(DATA MODEL "optimizer: sgd 0.1 momentum=0.9\n", "optimizer={name: adam}", "optimizer.lr=0.2",
                         "optimizer.lr=0.3");
    assert_string_equal(e->variants[0].settings.optimizer_text, "adam lr=0.3");
    experiment_close(e);
}

static void an_override_wins_over_a_variants_own_key(void **state)
{
    (void)state;
    const char *yaml = DATA MODEL "variants: {a: {optimizer: adam 0.2}, b: {}}\n";
    experiment *e = GOOD(yaml, "optimizer.lr=0.5", "train.epochs=4");
    assert_string_equal(settings_of(e, "a")->optimizer_text, "adam lr=0.5");
    assert_string_equal(settings_of(e, "b")->optimizer_text, "sgd lr=0.5");
    assert_int_equal(settings_of(e, "a")->train.epochs, 4);
    experiment_close(e);
    e = GOOD(yaml, "variants.a.optimizer.lr=0.7");
    assert_string_equal(settings_of(e, "a")->optimizer_text, "adam lr=0.7");
    assert_string_equal(settings_of(e, "b")->optimizer_text, "sgd lr=0.01");
    experiment_close(e);
}

static void a_bad_override_is_named_whole(void **state)
{
    (void)state;
    static const struct {
        const char *override, *words;
    } table[] = {
        {"optimizer.lr=abc", "lr must be a number, not \"abc\""},
        {"optimizer.lr=", "lr must be a number"},
        {"optimizer.lr", "a value is missing"},
        {"=5", "a part of the key is empty"},
        {".lr=5", "a part of the key is empty"},
        {"optimizer.=5", "a part of the key is empty"},
        {"optimizer..lr=5", "a part of the key is empty"},
        {"a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r=1", "too many parts"},
        {"optimiser.lr=1", "did you mean \"optimizer\"?"},
        {"title.x=1", "title has another form"},
        {"model.0=relu", "model has another form"},
        {"model=[liner 1]", "did you mean \"linear\"?"},
        {"model=[linear 1", "did not find expected ',' or ']'"},
        {"train={batch: 1, batch: 2}", "is there twice"},
        {"title=&a b", "anchors"},
        {"seeds=[1, 1]", "is there twice"},
        {"ti\x01tle=5", "control character"},
        {"title=\xff", "UTF-8"},
        {"\xff=1", "control character"},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        char file[128];
        snprintf(file, sizeof file, "--set %s", table[i].override);
        assert_refused(&(bad){table[i].override, 0, 0, table[i].words}, OPEN(DATA MODEL, table[i].override));
        assert_string_equal(err.file, file);
    }
}

/* ---- config.yaml ---- */

static void the_resolved_file_has_every_default(void **state)
{
    (void)state;
    experiment *e =
        GOOD(DATA "title: 'A: b'\nmodel: linear 9, relu\noptimizer: adam\nseeds: 4\nvariants: {'x #1': {}}\n");
    assert_string_equal(e->variants[0].settings.config,
                        "# variant: \"x #1\"\n"
                        "title: \"A: b\"\n"
                        "data: {set: fashion-mnist, scale: 1, allow_trailing: false}\n"
                        "model:\n"
                        "  - linear out_features=9 bias=true lr=1 l1=0 l2=0\n"
                        "  - relu\n"
                        "loss: {name: cross_entropy, ignore_index: -100, reduction: mean, label_smoothing: 0}\n"
                        "optimizer: {name: adam, lr: 0.001, betas: [0.9, 0.999], eps: 1e-08, weight_decay: 0, amsgrad: false, "
                        "maximize: false, no_decay: []}\n"
                        "schedule: {name: none, by: step, warmup: 0, warmup_start: 0.3333333333333333}\n"
                        "checkpoint: {every_steps: 0, every_seconds: 0}\n"
                        "train: {epochs: 10, batch: 32, seed: 4, shuffle: true, log_steps: false, probes: true, max_steps: 0, "
                        "clip_grad_norm: 0, clip_grad_value: 0, accumulate: 1, "
                        "early_stopping: {patience: 0, min_delta: 0, monitor: val_loss}, "
                        "average: {name: none, decay: 0.999, start: 1}, precision: fp32}\n");
    experiment_close(e);
}

static void the_resolved_file_reads_back_to_the_same(void **state)
{
    (void)state;
    char odd[128], yaml[2048];
    snprintf(odd, sizeof odd, "%s/o \"d\\d\" #, {x}: \u00fc", folder);
    assert_int_equal(mkdir(odd, 0700), 0);
    snprintf(odd, sizeof odd, "%s/init [1].safetensors", folder);
    write_bytes(odd, "x", 1);
    snprintf(yaml, sizeof yaml,
             "title: \"new\\nline, 'quote', \\\"q\\\" \\\\ \\u202E bidi, tab\\t\"\n"
             "data: {set: \"%s/o \\\"d\\\\d\\\" #, {x}: \u00fc\", scale: 0.1, allow_trailing: true}\n"
             "model: [linear 3 bias=false, tanh, linear 10]\n"
             "train: {epochs: 1000000000000000000, batch: 7, shuffle: false, log_steps: true, max_steps: 9,\n"
             "        init: \"%s\"}\n"
             "seeds: [18446744073709551615, 0]\n"
             "variants:\n"
             "  \"a\\nb: 1\": {optimizer: {name: sgd, lr: 0.30000000000000004, momentum: 0.9, nesterov: true}}\n"
             "  null: {optimizer: \"adam 1e-300 betas=(0.1,0.2)\"}\n",
             folder, odd);
    experiment *e = GOOD(yaml);
    for (size_t v = 0; v < 2; v++)
        for (size_t seed = 0; seed < 2; seed++) {
            run_settings s;
            assert_int_equal(experiment_settings(e, v, seed, &s, &err), WEFT_OK);
            assert_reads_back(&s);
        }
    experiment_close(e);
}

static void settings_print_as_yaml_that_reads_back(void **state)
{
    (void)state;
    static const char yaml[] =
        "{a: [1, -2, 0.5, \"\"], \"b c: d\": {e: \"x, y\", f: []}, g: \"#h\", i: \"\\x0ak\", l: {}}";
    arena memory = {0};
    text first = {0}, second = {0};
    err = (weft_error){0};
    const setting *s = yaml_parse(&memory, "text", yaml, strlen(yaml), &err);
    assert_non_null(s);
    yaml_print(s, &first);
    const setting *again = yaml_parse(&memory, "text", first.data, first.length, &err);
    assert_non_null(again);
    yaml_print(again, &second);
    assert_string_equal(first.data, second.data);
    assert_string_equal(
        first.data, "{a: [1, \"-2\", 0.5, \"\"], \"b c: d\": {e: \"x, y\", f: []}, g: \"#h\", i: \"\\x0ak\", l: {}}");
    text_free(&first);
    text_free(&second);
    arena_deinit(&memory);
}

/* ---- Limits ---- */

static char *repeat(const char *piece, size_t n, const char *head, const char *tail)
{
    text t = {0};
    text_add(&t, head);
    for (size_t i = 0; i < n; i++)
        text_printf(&t, piece, i); /* a piece may number itself with %zu */
    text_add(&t, tail);
    assert_false(t.failed);
    return t.data;
}

static void what_is_too_large_is_refused_with_the_limit(void **state)
{
    (void)state;
    static const struct {
        const char *head, *piece, *tail;
        size_t n;
        const char *words;
    } table[] = {
        {"", "#", "", MIB + 1, "1048576"},
        {DATA "model: ", "[", "\n", 100000, "more than 64 deep"},
        {DATA "model: ", "{a: ", "\n", 100000, "more than 64 deep"},
        {"", "- ", "a\n", 100000, "more than 64 deep"},
        {DATA "model: [", "a,", "]\n", 100001, "more than 100000 keys and values"},
        {DATA MODEL, "k%zu: 1\n", "", 1001, "more than 1000 keys"},
        {DATA MODEL "title: ", "x", "\n", 65537, "more than 65536 bytes"},
        {DATA "model: ", "relu,", "linear 10\n", 1000, "more than 1000 layers"},
        {DATA "model: [", "relu,", "linear 10]\n", 1000, "more than 1000 layers"},
        {DATA MODEL "seeds: [", "%zu,", "]\n", 1001, "more than 1000 seeds"},
        {DATA MODEL "variants: {b: {},", "a%zu: {},", "}\nseeds: [1,2,3,4,5,6,7,8,9,10,11]\n", 999, "limit of 10000"},
    };
    for (size_t i = 0; i < COUNT(table); i++) {
        char *yaml = repeat(table[i].piece, table[i].n, table[i].head, table[i].tail);
        assert_null(OPEN(yaml));
        assert_int_equal(err.status, WEFT_BAD_INPUT);
        assert_says(table[i].words);
        free(yaml);
    }
}

static void ten_thousand_mistakes_end_soon(void **state)
{
    (void)state;
    char *yaml = repeat("  v%zu: {x: 1, y: 2, z: 3, optimizer: {lr: a}}\n", 900, DATA MODEL "variants:\n", "");
    const double begin = now_seconds();
    assert_null(OPEN(yaml));
    assert_true(now_seconds() - begin < 5);
    assert_says("more mistakes");
    free(yaml);
}

static void what_is_no_text_file_is_refused(void **state)
{
    (void)state;
    unsigned char noise[4096];
    for (uint32_t i = 0; i < COUNT(noise) / 16; i++)
        rng_u32x4(1, RNG_SHOW, 0, i, (uint32_t *)(void *)(noise + 16 * i));
    assert_null(open_bytes((const char *)noise, sizeof noise, NULL));
    assert_int_equal(err.status, WEFT_BAD_INPUT);
    assert_null(open_bytes("\0\0\0\0", 4, NULL));
    assert_int_equal(err.status, WEFT_BAD_INPUT);
    assert_null(open_bytes("\xff\xfe"
                           "a\0:\0 \0b\0",
                           10, NULL));
    assert_says("not a text in UTF-8");

    err = (weft_error){0};
    assert_null(experiment_open(folder, NULL, 0, &err));
    assert_int_equal(err.status, WEFT_BAD_INPUT);
    assert_says("directory");
    err = (weft_error){0};
    assert_null(experiment_open("/nowhere/e.yaml", NULL, 0, &err));
    assert_int_equal(err.status, WEFT_BAD_INPUT);
}

/* ---- The tutorial ---- */

static void the_tutorial_says_what_it_should(void **state)
{
    (void)state;
    static const struct {
        const char *name, *model, *optimizer;
        double scale;
        size_t epochs;
    } table[] = {
        {"unscaled", "linear 1000, relu, linear 10", "sgd lr=0.01", 1, 10},
        {"scaled", "linear 1000, relu, linear 10", "sgd lr=0.01", 255, 10},
        {"sgd", "linear 1000, relu, linear 10", "sgd lr=0.01", 255, 20},
        {"adam", "linear 1000, relu, linear 10", "adam lr=0.001", 255, 20},
        {"two hidden layers", "linear 1000, relu, linear 512, relu, linear 10", "adam lr=0.001", 255, 20},
        {"no hidden layer", "linear 10", "adam lr=0.001", 255, 20},
    };
    err = (weft_error){0};
    experiment *e = open_good(experiment_open(RECIPE, NULL, 0, &err));
    assert_int_equal(e->n_variants, COUNT(table));
    assert_int_equal(e->n_seeds, 1);
    for (size_t i = 0; i < COUNT(table); i++) {
        const run_settings *s = &e->variants[i].settings;
        assert_string_equal(s->variant, table[i].name);
        assert_string_equal(s->model_text, table[i].model);
        assert_string_equal(s->optimizer_text, table[i].optimizer);
        assert_string_equal(s->loss_text, "cross_entropy");
        assert_true(s->data.scale == table[i].scale);
        assert_int_equal(s->train.epochs, table[i].epochs);
        assert_int_equal(s->train.batch, 32);
        assert_true(s->train.shuffle);
        assert_reads_back(s);
    }
    experiment_close(e);
}

/* Its bytes, in memory of their own size, so that a sanitizer sees reading past the end. */
static void every_prefix_of_the_tutorial_is_read_or_refused(void **state)
{
    (void)state;
    bytes file;
    assert_int_equal(file_read(RECIPE, MIB, &file, NULL), WEFT_OK);
    for (size_t n = 0; n < file.size; n++) {
        experiment *e = open_bytes((const char *)file.data, n, NULL);
        assert_true(e ? err.count == 0 : err.status == WEFT_BAD_INPUT && err.count > 0);
        experiment_close(e);
        char *exact = malloc(n + 1);
        memcpy(exact, file.data, n);
        char *shrunk = realloc(exact, MAX(n, 1));
        arena memory = {0};
        yaml_parse(&memory, "prefix", shrunk, n, NULL);
        arena_deinit(&memory);
        free(shrunk);
    }
    bytes_free(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_least_has_all_defaults),
        TEST(a_spec_shows_what_differs_from_its_defaults),
        TEST(odd_numbers_within_the_ranges_are_taken),
        TEST(empty_sections_say_nothing),
        TEST(seeds_are_a_list_or_a_number),
        TEST(settings_are_flat_too_each_variant_and_seed_its_own),
        TEST(without_seeds_a_variant_has_its_own),
        TEST(a_variant_changes_key_by_key),
        TEST(a_variant_that_names_an_optimizer_replaces_it),
        TEST(a_variant_completes_what_the_top_leaves_open),
        TEST(variants_get_folders_of_their_own),
        TEST(the_same_mistake_is_said_once),
        TEST(a_mistake_that_every_variant_hides_is_said),
        TEST(a_mistake_of_a_variant_is_in_its_place),
        TEST(a_mistake_has_its_line_and_column),
        TEST(what_yaml_could_and_weft_does_not_is_refused),
        TEST(all_mistakes_are_said_at_once),
        TEST(a_yaml_mistake_does_not_hide_the_others),
        TEST(an_error_is_optional),
        TEST(overrides_change_the_file),
        TEST(overrides_alone_make_an_experiment),
        TEST(an_override_that_names_replaces_and_the_last_one_wins),
        TEST(an_override_wins_over_a_variants_own_key),
        TEST(a_bad_override_is_named_whole),
        TEST(the_resolved_file_has_every_default),
        TEST(the_resolved_file_reads_back_to_the_same),
        TEST(settings_print_as_yaml_that_reads_back),
        TEST(what_is_too_large_is_refused_with_the_limit),
        TEST(ten_thousand_mistakes_end_soon),
        TEST(what_is_no_text_file_is_refused),
        TEST(the_tutorial_says_what_it_should),
        TEST(every_prefix_of_the_tutorial_is_read_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
