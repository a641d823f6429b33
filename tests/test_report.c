/* Figures, tables and sentences. */
#include "test.h"

#include <cairo.h>

#include "report/variants.h"
#include "run_files.h"

static const report_view plain_view = {0};

static const char *summary_of(const run_record *runs, size_t n, bool markdown)
{
    text t = {0};
    report_summary(runs, n, &plain_view, markdown ? REPORT_MARKDOWN : REPORT_TEXT, &t);
    assert_false(t.failed);
    char *copy = arena_text(&memory, t.data);
    text_free(&t);
    return copy;
}

/* ---- Axes ---- */

static void ticks_of_epochs_are_whole_rising_and_few(void **state)
{
    (void)state;
    for (size_t n = 1; n < 3000; n++) {
        axis x = axis_epochs(1, (double)n);
        assert_in_range(x.n_ticks, 1, 14);
        for (size_t i = 0; i < x.n_ticks; i++) {
            assert_true(x.ticks[i] == floor(x.ticks[i]) && x.ticks[i] >= 1 && x.ticks[i] <= (double)n);
            assert_true(i == 0 || x.ticks[i] > x.ticks[i - 1]);
        }
    }
    char buffer[32];
    axis x = axis_epochs(1, 20);
    assert_int_equal(x.n_ticks, 5);
    assert_string_equal(axis_label(&x, x.ticks[4], buffer), "20");
}

static void values_lie_between_the_ends_of_their_axis(void **state)
{
    (void)state;
    static const double ranges[][2] = {{0.1, 0.5},     {80.8, 93.94}, {0, 0},      {0.5, 0.5},   {99.99, 100},
                                       {1e-9, 3e-9},   {2, 31.2},     {3e4, 9e5},  {0.29, 2.3},  {1e-300, 1e300},
                                       {1e299, 1e300}, {0, 100},      {0, 1e-300}, {12.3, 12.31}};
    for (size_t i = 0; i < COUNT(ranges); i++) {
        const double low = ranges[i][0], high = ranges[i][1];
        const axis axes[] = {axis_linear(low, high), axis_percent(MIN(low, 100), MIN(high, 100)),
                             axis_log(MAX(low, 1e-300), MAX(high, 1e-300))};
        for (size_t k = 0; k < COUNT(axes); k++) {
            const axis *x = &axes[k];
            const double most = k == 1 ? 100 : INFINITY, least = k == 2 ? 1e-300 : -INFINITY;
            const double ends[] = {MAX(MIN(low, most), least), MAX(MIN(high, most), least)};
            assert_true(isfinite(x->min) && isfinite(x->max) && x->min < x->max);
            assert_in_range(x->n_ticks, k == 2 ? 0 : 2, MAX_TICKS);
            for (size_t e = 0; e < 2; e++)
                if (!(axis_place(x, ends[e]) > -1e-6 && axis_place(x, ends[e]) < 1 + 1e-6))
                    fail_msg("kind %zu, %g to %g: %g lies at %g", k, low, high, ends[e], axis_place(x, ends[e]));
            assert_true(k != 1 || (x->min >= 0 && x->max <= 100));
        }
    }
}

static void ticks_have_labels_that_tell_them_apart(void **state)
{
    (void)state;
    static const double ranges[][2] = {{0.1, 0.5}, {80.8, 93.9}, {0.2, 31}, {0.001, 0.0017}, {3e4, 9e5}, {1e-12, 1}};
    char one[32], other[32];
    for (size_t i = 0; i < COUNT(ranges); i++) {
        const axis axes[] = {axis_linear(ranges[i][0], ranges[i][1]), axis_log(ranges[i][0], ranges[i][1])};
        for (size_t k = 0; k < COUNT(axes); k++)
            for (size_t t = 1; t < axes[k].n_ticks; t++)
                assert_string_not_equal(axis_label(&axes[k], axes[k].ticks[t - 1], one),
                                        axis_label(&axes[k], axes[k].ticks[t], other));
    }
    axis x = axis_percent(80.8, 93.9);
    assert_string_equal(axis_label(&x, 85, one), "85 %");
}

/* ---- Figures ---- */

static bool apart(box a, box b)
{
    return a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y;
}

static void the_legend_and_the_plots_lie_apart(void **state)
{
    (void)state;
    static const char *const labels[] = {"sgd",
                                         "a name that is much too long for any legend to hold it, whatever it means",
                                         "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW", "", "x"};
    weft_error err = {0};
    for (size_t n = 0; n < 41; n++) {
        series legend[41] = {0};
        for (size_t i = 0; i < n; i++)
            legend[i] = (series){.label = labels[(i + n) % COUNT(labels)], .remark = i % 3 ? NULL : " (diverged)"};
        figure f = {.title = labels[1], .subtitle = labels[2], .legend = legend, .n_legend = n, .n_panels = 4};
        for (size_t i = 0; i < 4; i++)
            f.panels[i] = (panel){.title = "Loss",
                                  .note = i ? NULL : labels[1],
                                  .x = axis_epochs(1, 20),
                                  .y = axis_linear(0.1, i == 2 ? 1e7 : 1)};
        must(figure_layout(&f, &memory, &err), &err);
        assert_true(f.legend_box.x >= 0 && f.legend_box.x + f.legend_box.width <= f.width);
        for (size_t i = 0; i < 4; i++) {
            const box *p = &f.panels[i].plot;
            assert_true(apart(f.legend_box, *p));
            assert_true(p->x > 0 && p->y > 0 && p->x + p->width <= f.width && p->y + p->height <= f.height);
            for (size_t k = 0; k < i; k++)
                assert_true(apart(f.panels[k].plot, *p));
        }
    }
}

static void long_and_hostile_texts_are_shortened_and_escaped(void **state)
{
    (void)state;
    cairo_t *ruler = ink_ruler();
    ink style = {.size = 12};
    const char *fitted = ink_fit(ruler, style, 100,
                                 "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3"
                                 "\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4",
                                 &memory);
    assert_has(fitted, "\xc3\xa4\xe2\x80\xa6");
    assert_true(ink_width(ruler, style, fitted) <= 100);
    assert_null(strpbrk(ink_fit(ruler, style, 1000, "a\x1b[31m\n\tb", &memory), "\x1b\n\t"));
    assert_string_equal(ink_fit(ruler, style, 1000, "<b>&amp;</b>", &memory), "<b>&amp;</b>");
    ink_fit(ruler, style, 1000, "\xff\xfe", &memory);
    char *endless = arena_alloc(&memory, 1 << 20);
    memset(endless, 'x', (1 << 20) - 1);
    assert_true(ink_width(ruler, style, ink_fit(ruler, style, 200, endless, &memory)) <= 200);
    assert_int_equal(cairo_status(ruler), CAIRO_STATUS_SUCCESS); /* no text broke the drawing */
    cairo_destroy(ruler);
}

static void size_of_svg(const char *name, double *width, double *height)
{
    const char *svg = content_of(in_folder(name), NULL);
    assert_has(svg, "</svg>");
    assert_int_equal(sscanf(strstr(svg, "<svg"),
                            "<svg xmlns=\"%*[^\"]\" xmlns:xlink=\"%*[^\"]\" width=\"%lfpx\" height=\"%lfpx\"", width,
                            height),
                     2);
}

static void svg_and_png_are_one_drawing(void **state)
{
    (void)state;
    weft_error err = {0};
    run_record run = make_run("adam", 1, (course){20, {0.5, 0.1}, {87, 95}, {85, 89}});
    must(report_curves(&run, &err), &err);
    double width = 0, height = 0;
    size_of_svg("curves.svg", &width, &height);
    cairo_surface_t *png = cairo_image_surface_create_from_png(in_folder("curves.png"));
    assert_int_equal(cairo_surface_status(png), CAIRO_STATUS_SUCCESS);
    assert_int_equal(cairo_image_surface_get_width(png), (int)(2 * width));
    assert_int_equal(cairo_image_surface_get_height(png), (int)(2 * height));
    cairo_surface_destroy(png);
}

static void equal_runs_give_equal_bytes(void **state)
{
    (void)state;
    weft_error err = {0};
    run_record run = make_run("adam", 1, (course){20, {0.5, 0.1}, {87, 95}, {85, 89}});
    size_t size, again_size;
    for (size_t i = 0; i < 2; i++) {
        const char *name = i ? "curves.png" : "curves.svg";
        must(report_curves(&run, &err), &err);
        const char *first = content_of(in_folder(name), &size);
        must(report_curves(&run, &err), &err);
        const char *again = content_of(in_folder(name), &again_size);
        assert_int_equal(size, again_size);
        assert_memory_equal(first, again, size);
    }
}

/* How many pixels of a PNG have a colour, right of a place given as a part of the width, below the legend. */
static size_t count_pixels(const char *name, uint32_t rgb, double from_x)
{
    cairo_surface_t *png = cairo_image_surface_create_from_png(in_folder(name));
    assert_int_equal(cairo_surface_status(png), CAIRO_STATUS_SUCCESS);
    int width = cairo_image_surface_get_width(png), height = cairo_image_surface_get_height(png);
    size_t n = 0;
    for (int y = height / 4; y < height; y++) {
        const uint32_t *line = (const uint32_t *)(const void *)(cairo_image_surface_get_data(png) +
                                                                y * cairo_image_surface_get_stride(png));
        for (int x = (int)(from_x * width); x < width; x++)
            n += (line[x] & 0xffffff) == rgb;
    }
    cairo_surface_destroy(png);
    return n;
}

enum { BLUE = 0x0072b2, VERMILLION = 0xd55e00 };

static void a_line_stops_where_its_values_do(void **state)
{
    (void)state;
    weft_error err = {0};
    run_record run = make_run("", 1, (course){20, {0.5, 0.1}, {87, 95}, {85, 89}});
    weft_metrics *m = (weft_metrics *)run.metrics;
    must(report_curves(&run, &err), &err);
    const size_t before = count_pixels("curves.png", BLUE, 0.85);
    for (size_t i = 10; i < 20; i++)
        m[i].train_acc = i % 2 ? NAN : INFINITY;
    must(report_curves(&run, &err), &err);
    assert_true(before > 0);
    assert_int_equal(count_pixels("curves.png", BLUE, 0.85), 0);
    assert_true(count_pixels("curves.png", VERMILLION, 0.85) > 0);
}

static void lines_that_coincide_are_both_seen(void **state)
{
    (void)state;
    weft_error err = {0};
    run_record runs[] = {make_run("one", 1, (course){10, {0.5, 0.1}, {87, 95}, {85, 89}}),
                         make_run("other", 1, (course){10, {0.5, 0.1}, {87, 95}, {85, 89}})};
    must(report_compare(folder, runs, COUNT(runs), &plain_view, &err), &err);
    const size_t lower = count_pixels("compare.png", BLUE, 0), upper = count_pixels("compare.png", VERMILLION, 0);
    assert_true(lower > 500 && upper > 500);
}

static figure overlay_of(const run_record *runs, size_t n_runs)
{
    weft_error err = {0};
    figure f;
    size_t n = 0;
    variant *variants = variants_group(runs, n_runs, &n, &memory);
    assert_non_null(variants);
    must(compare_figure(variants, n, OVERLAY_CURVES, &f, &memory, &err), &err);
    return f;
}

static void a_variant_that_never_learns_does_not_press_the_others_together(void **state)
{
    (void)state;
    run_record runs[] = {make_run("unscaled", 1, (course){10, {31, 2.3}, {10, 15}, {10, 15}}),
                         make_run("scaled", 1, (course){10, {0.8, 0.4}, {80, 88}, {79, 86}}),
                         make_run("adam", 1, (course){20, {0.5, 0.1}, {87, 95}, {85, 89}}),
                         make_run("not begun", 1, (course){0})};
    figure f = overlay_of(runs, 4);
    assert_has(f.panels[1].note, "below the axis: unscaled (at most 15.0 %)");
    assert_true(f.panels[1].y.min > 70 && f.panels[1].y.min < 79);
    assert_true(f.panels[0].y.log && f.panels[2].y.log); /* 31 to 0.1: both losses have the same kind of axis */
    assert_true(f.panels[2].y.log);
    f = overlay_of(runs + 1, 3);
    assert_null(f.panels[1].note);
    assert_false(f.panels[0].y.log);
    assert_string_equal(f.panels[2].title, "Training loss");
    runs[0].metrics = make_run("", 1, (course){10, {1, 1}, {50, 60}, {50, 60}}).metrics; /* not that far off */
    f = overlay_of(runs, 3);
    assert_null(f.panels[1].note);
    assert_true(f.panels[1].y.min <= 50);
}

static void longer_lines_lie_below_shorter_ones(void **state)
{
    (void)state;
    run_record runs[] = {make_run("short", 1, (course){10, {0.8, 0.4}, {80, 88}, {79, 86}}),
                         make_run("long", 1, (course){20, {0.5, 0.1}, {87, 95}, {85, 89}})};
    figure f = overlay_of(runs, 2);
    for (size_t i = 0; i < 4; i++)
        assert_true(f.panels[i].series[0].n == 20 && f.panels[i].series[1].n == 10);
    assert_string_equal(f.legend[0].label, "short");
}

static void the_best_epoch_is_singled_out(void **state)
{
    (void)state;
    weft_error err = {0};
    run_record runs[] = {make_run("adam", 1, (course){5, {0.5, 0.1}, {87, 95}, {85, 89}})};
    weft_metrics *m = (weft_metrics *)runs[0].metrics;
    m[1].val_loss = 0.3;
    m[3].val_acc = 0.9012;
    size_t n;
    figure f;
    must(curves_figure(variants_group(runs, 1, &n, &memory), &f, &memory, &err), &err);
    assert_string_equal(f.panels[0].note, "lowest validation loss 0.3000 after epoch 2");
    assert_string_equal(f.panels[1].note, "best validation accuracy 90.12 % after epoch 4");
    assert_true(*f.panels[0].series[1].ring == 2 && *f.panels[1].series[1].ring == 4);
}

static void figures_are_drawn_whatever_the_runs_hold(void **state)
{
    (void)state;
    weft_error err = {0};
    run_record runs[] = {make_run("none", 1, (course){0}),
                         make_run("one epoch", 1, (course){1, {0.5, 0.5}, {87, 87}, {85, 85}}),
                         make_run("nothing finite", 1, (course){3, {NAN, NAN}, {INFINITY, INFINITY}, {NAN, NAN}}),
                         make_run("zero", 1, (course){3, {0, 0}, {0, 0}, {0, 0}}),
                         make_run("perfect", 1, (course){3, {31, 0}, {0, 100}, {100, 100}}),
                         make_run("huge", 1, (course){3, {1, 1.7e308}, {50, 50}, {50, 50}}),
                         make_run("negative", 1, (course){3, {-1, 100}, {50, 50}, {50, 50}}),
                         make_run("\xff\x1b<&", 1, (course){3, {5e-324, 1e-300}, {1, 2}, {2, 1}})};
    for (size_t i = 0; i < COUNT(runs); i++) {
        unlink(in_folder("curves.svg"));
        must(report_curves(&runs[i], &err), &err);
        assert_true(file_exists(in_folder("curves.svg")));
    }
    must(report_compare(folder, runs, COUNT(runs), &plain_view, &err), &err);
    must(report_compare(folder, runs, 1, &plain_view, &err), &err);
    must(report_compare(folder, runs, 0, &plain_view, &err), &err);
}

static void curves_are_saved_by_their_ending(void **state)
{
    (void)state;
    static const char *const refused[] = {"curves.pdf", "curves", "", ".svg", "svg", "curves.svg.gz"};
    weft_error err = {0};
    run_record run = make_run("", 1, (course){3, {0.5, 0.1}, {87, 95}, {85, 89}});
    must(weft_curves_save(run.metrics, 3, "A title", in_folder("mine.svg"), &err), &err);
    must(weft_curves_save(run.metrics, 3, NULL, in_folder("mine.PNG"), &err), &err);
    must(weft_curves_save(NULL, 0, "Nothing", in_folder("nothing.svg"), &err), &err);
    assert_memory_equal(content_of(in_folder("mine.svg"), NULL), "<?xml", 5);
    assert_memory_equal(content_of(in_folder("mine.PNG"), NULL), "\x89PNG", 4);
    for (size_t i = 0; i < COUNT(refused); i++) {
        err = (weft_error){0};
        assert_int_equal(weft_curves_save(run.metrics, 3, "", refused[i], &err), WEFT_BAD_INPUT);
        assert_has(err.message, ".svg or .png");
    }
    assert_int_equal(weft_curves_save(run.metrics, 3, "", in_folder("no/such/folder.svg"), &err), WEFT_IO);
}

static void a_grid_shows_its_images_and_leaves_gaps(void **state)
{
    (void)state;
    weft_error err = {0};
    static const char *const names[] = {"shirts", "bags"};
    float pixels[2 * 3 * 4 * 4];
    for (size_t i = 0; i < COUNT(pixels); i++)
        pixels[i] = 0.5f;
    pixels[2 * 16] = NAN;
    image_grid g = {2, 3, 4, 4, pixels, names, "Things"};
    must(report_grid(&g, in_folder("grid.png"), &err), &err);
    must(report_grid(&g, in_folder("grid.svg"), &err), &err);
    /* 4 pixels are enlarged 14 times, and a PNG has two pixels a point: five of six cells are grey */
    assert_true(count_pixels("grid.png", 0x808080, 0) > 4 * 112 * 112 / 2);
    cairo_surface_t *png = cairo_image_surface_create_from_png(in_folder("grid.png"));
    const int width = cairo_image_surface_get_width(png), last = width - 2 * 20 - 56, y = 2 * (20 + 28 + 28);
    const unsigned char *data = cairo_image_surface_get_data(png);
    const size_t stride = (size_t)cairo_image_surface_get_stride(png);
    const uint32_t *row = (const uint32_t *)(const void *)(data + (size_t)y * stride),
                   *below = (const uint32_t *)(const void *)(data + (size_t)(y + 118) * stride);
    assert_int_equal(row[last] & 0xffffff, 0xffffff);
    assert_int_equal(below[last] & 0xffffff, 0x808080);
    assert_int_equal(row[last - 118] & 0xffffff, 0x808080);
    cairo_surface_destroy(png);
}

static void impossible_grids_are_refused(void **state)
{
    (void)state;
    weft_error err = {0};
    float pixel = 0;
    image_grid g = {1, 1, 1, 1, &pixel, NULL, NULL};
    assert_int_equal(report_grid(&g, "grid.gif", &err), WEFT_BAD_INPUT);
    g.rows = 0;
    assert_int_equal(report_grid(&g, in_folder("bad.png"), &err), WEFT_BAD_INPUT);
    g.rows = 1000000;
    assert_int_equal(report_grid(&g, in_folder("bad.png"), &err), WEFT_BAD_INPUT);
    assert_false(file_exists(in_folder("bad.png")));
}

/* ---- The table ---- */

static void the_table_tells_best_last_gap_and_seconds(void **state)
{
    (void)state;
    run_record runs[] = {make_run("adam", 1, (course){5, {0.5, 0.1}, {87, 95.5}, {85, 89}})};
    ((weft_metrics *)runs[0].metrics)[2].val_acc = 0.89314;
    ((weft_metrics *)runs[0].metrics)[3].val_acc = 0.89314; /* the first of two bests counts */
    const char *table = summary_of(runs, 1, false);
    assert_has(table, "adam       89.00 %  89.31 %      3  95.50 %  6.50     10.0");
    assert_lacks(table, "runs");
    assert_lacks(table, "epochs");
    assert_lacks(table, "status");
    assert_lacks(table, "against");
    for (const char *c = table; *c; c++)
        assert_true((unsigned char)*c < 0x80);
}

static void seeds_are_told_as_mean_and_deviation(void **state)
{
    (void)state;
    run_record runs[3];
    for (size_t i = 0; i < 3; i++)
        runs[i] = make_run("adam", i, (course){5, {0.5, 0.1}, {87, 95}, {85, 89 + (double)i}});
    assert_has(summary_of(runs, 3, false), "90.00 +- 1.00 %");
    assert_has(summary_of(runs, 3, true), "90.00 \xc2\xb1 1.00 %");
    runs[2].n_epochs = 0; /* one of them has nothing to tell yet */
    assert_has(summary_of(runs, 3, false), "89.50 +- 0.71 % (2)");
}

/* How many characters there are in a line. */
static size_t width_of(const char *line)
{
    size_t n = 0;
    for (; *line && *line != '\n'; line++)
        n += ((unsigned char)*line & 0xc0) != 0x80;
    return n;
}

static void a_table_keeps_its_columns_and_a_terminals_width(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "\xc3\xa4\xc3\xb6\xc3\xbc and a name that does not end before the table does, or so",
                                        "\xc3\xa4\xc3\xb6\xc3\xbc and a name that does not end before the table does, or is it"};
    run_record runs[9];
    for (size_t i = 0; i < 9; i++)
        runs[i] = make_run(names[i / 3], i % 3, (course){i < 3 ? 100 : 20, {0.5, 0.1}, {87, 98 + (double)(i % 3)}, {1, 80 - (double)i}});
    const char *table = summary_of(runs, 9, false), *line = table;
    for (size_t i = 0; i < 5; i++, line = strchr(line, '\n') + 1)
        assert_int_equal(width_of(line), 100);
    for (line = strstr(table, "\nagainst a") + 1; *line; line = strchr(line, '\n') + 1)
        assert_true(width_of(line) <= 100);
    assert_has(table, "\n\xc3\xa4\xc3\xb6\xc3\xbc and a name that does...the table does, or is it  ");
    assert_has(table, "\n\xc3\xa4\xc3\xb6\xc3\xbc and a name that does...re the table does, or so  ");
}

/* Before a name is cut. */
static void columns_that_say_least_give_way_to_names(void **state)
{
    (void)state;
    static const char long_name[] = "lr=0.0297, momentum=0.9, nesterov=true, batch=128";
    run_record runs[] = {make_run("plain", 1, (course){2, {1, 1}, {50, 50}, {50, 60}}), make_run("a", 1, (course){3, {1, 1}, {50, 50}, {80, 70}})};
    const char *table = summary_of(runs, 2, false);
    assert_has(table, "  train.     gap  seconds\n");
    assert_has(table, "epochs to 60.00 %  seconds\n");
    runs[1].variant = arena_printf(&memory, "%.47s", long_name);
    assert_has(table = summary_of(runs, 2, false), "  train.     gap\n");
    runs[1].variant = long_name;
    assert_has(table = summary_of(runs, 2, false), "  train.\n");
    assert_has(table, "\nlr=0.0297, momentum=0.9, nesterov=true, batch=128       3    70.00 %  80.00 %      1  50.00 %\n");
    assert_has(table, "\nlr=0.0297, momentum=0.9, nesterov=true, batch=128      +10.00                  1\n");
}

static void names_mean_nothing_in_markdown_or_a_terminal(void **state)
{
    (void)state;
    run_record runs[] = {
        make_run("a|b <i> [x](y) \x1b[31m\n# `c` http://d", 1, (course){2, {0.5, 0.1}, {87, 95}, {85, 89}})};
    runs[0].status = "diverged";
    runs[0].message = "*step*";
    const char *page = summary_of(runs, 1, true);
    assert_has(page, "a\\|b \\<i\\> \\[x\\]\\(y\\) ");
    assert_has(page, "\\`c\\` http\\://d");
    assert_has(page, "\\*step\\*");
    assert_lacks(page, "\x1b");
    assert_lacks(summary_of(runs, 1, false), "\x1b");
}

/* ---- A comparison's folder ---- */

static void a_comparison_leaves_its_figures_and_a_page_that_leads_to_them(void **state)
{
    (void)state;
    weft_error err = {0};
    run_record runs[] = {make_run("Two hidden", 1, (course){4, {0.8, 0.3}, {80, 88}, {79, 87}}),
                         make_run("two-hidden", 1, (course){4, {0.7, 0.2}, {80, 88}, {79, 87}}),
                         make_run("compare", 1, (course){4, {0.7, 0.2}, {80, 88}, {79, 87}})};
    static const char *const names[] = {"compare", "two-hidden", "two-hidden-2", "compare-2"};
    for (size_t i = 0; i < COUNT(names); i++)
        unlink(in_folder(arena_printf(&memory, "%s.svg", names[i])));
    must(report_compare(folder, runs, COUNT(runs), &plain_view, &err), &err);
    const char *page = content_of(in_folder("summary.md"), NULL);
    assert_memory_equal(page, "# A title\n", 10);
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_true(file_exists(in_folder(arena_printf(&memory, "%s.svg", names[i]))));
        assert_true(file_exists(in_folder(arena_printf(&memory, "%s.png", names[i]))));
        assert_has(page, arena_printf(&memory, "](%s.png)](%s.svg)", names[i], names[i]));
    }
}

static void slugs_are_plain_and_differ(void **state)
{
    (void)state;
    static const char *const names[] = {"Two hidden layers", "two/hidden//layers!", "",        "\xc3\xa4", "../..",
                                        "summary",           "variant-2",           "a\n\x1b", "lr=0.01"};
    static const char *const slugs[] = {"two-hidden-layers", "two-hidden-layers-2", "variant", "variant-2", "variant-3",
                                        "summary-2",         "variant-2-2",         "a",       "lr-0-01"};
    char **made = slugs_make(&memory, names, COUNT(names));
    for (size_t i = 0; i < COUNT(names); i++)
        assert_string_equal(made[i], slugs[i]);
    char *endless = arena_alloc(&memory, 100000);
    memset(endless, 'x', 99999);
    text t = {0};
    text_add_slug(&t, endless);
    assert_true(t.length < 100);
    text_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ticks_of_epochs_are_whole_rising_and_few),
        cmocka_unit_test(values_lie_between_the_ends_of_their_axis),
        cmocka_unit_test(ticks_have_labels_that_tell_them_apart),
        cmocka_unit_test(the_legend_and_the_plots_lie_apart),
        cmocka_unit_test(long_and_hostile_texts_are_shortened_and_escaped),
        cmocka_unit_test(svg_and_png_are_one_drawing),
        cmocka_unit_test(equal_runs_give_equal_bytes),
        cmocka_unit_test(a_line_stops_where_its_values_do),
        cmocka_unit_test(lines_that_coincide_are_both_seen),
        cmocka_unit_test(a_variant_that_never_learns_does_not_press_the_others_together),
        cmocka_unit_test(longer_lines_lie_below_shorter_ones),
        cmocka_unit_test(the_best_epoch_is_singled_out),
        cmocka_unit_test(figures_are_drawn_whatever_the_runs_hold),
        cmocka_unit_test(curves_are_saved_by_their_ending),
        cmocka_unit_test(a_grid_shows_its_images_and_leaves_gaps),
        cmocka_unit_test(impossible_grids_are_refused),
        cmocka_unit_test(the_table_tells_best_last_gap_and_seconds),
        cmocka_unit_test(seeds_are_told_as_mean_and_deviation),
        cmocka_unit_test(a_table_keeps_its_columns_and_a_terminals_width),
        cmocka_unit_test(columns_that_say_least_give_way_to_names),
        cmocka_unit_test(names_mean_nothing_in_markdown_or_a_terminal),
        cmocka_unit_test(a_comparison_leaves_its_figures_and_a_page_that_leads_to_them),
        cmocka_unit_test(slugs_are_plain_and_differ),
    };
    const int failed = cmocka_run_group_tests(tests, make_folder, remove_folder);
    report_end();
    return failed;
}
