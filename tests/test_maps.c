/* Maps where numbers end: values and slopes over all exponents, at kinks, at infinities; on every instruction set.
 *
 * With WEFT_EVERY=N in the environment it goes over every N-th of all floats instead, and says how far each map is off; with WEFT_SHARE=K/S only
 * for every S-th map from the K-th on: tests/long/test_maps.py runs all shares. */
#include "op_cases.h"

enum { SIGNS = 2, EXPONENTS = 256, MANTISSAS = 256, CHUNK = SIGNS * EXPONENTS * MANTISSAS, AROUND = 1024, PIECE = 4096 };
static const double ALLOWED = 2; /* ulps of the exact result */

/* What goes into a map, what should come out, and what comes out: the first n of each. */
static struct {
    size_t n;
    float x[CHUNK];
    double value[CHUNK], slope[CHUNK];
    float y[N_ISAS][CHUNK], dx[N_ISAS][CHUNK];
} s;

static float float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Floats of every exponent and both signs, zeros, infinities and NaNs among them, by their bits in ascending order. Half of the mantissas
 * are short, as those of kinks are. */
static float swept(uint32_t i)
{
    const uint32_t noisy = (uint32_t)(fabs(noise(50, i)) * 0x1p15);
    return float_of(i << 15 | (i % 2 ? noisy : 0));
}

static void sweep(void)
{
    s.n = CHUNK;
    for (uint32_t i = 0; i < CHUNK; i++)
        s.x[i] = swept(i);
}

static bool rises(const layer *l, float x) { return l->op->slope((double)x, l->fields) > 0; }

/* Floats around kinks and around the roots of a slope, where the parts of its formula cancel: it changes between floats of the sweep. */
static void sweep_roots(const layer *l)
{
    uint32_t n = 0;
    for (uint32_t i = 1; i < CHUNK; i++) {
        uint32_t below = bits_of(swept(i - 1)), above = bits_of(swept(i));
        const bool rose = rises(l, float_of(below));
        if (isnan(float_of(above)) || below >> 31 != above >> 31 || rose == rises(l, float_of(above)))
            continue;
        while (above - below > 1) {
            const uint32_t middle = below + (above - below) / 2;
            *(rose == rises(l, float_of(middle)) ? &below : &above) = middle;
        }
        for (uint32_t k = 0; k < AROUND; k++, n++)
            s.x[n] = float_of(below + k - AROUND / 2);
    }
}

static bool same(double is, double want)
{
    return (isnan(is) && isnan(want)) || is == (double)(float)want || ulps((float)is, want) <= ALLOWED;
}

/* How far the worst of values and slopes were off. */
typedef struct worst {
    double value, slope;
} worst;

static void check_number(const char *what, const char *spec, isa level, size_t i, float is, double want, double *w)
{
    if (!same((double)is, want))
        fail_msg("%s of %s at %a is %a, not %a, on %s", what, spec, (double)s.x[i], (double)is, want, isa_name(level));
    if (isfinite(is))
        *w = fmax(*w, ulps(is, want));
}

/* Numbers whose bits `as`, another instruction set, has too, were looked at there. */
static void check_level(isa level, isa as, const char *spec, worst *w)
{
    const float *y = s.y[level], *dx = s.dx[level];
    for (size_t i = 0; i < s.n; i++) {
        if (level == as || bits_of(y[i]) != bits_of(s.y[as][i]))
            check_number("the value", spec, level, i, y[i], s.value[i], &w->value);
        if ((level == as || bits_of(dx[i]) != bits_of(s.dx[as][i])) && !isnan(s.x[i])) /* what a slope is at NaN nobody says */
            check_number("the slope", spec, level, i, dx[i], s.slope[i], &w->slope);
    }
}

/* NaNs are one as good as the other. */
static void assert_same_bits(isa level, const char *spec, const float *is, const float *want)
{
    for (size_t i = 0; memcmp(is, want, s.n * sizeof *is) != 0 && i < s.n; i++)
        if (bits_of(is[i]) != bits_of(want[i]) && !isnan(s.x[i]))
            fail_msg("%s has other bits at %a on %s: %a, not %a", spec, (double)s.x[i], isa_name(level), (double)is[i], (double)want[i]);
}

/* Fills y and dx of an instruction set. */
static void run_chunk(const layer *l)
{
    float *y = s.y[l->level], *dx = s.dx[l->level];
    memcpy(y, s.x, s.n * sizeof *y);
    for (size_t i = 0; i < s.n; i++)
        dx[i] = 1;
    l->op->map(y, s.n, l->fields);
    l->op->map_grad(dx, l->op->gradient_needs_input ? s.x : y, s.n, l->fields);
}

/* One case of one map, on all instruction sets. */
typedef struct map_case {
    const char *spec;
    layer on[N_ISAS];
} map_case;

static map_case case_open(const op *o, const char *spec)
{
    map_case c = {.spec = spec};
    FOR_ISAS(level)
        c.on[level] = layer_make(level, op_find(level, o->name, false), spec, 1);
    return c;
}

static void case_close(map_case *c)
{
    FOR_ISAS(level)
        arena_deinit(&c->on[level].memory);
}

/* Over the floats that s.x holds: bits first, for what has the same need not be measured twice. */
static void check_chunk(const map_case *c, worst *w)
{
    const layer *any = &c->on[ANY_ISA];
    for (size_t i = 0; i < s.n; i++) {
        s.value[i] = any->op->value((double)s.x[i], any->fields);
        s.slope[i] = any->op->slope((double)s.x[i], any->fields);
    }
    FOR_ISAS(level)
    {
        run_chunk(&c->on[level]);
        assert_same_bits(level, c->spec, s.y[level], s.y[first_like(level)]);
        assert_same_bits(level, c->spec, s.dx[level], s.dx[first_like(level)]);
        if (level == first_like(level))
            check_level(level, ANY_ISA, c->spec, w);
    }
}

/* The same over every N-th of all floats, as many at a time as stay in the cache. */
static void check_every(const op *o, const char *spec, uint64_t every)
{
    worst w = {0};
    map_case c = case_open(o, spec);
    s.n = PIECE;
    for (uint64_t bits = 0; bits >> 32 == 0;) {
        for (size_t i = 0; i < s.n; i++, bits += every)
            s.x[i] = float_of((uint32_t)bits); /* behind the last, the first again */
        check_chunk(&c, &w);
    }
    case_close(&c);
    print_message("%s: values within %.3f ulps, slopes within %.3f\n", spec, w.value, w.slope);
}

static void check_sweeps(const op *o, const char *spec)
{
    worst w = {0};
    map_case c = case_open(o, spec);
    sweep();
    check_chunk(&c, &w);
    sweep_roots(&c.on[ANY_ISA]); /* a few: what it leaves is of the sweep */
    check_chunk(&c, &w);
    case_close(&c);
}

static void maps_are_within_2_ulps_and_have_the_same_bits(void **unused)
{
    (void)unused;
    const char *every = getenv("WEFT_EVERY"), *share = getenv("WEFT_SHARE");
    size_t i = 0, mine = 0, shares = 1;
    if (share && sscanf(share, "%zu/%zu", &mine, &shares) != 2)
        fail_msg("WEFT_SHARE is %s, and must be K/S", share);
    for (const op *const *o = op_table(ANY_ISA); *o; o++)
        for (const op_case *c = (*o)->cases; (*o)->kind == OP_MAP && (*o)->map && c->spec; c++)
            if ((c > (*o)->cases && strcmp(c->spec, c[-1].spec) == 0) || i++ % shares != mine)
                continue; /* the same but for the size of its input, or another share's */
            else if (every)
                check_every(*o, c->spec, strtoull(every, NULL, 10));
            else
                check_sweeps(*o, c->spec);
}

/* The hash of what maps make of the sweep, and of their slopes, NaNs left out: these are the bits that other architectures make, too. */
static void maps_make_the_same_bits_as_ever(void **unused)
{
    (void)unused;
    static const char *const specs[] = {
        "relu", "sigmoid", "tanh", "leaky_relu", "relu6", "elu 0.3", "selu", "celu 0.3", "gelu", "gelu tanh", "silu", "mish", "softplus 0.7",
        "hardsigmoid", "hardswish", "hardtanh", "softsign", "logsigmoid", "tanhshrink", "softshrink", "hardshrink", "threshold 0.5 2",
    };
    sweep();
    FOR_ISAS(level)
    {
        text all = {0};
        char hex[65];
        for (size_t k = 0; k < COUNT(specs); k++) {
            layer l = layer_make(level, op_find(level, "relu", false), specs[k], 1);
            run_chunk(&l);
            for (size_t i = 0; i < CHUNK; i++)
                if (isnan(s.y[level][i]) || isnan(s.dx[level][i]))
                    s.y[level][i] = s.dx[level][i] = 0;
            sha256_hex(s.y[level], sizeof s.y[level], hex);
            text_printf(&all, "%s ", hex);
            sha256_hex(s.dx[level], sizeof s.dx[level], hex);
            text_printf(&all, "%s\n", hex);
            arena_deinit(&l.memory);
        }
        sha256_hex(all.data, all.length, hex);
        text_free(&all);
        if (strcmp(hex, "c8de1559e33b0d7e6b439499a9f1223324b71dc909c355efdf2b7d6232d7b0ef") != 0)
            fail_msg("on %s the hash is %s", isa_name(level), hex);
    }
}

/* ---- Kinks and ends ---- */

/* What a map makes of x, alone and in a row long enough for whole vectors; both must be the same. */
static float map_one(const layer *l, float x)
{
    float row[40];
    for (size_t i = 0; i < COUNT(row); i++)
        row[i] = x;
    l->op->map(row, COUNT(row) - 1, l->fields);
    assert_int_equal(bits_of(row[39]), bits_of(x));
    for (size_t i = 1; i < COUNT(row) - 1; i++)
        assert_int_equal(bits_of(row[i]), bits_of(row[0]));
    float one = x;
    l->op->map(&one, 1, l->fields);
    assert_int_equal(bits_of(one), bits_of(row[0]));
    return one;
}

static float slope_one(const layer *l, float x, float y)
{
    float from[40], row[40];
    for (size_t i = 0; i < COUNT(row); i++) {
        from[i] = l->op->gradient_needs_input ? x : y;
        row[i] = 1;
    }
    l->op->map_grad(row, from, COUNT(row) - 1, l->fields);
    assert_true(row[39] == 1);
    for (size_t i = 1; i < COUNT(row) - 1; i++)
        assert_int_equal(bits_of(row[i]), bits_of(row[0]));
    return row[0];
}

/* As PyTorch documents them, and returns them but where the fixtures say that it is wrong: there as the documented formula has it. */
static const struct {
    const char *spec;
    double x, y, slope;
} known[] = {
    {"relu", 0, 0, 0}, {"relu", -0.0, 0, 0}, {"relu", 0x1p-149, 0x1p-149, 1}, {"relu", -0x1p-149, 0, 0}, {"relu", INFINITY, INFINITY, 1},
    {"relu", -INFINITY, 0, 0}, {"sigmoid", 0, 0.5, 0.25}, {"sigmoid", 1000, 1, 0}, {"sigmoid", -1000, 0, 0}, {"sigmoid", INFINITY, 1, 0},
    {"sigmoid", -INFINITY, 0, 0}, {"tanh", 0, 0, 1}, {"tanh", INFINITY, 1, 0}, {"tanh", -INFINITY, -1, 0},
    {"leaky_relu", 0, 0, 0.01}, {"leaky_relu", -0.0, 0, 0.01}, {"leaky_relu", -0x1p-149, 0, 0.01}, {"leaky_relu", -INFINITY, -INFINITY, 0.01},
    {"relu6", 0, 0, 0}, {"relu6", 6, 6, 0}, {"relu6", INFINITY, 6, 0}, {"relu6", 0x1.7ffffep2, 0x1.7ffffep2, 1},
    {"elu", 0, 0, 1}, {"elu alpha=2.7", 0, 0, 2.7}, {"elu", -INFINITY, -1, 0}, {"elu", INFINITY, INFINITY, 1},
    {"selu", 0, 0, 1.7580993408473768}, {"selu", -INFINITY, -1.7580993408473768, 0}, {"celu", 0, 0, 1}, {"celu 0.3", 0, 0, 1},
    {"celu 0.3", -INFINITY, -0.3, 0}, {"gelu", 0, 0, 0.5}, {"gelu", INFINITY, INFINITY, 1}, {"gelu", -INFINITY, NAN, 0},
    {"gelu", -1000, 0, 0}, {"gelu tanh", 0, 0, 0.5}, {"gelu tanh", INFINITY, INFINITY, 1}, {"gelu tanh", -1000, 0, 0}, {"silu", 0, 0, 0.5},
    {"silu", INFINITY, INFINITY, 1}, {"silu", -INFINITY, NAN, 0}, {"silu", -1000, 0, 0}, {"mish", 0, 0, 0.6},
    {"mish", INFINITY, INFINITY, 1}, {"mish", -INFINITY, NAN, 0}, {"mish", -1000, 0, 0}, {"softplus", 0, 0.69314718055994531, 0.5},
    {"softplus", 0x1.400002p4, 0x1.400002p4, 1}, {"softplus", INFINITY, INFINITY, 1}, {"softplus", -INFINITY, 0, 0},
    {"softplus 2 3", 1.5, 1.5242936738228626, 0.95257412682243336}, {"softplus 2 3", 0x1.800002p0, 0x1.800002p0, 1},
    {"hardsigmoid", -3, 0, 0}, {"hardsigmoid", 3, 1, 0}, {"hardsigmoid", 0x1.7ffffep1, 1, 1.0 / 6}, {"hardsigmoid", -INFINITY, 0, 0},
    {"hardswish", -3, 0, 0}, {"hardswish", 3, 3, 1}, {"hardswish", 0x1.7ffffep1, 0x1.7ffffep1, 1.5}, {"hardswish", -0x1.7ffffep1, -0x1.fffffep-24, -0.5},
    {"hardswish", INFINITY, INFINITY, 1}, {"hardswish", -INFINITY, NAN, 0}, {"hardtanh", -1, -1, 0}, {"hardtanh", 1, 1, 0},
    {"hardtanh -0.5 2", -0.5, -0.5, 0}, {"hardtanh -0.5 2", 2, 2, 0}, {"hardtanh", INFINITY, 1, 0}, {"softsign", 0, 0, 1},
    {"softsign", 3e38, 1, 0}, {"logsigmoid", 0, -0.69314718055994531, 0.5}, {"logsigmoid", -INFINITY, -INFINITY, 1},
    {"logsigmoid", INFINITY, 0, 0}, {"tanhshrink", 0, 0, 0}, {"tanhshrink", INFINITY, INFINITY, 1}, {"softshrink", 0.5, 0, 0},
    {"softshrink", -0.5, 0, 0}, {"softshrink", INFINITY, INFINITY, 1}, {"hardshrink", 0.5, 0, 0}, {"hardshrink", -0.5, 0, 0},
    {"hardshrink", 0x1.000002p-1, 0x1.000002p-1, 1}, {"threshold 0.5 2", 0.5, 2, 0}, {"threshold 0.5 2", 0x1.000002p-1, 0x1.000002p-1, 1},
};

static void maps_are_what_torch_documents_at_their_kinks_and_ends(void **unused)
{
    (void)unused;
    FOR_ISAS(level)
        for (size_t i = 0; i < COUNT(known); i++) {
            layer l = layer_make(level, op_find(level, "relu", false), known[i].spec, 1); /* a layer; the spec says which */
            const float x = (float)known[i].x, y = map_one(&l, x), slope = slope_one(&l, x, y);
            if (!same((double)y, known[i].y) || !same((double)slope, known[i].slope))
                fail_msg("%s of %g is %a, its slope %a", known[i].spec, known[i].x, (double)y, (double)slope);
            arena_deinit(&l.memory);
        }
}

static void every_map_is_known_somewhere(void **unused)
{
    (void)unused;
    for (const op *const *o = op_table(ANY_ISA); *o; o++) {
        size_t found = (*o)->kind != OP_MAP || !(*o)->map;
        for (size_t i = 0; i < COUNT(known); i++)
            found += strncmp(known[i].spec, (*o)->name, strcspn(known[i].spec, " ")) == 0;
        if (!found)
            fail_msg("what is %s at its kinks and at infinity?", (*o)->name);
    }
}

static void what_maps_cannot_do_is_refused(void **unused)
{
    (void)unused;
    static const char *const wrong[][2] = {
        {"hardtanh 2 2", "below max_val"}, {"hardtanh 3", "below max_val"}, {"gelu erf", "none, tanh"}, {"celu 0", "above 0"},
        {"softplus beta=0", "above 0"}, {"softshrink -1", "at least 0"}, {"threshold 1", "value"}, {"relu 1", "relu"},
    };
    for (size_t i = 0; i < COUNT(wrong); i++) {
        arena memory = {0};
        weft_error err = {0};
        graph g = {0};
        const setting *list = setting_list_from_specs(&memory, wrong[i][0], (where){"file", 1, 1}, &err);
        assert_non_null(list);
        if (graph_build(&g, list, ANY_ISA, &memory, &err) == WEFT_OK)
            assert_int_equal(graph_infer(&g, 1, &err), WEFT_BAD_INPUT);
        if (!strstr(err.message, wrong[i][1]))
            fail_msg("%s: %s", wrong[i][0], err.message);
        arena_deinit(&memory);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_are_within_2_ulps_and_have_the_same_bits),
        cmocka_unit_test(maps_make_the_same_bits_as_ever),
        cmocka_unit_test(maps_are_what_torch_documents_at_their_kinks_and_ends),
        cmocka_unit_test(every_map_is_known_somewhere),
        cmocka_unit_test(what_maps_cannot_do_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
