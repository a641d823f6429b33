/* The tutorial function by function: here the caller owns the loop, and every step of it can be looked at or changed. */
#include <stdio.h>
#include <stdlib.h>
#include <weft.h>

enum { BATCH = 32, MAX_EPOCHS = 100 };

static weft_error err;

/* Stops with the library's own words. */
static void must(int good)
{
    if (good)
        return;
    fprintf(stderr, "%s\n", err.message);
    exit(1);
}

typedef struct data {
    weft_dataset *set;
    weft_loader *train, *validation;
} data;

/* The images and the batches that are made of them: shuffled for training, in order for the validation. */
static data get_data(void)
{
    data d = {.set = weft_dataset_open("fashion-mnist", &err)};
    must(d.set != NULL);
    d.train = weft_loader_create(d.set, WEFT_TRAIN, &(weft_loader_options){.batch = BATCH, .scale = 255, .seed = 1}, &err);
    d.validation = weft_loader_create(d.set, WEFT_TEST, &(weft_loader_options){.batch = 1000, .scale = 255, .keep_order = true}, &err);
    must(d.train && d.validation);
    return d;
}

typedef struct model {
    weft_model *layers;
    weft_trainer *trainer;
} model;

/* The network, its loss and its optimizer. */
static model get_model(const weft_dataset *set)
{
    model m = {.layers = weft_model_create("linear 1000, relu, linear 10", &err)};
    must(m.layers != NULL);
    must(weft_model_init(m.layers, weft_dataset_features(set), 1, &err) == WEFT_OK);
    m.trainer = weft_trainer_create(m.layers, NULL, &(weft_options){.optimizer = "sgd lr=0.01", .loss = "cross_entropy"}, &err);
    must(m.trainer != NULL);
    return m;
}

/* One step: the loss of the batch, its gradient, the update. */
static double train_batch(model m, const weft_batch *batch)
{
    double loss;
    must(weft_trainer_step(m.trainer, batch, &loss, &err) == WEFT_OK);
    return loss;
}

/* The share of right answers in a batch, and the loss over it. */
static double accuracy(model m, const weft_batch *batch, double *loss)
{
    size_t n_correct;
    must(weft_trainer_evaluate(m.trainer, batch, loss, &n_correct, &err) == WEFT_OK);
    return (double)n_correct / (double)batch->n;
}

/* Mean accuracy over all samples of a loader; their mean loss in *loss. */
static double mean_accuracy(model m, weft_loader *loader, double *loss)
{
    weft_batch batch;
    double sum = 0, loss_sum = 0, n = 0;
    while (weft_loader_next(loader, &batch)) {
        double batch_loss;
        sum += accuracy(m, &batch, &batch_loss) * (double)batch.n;
        loss_sum += batch_loss * (double)batch.n;
        n += (double)batch.n;
    }
    *loss = loss_sum / n;
    return sum / n;
}

static double validation_loss(model m, weft_loader *loader, double *validation_accuracy)
{
    double loss;
    *validation_accuracy = mean_accuracy(m, loader, &loss);
    return loss;
}

static double train_epoch(model m, weft_loader *loader)
{
    weft_batch batch;
    double sum = 0;
    while (weft_loader_next(loader, &batch))
        sum += train_batch(m, &batch);
    return sum / (double)weft_loader_batches(loader);
}

int main(int argc, char **argv)
{
    const size_t asked = argc > 1 ? strtoul(argv[1], NULL, 10) : 5, epochs = asked < MAX_EPOCHS ? asked : MAX_EPOCHS;
    static weft_metrics curve[MAX_EPOCHS];
    data d = get_data();
    model m = get_model(d.set);

    for (size_t epoch = 0; epoch < epochs; epoch++) {
        weft_metrics *at = &curve[epoch];
        double ignored;
        at->epoch = epoch + 1;
        at->train_loss = train_epoch(m, d.train);
        at->train_acc = mean_accuracy(m, d.train, &ignored);
        at->val_loss = validation_loss(m, d.validation, &at->val_acc);
        printf("epoch %zu: loss %.4f, accuracy %.4f; validation loss %.4f, accuracy %.4f\n", at->epoch, at->train_loss, at->train_acc,
               at->val_loss, at->val_acc);
    }
    must(weft_curves_save(curve, epochs, "Fashion-MNIST, SGD", "tutorial.svg", &err) == WEFT_OK);

    weft_trainer_free(m.trainer);
    weft_model_free(m.layers);
    weft_loader_free(d.train);
    weft_loader_free(d.validation);
    weft_dataset_close(d.set);
    return 0;
}
