/* Trains the tutorial's network on Fashion-MNIST: 784-1000-10, Adam. Build: cc train.c $(pkg-config --cflags --libs weft) */
#include <stdio.h>
#include <stdlib.h>
#include <weft.h>

int main(int argc, char **argv)
{
    const size_t epochs = argc > 1 ? strtoul(argv[1], NULL, 10) : 5;
    weft_error err = {0};
    weft_metrics m;
    weft_status status = WEFT_BAD_INPUT;

    weft_dataset *data = weft_dataset_open("fashion-mnist", &err);
    weft_model *model = data ? weft_model_create("linear 1000, relu, linear 10", &err) : NULL;
    weft_trainer *trainer = model ? weft_trainer_create(model, data, &(weft_options){
        .optimizer = "adam lr=0.001", .scale = 255, .batch = 32, .seed = 1}, &err) : NULL;

    if (trainer)
        for (status = WEFT_OK, m.epoch = 0; status == WEFT_OK && m.epoch < epochs;) {
            status = weft_trainer_epoch(trainer, &m, &err);
            if (status == WEFT_OK)
                printf("epoch %zu: loss %.4f, validation accuracy %.4f\n", m.epoch, m.train_loss, m.val_acc);
        }
    if (status == WEFT_OK)
        status = weft_model_save(model, "model.safetensors", &err);
    if (status != WEFT_OK)
        fprintf(stderr, "%s\n", err.message);

    weft_trainer_free(trainer);
    weft_model_free(model);
    weft_dataset_close(data);
    return status == WEFT_OK ? 0 : 1;
}
