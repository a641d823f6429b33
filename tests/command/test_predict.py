#!/usr/bin/python3
"""weft predict: images from PNG and JPEG files are answered as the test set's are, bad files are refused with a reason."""
import array
import json
import os
import random
import struct
import zlib

import pictures
import small
import weft

import synthetic

N_TRAIN, N_TEST = 3000, 200
EXPERIMENT = """\
data: {set: fashion-mnist, scale: 255}
model: [linear 128, relu, linear 10]
optimizer: {name: adam, lr: 0.001}
train: {epochs: 4, batch: 32, seed: 1}
"""


class Predicting(weft.Case):
    """Fashion-MNIST's first images, under its name, so that classes have theirs."""

    n_train, n_test = 60, 20

    def setUp(self):
        super().setUp()
        small.make(self.path("data", "fashion-mnist"), self.n_train, self.n_test)
        self.environment = {"WEFT_DATA": self.path("data")}
        self.write("e.yaml", EXPERIMENT)
        self.weft("train", "e.yaml", "-o", "run", "-q", env=self.environment)
        with open(self.path("data", "fashion-mnist", small.FILES["test"][0]), "rb") as file:
            pixels = file.read()[16:]
        self.images = [[list(pixels[784 * k + 28 * y:784 * k + 28 * y + 28]) for y in range(28)] for k in range(self.n_test)]

    def weft(self, *arguments, env=None, **options):
        return super().weft(*arguments, env={**self.environment, **(env or {})}, **options)

    def files(self, *words, code=0, **options):
        return json.loads(self.weft("predict", "run", "--json", *words, code=code, **options).stdout)["files"]

    @staticmethod
    def page(rows):
        """Dark on a white page, four times as large."""
        return pictures.on_page(pictures.inverted(pictures.enlarged(rows, 4)), 300, 200, 120, 30)

    def answers(self, make, *options):
        """[(class, probability)] of what `make` makes of each image."""
        names = [self.write(f"{k}", make(rows)) for k, rows in enumerate(self.images)]
        return [(one["classes"][0]["index"], one["classes"][0]["probability"]) for one in self.files(*options, *names)]


class Answers(Predicting):
    n_train, n_test = N_TRAIN, N_TEST

    def assert_most_agree(self, answers, expected, least):
        same = sum(a[0] == b[0] for a, b in zip(answers, expected))
        self.assertGreaterEqual(same, least * len(expected))

    def test_images_of_the_test_set_are_answered_as_eval_says(self):
        with open(self.path("data", "fashion-mnist", small.FILES["test"][1]), "rb") as file:
            labels = file.read()[8:]
        plain = self.answers(pictures.image)
        confusion = [[0] * 10 for _ in range(10)]
        for label, (answer, _) in zip(labels, plain):
            confusion[label][answer] += 1
        self.assertEqual(confusion, json.loads(self.weft("eval", "run", "--json").stdout)["confusion"])
        self.assertGreater(sum(confusion[c][c] for c in range(10)), 0.75 * N_TEST)

        # Where not a bit is lost, not one changes.
        self.assertEqual(self.answers(lambda rows: pictures.image(pictures.inverted(rows))), plain)
        in_colour = self.answers(lambda rows: pictures.image([[v for v in row for _ in range(3)] for row in rows], colour=2))
        self.assertEqual(in_colour, plain)
        self.assertEqual(self.answers(lambda rows: pictures.image(pictures.enlarged(rows, 4)), "--fit", "whole"), plain)
        self.assertEqual(self.answers(lambda rows: pictures.image(pictures.enlarged(pictures.inverted(rows), 3), interlace=1), "--fit", "whole"),
                         plain)
        # JPEG loses little; cutting what stands out makes things a pixel larger, or two.
        self.assert_most_agree(self.answers(pictures.jpeg), plain, 0.97)
        self.assert_most_agree(self.answers(lambda rows: pictures.image(pictures.enlarged(rows, 4))), plain, 0.9)
        self.assert_most_agree(self.answers(lambda rows: pictures.jpeg(self.page(rows), 75)), plain, 0.9)


class Words(Predicting):
    def test_a_line_names_the_classes_and_what_was_done(self):
        self.write("boot.png", pictures.image(self.images[0]))
        self.write("page", pictures.image(self.page(self.images[0])))
        plain, page = self.weft("predict", "run", "boot.png", "page").stdout.splitlines()
        percent = r" \d+\.\d\d %"
        self.assertRegex(plain, rf"^boot\.png: [A-Z][\w /-]+{percent}, [A-Z][\w /-]+{percent}, [A-Z][\w /-]+{percent}(; low margin)?$")
        self.assertRegex(page, r"^page: .* \(inverted, cropped to 112x\d+\+120\+\d+ of 300x200\)$")
        one, = self.weft("predict", "run", "boot.png", "--top", "1").stdout.splitlines()
        self.assertEqual(one.split(";")[0], plain.split(",")[0])
        all_of_them = self.files("boot.png", "--top", "99")[0]["classes"]
        self.assertEqual(sorted(c["index"] for c in all_of_them), list(range(10)))
        self.assertEqual(all_of_them, sorted(all_of_them, key=lambda c: -c["probability"]))
        self.assertAlmostEqual(sum(c["probability"] for c in all_of_them), 1, delta=1e-6)
        self.assertIn("Ankle boot", [c["name"] for c in all_of_them])

    def test_a_margin_is_low_below_ten_points(self):
        names = [self.write(f"{k}.png", pictures.image(rows)) for k, rows in enumerate(self.images)]
        found = set()
        for one, line in zip(self.files(*names), self.weft("predict", "run", *names).stdout.splitlines()):
            first, second = (c["probability"] for c in one["classes"][:2])
            self.assertEqual(one["low_margin"], first - second < 0.1)
            self.assertEqual("low margin" in line, one["low_margin"])
            found.add(one["low_margin"])
        self.assertEqual(found, {True, False})

    def test_standard_input_is_read_piece_by_piece(self):
        content = pictures.image(self.images[0])
        self.write("x.png", content)
        reading, writing = os.pipe()
        process = self.start("predict", "run", "-", env=self.environment, stdin=reading)
        os.close(reading)
        for byte in content:
            os.write(writing, bytes([byte]))
        os.close(writing)
        out, err = process.communicate()
        self.assertEqual((process.returncode, err), (0, b""))
        self.assertEqual(out.decode(), self.weft("predict", "run", "x.png").stdout.replace("x.png", "-"))
        self.assertEqual(self.weft("predict", "run", "-", code=2).stderr, "weft: standard input: is empty; wanted is a picture: JPEG, PNG\n")

    def test_what_is_wrong_is_said_and_the_others_go_on(self):
        self.write("good.png", pictures.image(self.images[0]))
        self.write("x", "no picture")
        os.mkdir(self.path("folder"))
        result = self.weft("predict", "run", "missing.png", "good.png", "x", "folder", "good.png", code=2)
        self.assertEqual([line.split(":")[0] for line in result.stdout.splitlines()], ["good.png"] * 2)
        missing, x, folder = result.stderr.splitlines()
        self.assertEqual(missing, "weft: missing.png: cannot open: No such file or directory")
        self.assertIn("weft: x: is no picture", x)
        self.assertEqual(folder, "weft: folder: is a directory, not a file")
        self.assertEqual([("error" in one, one["file"]) for one in self.files("x", "good.png", code=2)], [(True, "x"), (False, "good.png")])
        for option, value in (("--invert", "maybe"), ("--fit", "stretch"), ("--top", "0")):
            self.assertIn(value, self.weft("predict", "run", "good.png", option, value, code=2).stderr)

    def test_a_model_that_does_not_say_its_images_takes_those_of_its_data(self):
        self.write("x.png", pictures.image(pictures.enlarged(self.images[0], 2)))
        expected = self.weft("predict", "run", "x.png").stdout

        def change(name, **notes):
            """The model's file with other notes; an older weft wrote no sum, either."""
            content = self.read("run", "model.safetensors")
            (length,) = struct.unpack_from("<Q", content)
            head = json.loads(content[8:8 + length])
            notes = {**head["__metadata__"], **{"weft." + key: value for key, value in notes.items()}}
            head["__metadata__"] = {key: value for key, value in notes.items() if value is not None and "sha256" not in (key, value)}
            words = json.dumps(head).encode()
            return self.write(name, struct.pack("<Q", len(words)) + words + content[8 + length:])
        self.assertEqual(self.weft("predict", change("old.safetensors", image=None), "x.png").stdout, expected)
        older = change("older.safetensors", image=None, data="")
        self.assertIn("name a data set of images that it takes with --data", self.weft("predict", older, "x.png", code=2).stderr)
        self.assertEqual(self.weft("predict", older, "x.png", "--data", "fashion-mnist").stdout, expected)
        wrong = change("wrong.safetensors", image='{"channels":1,"height":28,"width":27}')
        self.assertIn("says no picture of 784 numbers", self.weft("predict", wrong, "x.png", code=2).stderr)


class Tasks(weft.Case):
    def make(self, kind):
        """Images of 4 x 5 float numbers from 0.5 to 2.5, light; their mean, twice; or whether the upper and the lower half are above 1.5."""
        chance = random.Random(1)
        for split, n in (("train", 60), ("t10k", 20)):
            pixels = array.array("f", [0.5 + 2 * chance.randrange(256) / 255 for _ in range(20 * n)])
            rows = [pixels[20 * k:20 * k + 20] for k in range(n)]
            numbers = array.array("f", [v for row in rows for v in (sum(row) / 20, sum(row) / 10)])
            labels = array.array("B", [v for row in rows for v in (sum(row[:10]) > 15, sum(row[10:]) > 15)])
            os.makedirs(self.path(kind), exist_ok=True)
            synthetic.write_idx(self.path(kind, f"{split}-images-idx3-ubyte"), (n, 4, 5), pixels)
            synthetic.write_idx(self.path(kind, f"{split}-labels-idx1-ubyte"), (n, 2), numbers if kind == "numbers" else labels)
        loss = {"numbers": "mse_loss", "labels": "binary_cross_entropy_with_logits"}[kind]
        self.write("e.yaml", f"data: {{set: ./{kind}}}\nmodel: [linear 2]\nloss: {loss}\ntrain: {{epochs: 2}}\n")
        self.weft("train", "e.yaml", "-o", kind + "-run", "-q")
        return [[chance.randrange(256) for _ in range(5)] for _ in range(4)]

    def outputs(self, kind, rows):
        """What the model's file says of an image."""
        tensors, notes = weft.read_tensors(self.path(kind + "-run", "model.safetensors"))
        image = json.loads(notes["weft.image"])
        x = [image["black"] + (image["white"] - image["black"]) * v / 255 for row in rows for v in row]
        weight, bias = (weft.tensor_numbers(tensors[name][1]) for name in ("0.weight", "0.bias"))
        return [sum(a * b for a, b in zip(x, weight[20 * t:20 * t + 20])) + bias[t] for t in range(2)]

    def test_numbers_are_told_as_they_are(self):
        rows = self.make("numbers")
        self.write("x.png", pictures.image(rows))
        one, = json.loads(self.weft("predict", "numbers-run", "x.png", "--invert", "no", "--json").stdout)["files"]
        for told, expected in zip(one["numbers"], self.outputs("numbers", rows)):
            self.assertAlmostEqual(told, expected, delta=1e-5)
        self.assertRegex(self.weft("predict", "numbers-run", "x.png", "--invert", "no").stdout, r"^x\.png: -?\d+\.\d+, -?\d+\.\d+\n$")

    def test_labels_have_a_probability_each(self):
        rows = self.make("labels")
        self.write("x.png", pictures.image(rows))
        one, = json.loads(self.weft("predict", "labels-run", "x.png", "--invert", "no", "--json").stdout)["files"]
        self.assertEqual(sorted(label["index"] for label in one["labels"]), [0, 1])
        for label in one["labels"]:
            expected = self.outputs("labels", rows)[label["index"]]
            self.assertAlmostEqual(label["probability"], 1 / (1 + 2.718281828459045 ** -expected), delta=1e-6)

    def test_a_model_of_a_table_takes_no_images(self):
        synthetic.write(self.path("table"), "numbers")
        self.write("e.yaml", "data: {set: ./table}\nmodel: [linear 3]\nloss: mse_loss\ntrain: {epochs: 1}\n")
        self.weft("train", "e.yaml", "-o", "run", "-q")
        self.write("x.png", pictures.image([[0] * 8]))
        self.assertIn("its samples of 8 numbers are no images", self.weft("predict", "run", "x.png", code=2).stderr)


class Files(Predicting):
    """What a PNG can be; what it cannot is in test_bad_images.py."""

    def test_sound_files_say_the_same(self):
        rows = self.images[1]
        lines = zlib.compress(pictures.scanlines(rows))
        grey_ramp = b"PLTE", bytes(v for v in range(256) for _ in range(3))
        text = b"zTXt", b"Comment\0\0" + zlib.compress(bytes(60_000_000))
        head = pictures.header(28, 28)
        sound = {
            "plain": pictures.image(rows),
            "sixteen bits": pictures.image([[257 * v for v in row] for row in rows], depth=16),
            "interlaced": pictures.image(rows, interlace=1),
            "interlaced, sixteen bits, opaque": pictures.image([[n for v in row for n in (257 * v, 65535)] for row in rows], 4, 16, 1),
            "colour": pictures.image([[v for v in row for _ in range(3)] for row in rows], 2),
            "colour, opaque": pictures.image([[n for v in row for n in (v, v, v, 255)] for row in rows], 6),
            "palette": pictures.image(rows, 3, extra=[grey_ramp]),
            "pieces of a byte": pictures.png(head, *((b"IDAT", lines[i:i + 1]) for i in range(len(lines))), pictures.END),
            "empty pieces": pictures.png(head, (b"IDAT", b""), (b"IDAT", lines), (b"IDAT", b""), pictures.END),
            "a hundred thousand pieces": pictures.png(head, *[(b"IDAT", b"")] * 100_000, (b"IDAT", lines), pictures.END),
            "compressed text": pictures.png(head, *[text] * 1000, (b"IDAT", lines), pictures.END),
            "a colour profile that is none": pictures.png(head, (b"iCCP", b"x\0\0" + zlib.compress(bytes(1000))), (b"IDAT", lines), pictures.END),
            "a chunk nobody knows": pictures.png(head, (b"weFt", b"?"), (b"IDAT", lines), pictures.END),
        }
        for name, content in sound.items():
            self.write(name, content)
        result = self.weft("predict", "run", *sound)
        self.assertEqual(result.stderr, "")
        answers = [line.split(":", 1)[1] for line in result.stdout.splitlines()]
        for name, answer in zip(sound, answers):
            self.assertEqual(answer, answers[0], name)

    def test_interlaced_images_of_any_size_are_as_others(self):
        chance = random.Random(2)
        names = []
        for size in range(1, 9):
            rows = [[chance.randrange(256) for _ in range(2 * size)] for _ in range(size)]
            names += [self.write(f"{size}-{i}", pictures.image(rows, 4, interlace=i)) for i in (0, 1)]
        files = self.files(*names)
        for plain, interlaced in zip(files[::2], files[1::2]):
            self.assertEqual(plain["classes"], interlaced["classes"])

    def test_what_follows_the_end_is_passed_over_with_a_warning(self):
        self.write("x.png", pictures.image(self.images[0]) + b"PK\3\4")
        self.assertRegex(self.weft("predict", "run", "x.png").stderr,
                         r"^weft: warning: x\.png: byte \d+: 4 bytes after the end of the PNG are passed over\n$")


if __name__ == "__main__":
    weft.main()
