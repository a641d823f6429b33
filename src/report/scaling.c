/* What the size of an input does to a sigmoid of weight times input, in two tables and a figure. */
#include "report/chart.h"

#include <math.h>

static const double inputs[] = {255, 1};
static const double table_weights[] = {-1, -0.5, -0.1, -0.05, -0.01, 0, 0.01, 0.05, 0.1, 0.5, 1};
enum { N_INPUTS = COUNT(inputs), N_POINTS = 801, N_LINES = 2 * N_INPUTS };

static double sigmoid(double z) { return 1 / (1 + exp(-z)); }

/* Below it a slope is not drawn. */
static const double LEAST = 1e-6;

/* Of the sigmoid, at z. */
static double slope(double z) { return sigmoid(z) * sigmoid(-z); }

static void add_table(double x, text *t)
{
    text_printf(t, "input %g\n\n   weight  weight x input  sigmoid of that  its slope\n  -------  --------------  ---------------  ---------\n", x);
    for (size_t i = 0; i < COUNT(table_weights); i++) {
        const double z = table_weights[i] * x;
        text_printf(t, "  %7.2f  %14.2f  %15.6f  %9.2g\n", table_weights[i], z, sigmoid(z), slope(z));
    }
    text_add(t, "\n");
}

static void add_sentence(const char *sentence, text *t)
{
    text_add(t, "- ");
    text_add_wrapped(t, sentence);
    text_add(t, "\n");
}

void report_scaling(text *t)
{
    text sentence = {0};
    for (size_t i = 0; i < N_INPUTS; i++)
        add_table(inputs[i], t);
    text_printf(&sentence, "With an input of 255, a weight of 0.05 makes %.6f of the sigmoid and one of -0.05 %.6f: almost every weight gives 0 or "
                           "1, "
                           "and the slope there is %.1g or less, so that hardly any gradient comes through and the weight is not learned.",
                sigmoid(0.05 * 255), sigmoid(-0.05 * 255), slope(0.05 * 255));
    add_sentence(sentence.data ? sentence.data : "", t);
    add_sentence("Around 0, where there is a slope, the least change of the weight turns the answer over: the gradient by the weight has the input "
                 "as "
                 "a factor, so that it is 255 times as large there and next to nothing everywhere else, and no learning rate fits both.", t);
    text_free(&sentence);
    text_printf(&sentence, "Divided by 255 (data: {scale: 255}), the input is at most 1, and weights from -1 to 1 lie where the sigmoid is nearly a "
                           "straight line, from %.2f to %.2f, with a slope of %.2f to %.2f: each can be learned in even steps.",
                sigmoid(-1), sigmoid(1), slope(1), slope(0));
    add_sentence(sentence.data ? sentence.data : "", t);
    t->failed |= sentence.failed;
    text_free(&sentence);
}

/* Lines of both inputs for one panel. */
static bool fill_lines(series lines[N_INPUTS], double (*of)(double z), bool times_input, arena *a)
{
    static const char *const labels[N_INPUTS] = {"input 255", "input 1"};
    for (size_t i = 0; i < N_INPUTS; i++) {
        double *weight = arena_array(a, N_POINTS, sizeof *weight), *y = arena_array(a, N_POINTS, sizeof *y);
        for (size_t k = 0; weight && y && k < N_POINTS; k++) {
            weight[k] = 2.0 * (double)k / (N_POINTS - 1) - 1;
            y[k] = of(weight[k] * inputs[i]) * (times_input ? inputs[i] : 1);
            y[k] = times_input && y[k] < LEAST ? NAN : y[k];
        }
        if (!weight || !y)
            return false;
        lines[i] = (series){.label = labels[i], .look = (unsigned)i, .n = N_POINTS, .epoch = weight, .y = y};
    }
    return true;
}

weft_status report_scaling_figure(const char *path, weft_error *err)
{
    arena a = {0};
    series lines[N_LINES];
    figure f = {.title = "sigmoid(weight x input), and what is learned from it", .n_panels = 2, .legend = lines, .n_legend = N_INPUTS};
    TRY(picture_check_path(path, err));
    const bool good = fill_lines(lines, sigmoid, false, &a) && fill_lines(lines + N_INPUTS, slope, true, &a);
    f.panels[0] = (panel){.title = "sigmoid(weight x input)", .y = axis_linear(0, 0.99)};
    f.panels[1] = (panel){.title = "Its slope by the weight", .note = "for an input of 255 it is below 0.000001 for nearly all weights", .y = axis_log(LEAST, 255.0 / 4)};
    for (size_t i = 0; i < 2; i++) {
        f.panels[i].x = axis_linear(-0.99, 0.99);
        f.panels[i].x_label = "weight";
        f.panels[i].series = lines + i * N_INPUTS;
        f.panels[i].n_series = N_INPUTS;
    }
    weft_status status = good ? figure_layout(&f, &a, err) : fail_memory(err);
    if (status == WEFT_OK)
        status = picture_save(&(picture){.width = f.width, .height = f.height, .draw = figure_draw, .of = &f}, path, err);
    arena_deinit(&a);
    return status;
}
