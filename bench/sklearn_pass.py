#!/usr/bin/python3
"""Times a training pass over Fashion-MNIST with scikit-learn's MLPClassifier: sklearn_pass.py NETWORK. Prints one JSON object."""
import argparse
import json
import time

import sklearn
from sklearn.neural_network import MLPClassifier

from torch_pass import BATCH, load

# The same names and settings are in weft_pass.c; alpha is weight decay.
NETWORKS = {"sgd": ((1000,), {"solver": "sgd", "momentum": 0, "learning_rate_init": 0.01}),
            "adam": ((1000,), {"solver": "adam", "learning_rate_init": 0.001}),
            "deep": ((1000, 512), {"solver": "adam", "learning_rate_init": 0.001})}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("network", choices=NETWORKS)
    network = parser.parse_args().network
    hidden, settings = NETWORKS[network]
    x, y = (t.numpy() for t in load("train"))
    model = MLPClassifier(hidden, batch_size=BATCH, alpha=0, random_state=1, **settings)
    begin = time.perf_counter()
    model.partial_fit(x, y, classes=range(10))
    print(json.dumps({"network": network, "version": sklearn.__version__, "seconds": [time.perf_counter() - begin], "loss": [model.loss_]}))


if __name__ == "__main__":
    main()
