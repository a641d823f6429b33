#!/usr/bin/python3
"""The report in a real browser: it shows what the run folders hold, loads nothing, and works as a person would use it."""
import base64
import functools
import glob
import json
import os
import re
import time
import unittest

import small
import weft

HOSTILE = "<script>document.title = 'run'</script><img src=x onerror=\"document.title='run'\"> & \u202e'\"</title>"
EXPERIMENT = f"""\
title: {json.dumps("A title </title><script>document.title = 'run'</script> & more")}
data: {{set: small, scale: 255}}
model: [linear 10]
train: {{epochs: 12}}
variants:
  sgd: {{}}
  adam, wider: {{model: [linear 30, relu, linear 10], optimizer: {{name: adam, lr: 0.003}}, train: {{batch: 16}}}}
  {json.dumps(HOSTILE)}: {{optimizer: {{name: adam, lr: 0.01}}}}
seeds: [1, 2]
"""
SECTIONS = ["summary", "table", "findings", "curves", "gaps", "effects", "classes", "worst", "weights", "histograms", "runs"]
AS_TEXT = {"confusion.svg", "worst.svg"}  # figures that the page has as tables
CHARTS = ["val_loss", "val_score", "train_loss", "train_score", "loss_gap", "score_gap"]


@functools.lru_cache(None)
def why_no_browser():
    """None where there is one that runs."""
    if weft.EMULATOR:
        return "browsers are not emulated"
    try:
        open_browser().quit()
    except Exception as error:  # selenium's, and what is not installed
        return f"no browser runs here: {str(error).splitlines()[0] if str(error) else type(error).__name__}"
    return None


def open_browser():
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    options = webdriver.ChromeOptions()
    for argument in ("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage", "window-size=1600,1000"):
        options.add_argument("--" + argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)


class Page(weft.Case):
    """One comparison and one browser for all tests; each begins with the page as it is opened."""
    folder_of_all = driver = None

    @classmethod
    def setUpClass(cls):
        if why_no_browser():
            raise unittest.SkipTest(why_no_browser())
        cls.maker = weft.Case()
        cls.maker.setUp()
        small.make(cls.maker.path("small"), 300, 100)
        cls.maker.write("e.yaml", EXPERIMENT)
        cls.maker.weft("compare", "e.yaml", "-o", "out", "-q")
        cls.driver = open_browser()

    @classmethod
    def tearDownClass(cls):
        if cls.driver:
            cls.driver.quit()
            cls.maker.doCleanups()

    def setUp(self):
        super().setUp()
        self.open(self.maker.path("out", "report.html"))

    def open(self, path, width=1600, height=1000, scheme="light"):
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
        self.driver.get_log("browser")
        self.driver.get_log("performance")
        self.driver.get("file://" + path)

    def js(self, script, *arguments):
        return self.driver.execute_script("return " + script, *arguments)

    def ticks(self, chart, axis):
        """The labels of an axis, from its low end."""
        labels = self.js("Array.from(document.querySelectorAll(`[data-chart=${arguments[0]}] .dygraph-axis-label-${arguments[1]}`), "
                         "(l) => [l.getBoundingClientRect()[arguments[1]], l.textContent])", chart, axis)
        return [text for _, text in sorted(labels, reverse=axis == "y")]

    def canvas(self, chart):
        return self.driver.find_element("css selector", f"[data-chart={chart}] .plot canvas:last-of-type")

    def drag(self, chart, begin, end):
        from selenium.webdriver import ActionChains
        canvas = self.canvas(chart)
        ActionChains(self.driver).move_to_element_with_offset(canvas, begin, 0).click_and_hold().move_to_element_with_offset(
            canvas, (begin + end) // 2, 2).move_to_element_with_offset(canvas, end, 2).release().perform()

    def names_at_ends(self, chart):
        return self.js("Array.from(document.querySelectorAll(`[data-chart=${arguments[0]}] .ends span`), (s) => s.textContent)", chart)

    def button(self, words):
        return self.driver.find_element("xpath", f"//button[contains(., {json.dumps(words)})]")

    # ---- What is there ----

    def test_every_section_is_there_and_the_contents_lead_to_it(self):
        self.assertEqual(self.js("Array.from(document.querySelectorAll('main > section'), (s) => s.id)"), SECTIONS)
        self.assertEqual(self.js("Array.from(document.querySelectorAll('nav a'), (a) => a.getAttribute('href').slice(1))"), SECTIONS)
        for section in SECTIONS:
            self.assertGreater(self.js("document.getElementById(arguments[0]).getBoundingClientRect().height", section), 40, section)
        self.assertEqual(self.js("Array.from(document.querySelectorAll('[data-chart]'), (c) => c.dataset.chart)"), CHARTS)

    def test_the_diagnosis_is_that_of_the_runs(self):
        told = self.js("document.getElementById('findings').textContent")
        found = [f for path in glob.glob(self.maker.path("out", "*", "seed-*", "diagnosis.json"))
                 for f in self.maker.read_json(path)["findings"]]
        self.assertTrue(found)
        for finding in found:
            self.assertIn(finding["remedy"] if finding.get("remedy") else finding["sentence"][:20], told)
        self.assertTrue(any(finding["sentence"] in told for finding in found))

    def test_the_table_has_the_settings_that_differ_and_ranks_by_the_best_score(self):
        head = self.js("Array.from(document.querySelectorAll('.ranked thead th'), (c) => c.textContent)")
        self.assertEqual(head[2:head.index("best validation accuracy")], ["train.batch", "model", "optimizer", "optimizer.lr"])
        rows = self.js("Array.from(document.querySelectorAll('.ranked tbody tr'), (r) => Array.from(r.cells, (c) => c.textContent))")
        means = {}
        for folder in glob.glob(self.maker.path("out", "*", "seed-*")):
            best = max(line["val_acc"] for line in self.maker.read_lines(folder, "metrics.jsonl"))
            means.setdefault(self.maker.read_json(folder, "run.json")["variant"], []).append(best)
        ranked = sorted(means.values(), key=sum, reverse=True)
        self.assertEqual([row[head.index("best validation accuracy")].split()[0] for row in rows], [f"{50 * sum(best):.2f}" for best in ranked])
        self.assertEqual([row[0] for row in rows], ["1", "2", "3"])

    def test_every_run_says_what_it_was_and_what_came_out(self):
        runs = self.js("Array.from(document.querySelectorAll('#runs details'), (d) => d.textContent)")
        self.assertEqual(len(runs), 6)
        for variant in ("sgd", "adam-wider"):
            for seed in (1, 2):
                record = self.maker.read_json("out", variant, f"seed-{seed}", "run.json")
                config = self.maker.read("out", variant, f"seed-{seed}", "config.yaml").decode()
                here = [text for text in runs if text.startswith(f"{record['variant']}, seed {seed} ")]
                self.assertEqual(len(here), 1)
                for what in (record["result"], record["fingerprint"], record["command"], record["cpu"], record["isa"], config):
                    self.assertTrue(what)
                    self.assertIn(what, here[0])

    def test_every_figure_is_also_an_svg_in_the_folder(self):
        shown = self.js("Array.from(document.querySelectorAll('.still img'), (i) => i.src)")
        files = [self.maker.read(path) for path in glob.glob(self.maker.path("out", "report", "*.svg")) if os.path.basename(path) not in AS_TEXT]
        self.assertGreaterEqual(len(files), 5)
        for name in AS_TEXT:
            self.assertIn(b"<svg", self.maker.read("out", "report", name))
        self.assertEqual(sorted(base64.b64decode(source.split(",", 1)[1]) for source in shown), sorted(files))
        self.assertEqual(self.js("Array.from(document.images).filter((i) => !i.complete || !i.naturalWidth).length"), 0)
        self.assertEqual(self.js("Array.from(document.querySelectorAll('.still img')).filter((i) => !i.alt).length"), 0)

    def best(self):
        """The variant that the table has first, and its runs' evaluations."""
        name = self.js("document.querySelector('.ranked tbody th').textContent")
        shown = {HOSTILE.replace("\u202e", "\\u202e"): HOSTILE}
        return [self.maker.read_json(folder, "evaluation.json") for folder in sorted(glob.glob(self.maker.path("out", "*", "seed-*")))
                if self.maker.read_json(folder, "run.json")["variant"] == shown.get(name, name)]

    def test_the_confusion_matrix_is_that_of_the_best_variants_runs_together(self):
        evaluations = self.best()
        self.assertEqual(len(evaluations), 2)
        sums = [[sum(one["confusion"][i][k] for one in evaluations) for k in range(10)] for i in range(10)]
        cells = self.js("Array.from(document.querySelectorAll('.matrix tbody tr'), (r) => Array.from(r.cells, (c) => c.textContent))")
        self.assertEqual([[int(cell) for cell in row[1:11]] for row in cells[:10]], sums)
        for i in range(10):
            self.assertEqual(cells[i][11].split()[0] if sum(sums[i]) else "", f"{100 * sums[i][i] / sum(sums[i]):.1f}" if sum(sums[i]) else "")
        pairs = self.js("Array.from(document.querySelectorAll('.pairs tbody tr'), (r) => Array.from(r.cells, (c) => Number(c.textContent)))")
        most = sorted((sums[i][k] for i in range(10) for k in range(10) if i != k), reverse=True)
        self.assertEqual([there for _, _, there, _ in pairs], [n for n in most if n][:10])
        for label, prediction, there, back in pairs:
            self.assertEqual((there, back), (sums[label][prediction], sums[prediction][label]))

    def test_the_most_wrong_images_are_those_of_the_evaluation(self):
        tiles = self.js("Array.from(document.querySelectorAll('.tiles li'), (l) => l.textContent)")
        self.assertEqual(len(tiles), 25)
        evaluations = self.best()
        wanted = [[(one["index"], one["prediction"], one["label"]) for one in e["worst"]] for e in evaluations]
        shown = [tuple(map(int, re.fullmatch(r"(\d+) [\d.]+\s%is (\d+)sample (\d+)", tile).group(3, 1, 2))) for tile in tiles]
        self.assertIn(shown, wanted)
        e = evaluations[wanted.index(shown)]
        pixels = self.js("(() => { const image = document.querySelector('.tiles img'), canvas = document.createElement('canvas');"
                         "canvas.width = canvas.height = 28;"
                         "const context = canvas.getContext('2d'); context.drawImage(image, 0, 0);"
                         "return Array.from(context.getImageData(0, 0, 28, 28).data).filter((_, i) => i % 4 === 1); })()")
        self.assertEqual(bytes(pixels), base64.b64decode(e["pixels"][0]))

    # ---- What it does ----

    def test_dragging_zooms_all_charts_and_a_double_click_goes_back(self):
        whole = {chart: self.ticks(chart, "x") for chart in CHARTS}
        self.assertEqual(whole["val_loss"][-1], "12")
        self.drag("val_score", -60, 40)
        for chart in CHARTS:
            zoomed = self.ticks(chart, "x")
            self.assertNotEqual(zoomed, whole[chart], chart)
            self.assertLess(int(zoomed[-1]) - int(zoomed[0]), 8, chart)
        from selenium.webdriver import ActionChains
        ActionChains(self.driver).double_click(self.canvas("val_score")).perform()
        self.assertEqual({chart: self.ticks(chart, "x") for chart in CHARTS}, whole)
        self.drag("score_gap", -60, 40)
        self.button("reset zoom").click()
        self.assertEqual({chart: self.ticks(chart, "x") for chart in CHARTS}, whole)

    def test_series_are_named_at_their_ends_and_can_be_hidden(self):
        everyone = sorted(self.names_at_ends("val_loss"))
        self.assertEqual(len(everyone), 3)
        self.button("adam, wider").click()
        for chart in CHARTS:
            self.assertEqual(sorted(self.names_at_ends(chart)), [name for name in everyone if name != "adam, wider"])
        self.assertEqual(self.button("adam, wider").get_attribute("aria-pressed"), "false")
        self.button("hide all").click()
        self.assertEqual(self.names_at_ends("val_loss"), [])
        self.button("show all").click()
        self.assertEqual(sorted(self.names_at_ends("score_gap")), everyone)

    def test_a_loss_has_a_logarithmic_axis_at_will(self):
        box = self.driver.find_element("css selector", "[data-chart=train_loss] input")
        first, checked = self.ticks("train_loss", "y"), box.is_selected()
        box.click()
        other = self.ticks("train_loss", "y")
        self.assertNotEqual(first, other)
        steps = [float(b) - float(a) for a, b in zip(other, other[1:])] if checked else [float(b) - float(a) for a, b in zip(first, first[1:])]
        self.assertLess(max(steps) - min(steps), 1e-6)  # those of the linear one are equal
        box.click()
        self.assertEqual(self.ticks("train_loss", "y"), first)

    def test_the_cursor_reads_out_all_charts_at_one_epoch(self):
        from selenium.webdriver import ActionChains
        head = lambda: self.js("document.querySelector('.legend thead th').textContent")  # noqa: E731
        self.assertEqual(head(), "at the last epoch")
        ActionChains(self.driver).move_to_element_with_offset(self.canvas("val_loss"), -20, 0).perform()
        epoch = int(re.fullmatch(r"at epoch (\d+)", head())[1])
        row = self.js("Array.from(document.querySelectorAll('.legend tbody tr')).map((r) => Array.from(r.cells, (c) => c.textContent))"
                      ".find((cells) => cells[0] === 'sgd')")
        lines = [self.maker.read_lines("out", "sgd", f"seed-{seed}", "metrics.jsonl")[epoch - 1] for seed in (1, 2)]
        mean = {name: (lines[0][name] + lines[1][name]) / 2 for name in lines[0]}
        self.assertEqual(float(row[1]), float(f"{mean['val_loss']:.4g}"))
        self.assertEqual(row[2], f"{100 * mean['val_acc']:.2f} %")
        self.assertEqual(row[6], f"{100 * (mean['train_acc'] - mean['val_acc']):.2f}")

    # ---- What it does not do ----

    def test_names_are_shown_and_not_run(self):
        self.assertEqual(self.js("document.title"), "A title </title><script>document.title = 'run'</script> & more")
        shown = HOSTILE.replace("\u202e", "\\u202e")  # which would turn what stands behind it round
        self.assertIn(shown, self.js("Array.from(document.querySelectorAll('.ranked tbody th'), (c) => c.textContent)"))
        self.assertIn(shown, self.names_at_ends("val_loss"))
        self.assertIn(shown, self.js("document.querySelector('.legend').textContent"))
        self.assertEqual(self.js("document.querySelectorAll('script').length"), 2)  # the data, and the program
        self.assertEqual(self.js("Array.from(document.querySelectorAll('*')).filter((e) => Array.from(e.attributes).some((a) => /^on/.test(a.name)))"
                                 ".length"), 0)

    def test_nothing_is_asked_of_any_network_and_nothing_complained_of(self):
        time.sleep(0.3)
        self.assertEqual(self.driver.get_log("browser"), [])
        asked = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        urls = [one["params"]["request"]["url"] for one in asked if one["method"] == "Network.requestWillBeSent"]
        self.assertEqual([url for url in urls if not url.startswith("data:")], ["file://" + self.maker.path("out", "report.html")])
        self.assertEqual(self.js("performance.getEntriesByType('resource').filter((e) => !e.name.startsWith('data:')).length"), 0)
        refused = self.driver.execute_async_script("const done = arguments[0]; document.addEventListener('securitypolicyviolation', (e) => "
                                                   "done(e.effectiveDirective)); new Image().src = 'http://127.0.0.1:9/x.png';")
        self.assertEqual(refused, "img-src")

    # ---- How it looks ----

    def test_it_is_as_wide_as_its_window_in_either_scheme(self):
        for width in (380, 800, 1600):
            for scheme in ("light", "dark"):
                self.open(self.maker.path("out", "report.html"), width=width, scheme=scheme)
                self.assertLessEqual(self.js("document.scrollingElement.scrollWidth"), width, (width, scheme))
                paper = self.js("getComputedStyle(document.body).backgroundColor")
                self.assertEqual(max(map(int, re.findall(r"\d+", paper))) < 128, scheme == "dark", paper)
                self.assertGreater(self.js("document.querySelector('[data-chart=val_loss] .plot').clientWidth"), 300)

    def test_it_prints_with_the_figures_as_drawings(self):
        printed = self.driver.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})
        pdf = base64.b64decode(printed["data"])
        self.assertTrue(pdf.startswith(b"%PDF-") and len(pdf) > 20000)
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
        self.assertEqual(self.js("Array.from(document.querySelectorAll('.still')).filter((s) => !s.closest('details:not([open])') && "
                                 "!s.getBoundingClientRect().height).length"), 0)
        self.assertEqual(self.js("document.querySelector('.charts').getBoundingClientRect().height"), 0)
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})

    def test_without_scripts_there_are_words_tables_and_still_figures(self):
        self.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
        try:
            self.driver.get("file://" + self.maker.path("out", "report.html"))
            text = self.driver.find_element("css selector", "#table").text
            self.assertIn("adam, wider", text)
            stills = self.driver.find_elements("css selector", "#curves .still img")
            self.assertEqual(len(stills), 1)
            self.assertTrue(stills[0].is_displayed())
            self.assertFalse(self.driver.find_element("css selector", ".tools").is_displayed())
        finally:
            self.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})

    def test_a_hundred_runs_are_less_than_5_mb_and_drawn_at_once(self):
        variants = "".join(f"  v{i}: {{optimizer: {{lr: {0.001 * (i + 1):g}}}, train: {{batch: {16 << i % 3}}}, data: {{scale: {200 + i % 5}}}}}\n"
                           for i in range(50))
        self.maker.write("many.yaml", f"data: {{set: small}}\nmodel: [linear 10]\ntrain: {{epochs: 20}}\nvariants:\n{variants}seeds: [1, 2]\n")
        self.maker.weft("compare", "many.yaml", "-o", "many", "-q")
        begin = time.monotonic()
        self.maker.weft("report", "many", "-o", "many.html")
        built = time.monotonic() - begin
        self.open(self.maker.path("many.html"))
        size, drawn = os.path.getsize(self.maker.path("many.html")), int(self.js("document.documentElement.dataset.drawn"))
        print(f"# 100 runs: {size / 1e6:.2f} MB, built in {built:.2f} s, drawn in {drawn / 1000:.2f} s")
        self.assertLess(size, 5e6)
        self.assertEqual(self.js("document.querySelectorAll('.ranked tbody tr').length"), 50)
        self.assertEqual(self.driver.get_log("browser"), [])
        self.assertLessEqual(self.js("document.scrollingElement.scrollWidth"), 1600)


class Report(weft.Case):
    """weft report, without a browser."""

    def setUp(self):
        super().setUp()
        small.make(self.path("small"), 60, 20)
        self.write("e.yaml", "data: {set: small}\nmodel: [linear 10]\ntrain: {epochs: 1}\n")

    def test_a_run_has_its_page_and_several_share_one(self):
        for name, rate in (("a", "0.1"), ("b", "0.2")):
            self.weft("train", "e.yaml", "--set", f"optimizer.lr={rate}", "-o", name, "-q")
            self.assertIn(b"<h1>", self.read(name, "report.html"))
        done = self.weft("report", "a", "b")
        self.assertIn("wrote report.html: 2 runs", done.stdout)
        page = self.read("report.html").decode()
        self.assertIn("2 runs of 2 variants", page)
        self.assertIn("optimizer.lr", page)
        self.assertTrue(self.exists("report", "curves.svg"))
        self.assertIn("against a", page)
        self.weft("report", "a", "b", "--baseline", "b", "--target", "0.5")
        self.assertIn("against b", self.read("report.html").decode())

    def test_the_same_runs_make_the_same_page(self):
        self.weft("train", "e.yaml", "-o", "a", "-q")
        pages = []
        for name in ("one", "two"):
            self.weft("report", "a", "-o", name + ".html")
            pages.append(self.read(name + ".html"))
        self.assertEqual(*pages)

    def test_what_cannot_be_reported_is_said(self):
        os.mkdir(self.path("empty"))
        for arguments, words in ((["empty"], "there is no run in this folder"), (["nowhere"], "there is no folder of this name"),
                                 (["e.yaml"], "there is no folder of this name"), (["empty", "-o", "page.pdf"], "there is no run in this folder")):
            done = self.weft("report", *arguments, code=2)
            self.assertIn(words, done.stderr)
        self.weft("train", "e.yaml", "-o", "a", "-q")
        self.assertIn("ends in .html", self.weft("report", "a", "-o", "page.pdf", code=2).stderr)
        self.assertIn('unknown baseline "b"; there are: a', self.weft("report", "a", "--baseline", "b", code=2).stderr)
        self.write("a/run.json", "{")
        self.assertIn("run.json:1:", self.weft("report", "a", code=2).stderr)
        self.assertFalse(self.exists("report.html"))


weft.main()
