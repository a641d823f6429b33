/* Data sets as they lie on disk, and the batches that are made of them. */
#ifndef DATA_H
#define DATA_H

#include "tensor/tensor.h"

/* A file that a data set was read from. */
typedef struct data_file {
    const char *path;
    char sha256[65];       /* of the file as it lies on disk; empty until data_checksums */
    const char *published; /* the SHA-256 that the catalogue knows; NULL: none */
} data_file;

typedef struct data_split {
    size_t n;
    const void *samples;   /* [n, features] of the data set's `type` */
    const int32_t *labels; /* [n], 0..n_classes-1; NULL: the task is no classification */
    const float *targets;  /* [n, n_targets]; NULL: it is one */
    data_file samples_file, labels_file;
} data_split;

struct weft_dataset {
    const char *name;  /* as asked for */
    const char *title; /* of the catalogue, or NULL */
    shape sample;      /* [1, 28, 28] */
    dtype disk_type;   /* as the files have it */
    dtype type;        /* in memory: DTYPE_U8 stays so, everything else is DTYPE_F32 */
    weft_task task;
    size_t features, n_classes;
    size_t n_targets; /* numbers or labels of a sample; 0: it has a class */
    const char *const *class_names; /* [n_classes] */
    data_split split[WEFT_N_SPLITS];
    arena memory;
    weft_dataset_options options;
    size_t limit_bytes; /* of what each of its files holds */
    text warnings;
    bytes blocks[WEFT_N_SPLITS]; /* what the samples lie in: unpacked files, or numbers converted from them */
};

/* A file format of samples or labels. One file each, found by the build: data/format_NAME.c defines format_NAME. */
typedef struct data_format {
    const char *name;
    const char *help;
    /* Whether a folder holds a data set of this format; looks at names only. */
    bool (*recognise)(const char *folder);
    /* Fills the sample's shape, types, features, the task, and the splits with their files' paths. Classes are counted and named,
     * and the labels' range is checked, afterwards and for all formats. */
    weft_status (*open)(const char *folder, weft_dataset *data, weft_error *err);
} data_format;

/* Number i of an array as it lies in memory. (split.c) */
double number_at(dtype type, const void *numbers, size_t i);

/* What is asked of a file, and where it is said what is odd about one that is accepted. */
typedef struct file_rules {
    size_t limit_bytes;  /* of what it holds, unpacked */
    bool allow_trailing; /* data after the end is passed over, with a warning */
    text *warnings;      /* or NULL */
} file_rules;

/* The rules for the files of a data set that is being opened. */
file_rules data_rules(weft_dataset *data);

/* An array of numbers from a file. */
typedef struct array_file {
    dtype type;
    shape shape;
    bytes block;        /* the unpacked file; the numbers are converted to this machine's byte order in place */
    const void *data;   /* inside block */
    size_t data_offset; /* of data in block */
} array_file;

/* How a format reads a file. */
typedef weft_status array_reader(const char *path, const file_rules *rules, array_file *out, weft_error *err);
/* Fills a split, whose files' paths are known, from its two files, and with the training split what both have in common. (split.c) */
weft_status data_read_split(weft_dataset *data, weft_split which, array_reader *read, weft_error *err);

/* Reads a .npy file of numbers; no objects. Otherwise as idx_read. */
weft_status npy_read(const char *path, const file_rules *rules, array_file *out, weft_error *err);
/* The parser itself, as idx_parse. Fortran order is turned into C order in place, with a copy on the way. */
weft_status npy_parse(const char *name, const bytes *file, const file_rules *rules, array_file *out, weft_error *err);

/* Reads an IDX file, plain or gzipped: its content tells, not its name. The block is the caller's: bytes_free. */
weft_status idx_read(const char *path, const file_rules *rules, array_file *out, weft_error *err);
/* The parser itself: `file` is the unpacked file. Works on memory only. Converts in place. */
weft_status idx_parse(const char *name, const bytes *file, const file_rules *rules, array_file *out, weft_error *err);

bool gzip_recognise(const bytes *file);
/* Unpacked content on its way. A check may refuse it by its beginning, and is asked again as more arrives: so content
 * is known to be worth its memory before it gets any. */
typedef struct unpacked {
    const char *name;
    const unsigned char *head; /* the first bytes: GZIP_HEAD_BYTES, or all there are */
    size_t size;               /* of everything so far */
    bool more;                 /* there may be more */
    const file_rules *rules;
} unpacked;

enum { GZIP_HEAD_BYTES = 1024 };

/* What a header of an array promises, `need` bytes in all, must be what the file holds, to the byte; more is refused, or passed over with a
 * warning. */
weft_status data_check_size(const unpacked *file, const array_file *array, size_t need, weft_error *err);

typedef weft_status gzip_check(const unpacked *content, weft_error *err);
/* Unpacks one gzip layer, all its members. Zero bytes after the last one are passed over, with a warning. `check` may
 * be NULL. */
weft_status gzip_unpack(const char *name, const bytes *packed, const file_rules *rules, gzip_check *check, bytes *out,
                        weft_error *err);

/* Memory that what a packed file holds may have before all of the file was read and found sound. One that is refused costs at most 32 MiB and
 * four times its size: packed, it is there already. */
static inline size_t data_unproven_bytes(size_t packed_bytes) { return ((size_t)30 << 20) + 3 * packed_bytes; }

/* What a single file of a data set may hold: $WEFT_MAX_BYTES, or else 8 GiB, or half of this machine's memory where that is less. */
weft_status data_limit(size_t *limit_bytes, weft_error *err);
weft_status data_fail_limit(weft_error *err, const char *file, size_t limit_bytes);
/* Reads a file that is within the limit. */
weft_status data_read_file(const char *path, size_t limit_bytes, bytes *out, weft_error *err);

/* A data set that is known by name. */
typedef struct catalogue_entry {
    const char *name, *title;
    const char *how_to_get; /* the command, or what to fetch */
    size_t n_classes;
    const char *const *class_names;
    const char *sha256[WEFT_N_SPLITS][2]; /* of the gzipped files: samples, labels */
} catalogue_entry;

const catalogue_entry *catalogue(size_t *n);
const catalogue_entry *catalogue_find(const char *name); /* or NULL */
/* The first folder that holds the data set, in the arena. Otherwise the error names all places, and how to get it. */
weft_status catalogue_locate(const catalogue_entry *entry, arena *a, const char **folder, weft_error *err);

/* ---- Pictures (image.c, image_NAME.c, fit.c) ---- */

/* What pictures the samples of a data set are, so that one from elsewhere can become such a sample. */
typedef struct image_kind {
    size_t channels, height, width; /* channels: 1: grey; 3: red, green, blue; 0: the samples are no pictures */
    double black, white; /* the numbers that stand for them */
    double background;   /* how bright borders are, 0: black, 1: white */
    double fill;         /* the share of the picture's side that what is shown takes, 0 to 1 */
} image_kind;

/* Of the training split; background and fill are medians over its first 1000 samples. */
weft_status data_image_kind(const weft_dataset *data, image_kind *out, weft_error *err);

/* A picture. */
typedef struct image {
    size_t channels, height, width; /* channels: 1 or 3 */
    uint16_t *pixels;               /* [channels, height, width], 0: black, 65535: white; image_free gives them back */
} image;

/* Reads a file, or standard input where the path is "-": PNG or JPEG, which its content tells, not its name. Colours become grey by ITU-R
 * BT.601's weights, 0.299, 0.587 and 0.114, where one channel is wanted; what is transparent lies on white; EXIF's orientation is followed. */
weft_status image_read(const char *path, size_t channels, image *out, text *warnings, weft_error *err);
/* The same from memory; `name` is for errors. */
weft_status image_decode(const char *name, const bytes *file, size_t channels, image *out, text *warnings, weft_error *err);
void image_free(image *i);

/* How a picture becomes a sample. */
typedef struct image_rules {
    enum { INVERT_AUTO, INVERT_YES, INVERT_NO } invert; /* AUTO: where its border then is nearer to the data's background */
    bool whole; /* scale it as it is, with what is around the thing shown */
} image_rules;

/* What was done to a picture. */
typedef struct image_fitting {
    bool inverted;
    bool scaled; /* its size was another one: */
    size_t top, left, height, width; /* the part of it that was taken */
} image_fitting;

/* Makes a sample, [channels, height, width] numbers of the kind, of a picture with as many channels. One that has the kind's size is taken as it
 * is. Of others the part that stands out from the border is scaled to the kind's fill, keeping its proportions, every pixel being the mean of the
 * area that it covers; it stands in the middle, and what the border is becomes the kind's background. Or the whole is scaled, and no more. */
weft_status image_fit(const image *from, const image_kind *kind, const image_rules *rules, float *sample, image_fitting *done, weft_error *err);

/* The least and the largest number of a split's samples. */
void data_range(const weft_dataset *data, weft_split split, double *min, double *max);
/* The same of target t; its mean, too, which is the share of samples that have it where it is a label. */
void data_target_range(const weft_dataset *data, weft_split split, size_t t, double *min, double *max, double *mean);
/* counts: [n_classes]. */
void data_class_counts(const weft_dataset *data, weft_split split, size_t *counts);
/* Samples, whatever their labels, that are there more than once: of the test set in the training set, too; of the training set twice in it. */
typedef struct data_twins {
    size_t shared, repeated;
} data_twins;

/* By a hash of 64 bits each, in some 15 ms for 70,000 images. */
weft_status data_count_twins(const weft_dataset *data, data_twins *out, weft_error *err);
/* A hash (XXH3, 128 bits) of the samples and labels of both splits, whatever files they came from: says whether two
 * runs had the same data, in some 10 ms for 70,000 images. Not meant against forgery, as SHA-256 is. */
void data_fingerprint(const weft_dataset *data, char hex[33]);
/* Fills the files' SHA-256. Reads the files again, since most runs do without: 0.1 s for 30 MB. */
weft_status data_checksums(weft_dataset *data, weft_error *err);
/* For each class `per_class` random samples of it: index [n_classes, per_class], SIZE_MAX where a class has too few.
 * A function of the seed. */
weft_status data_pick(const weft_dataset *data, weft_split split, size_t per_class, uint64_t seed, size_t *index,
                      weft_error *err);

/* Which samples make batch k of epoch e (from 0): a pure function of (seed, epoch, k). Writes their indices and returns
 * how many there are: `batch`, fewer for the last one, 0 after it. */
size_t loader_indices(size_t n_samples, size_t batch, bool shuffle, uint64_t seed, size_t epoch, size_t k,
                      uint32_t *index);

#endif
