/* What the files of this room have in common. */
#ifndef PARTS_H
#define PARTS_H

#include "lab/lab.h"

/* ---- yaml.c ---- */

/* Whether `n` bytes are a text that YAML can hold and that stays on its line: no control characters but tab and
 * newline. */
bool yaml_is_text(const char *bytes, size_t n);
/* Appends one scalar, in quotes where it needs them. */
void yaml_print_scalar(const char *string, text *t);

/* ---- merge.c ---- */

/* `over` on top of `base`: maps are joined key by key; everything else replaces what was there, and so does a map that
 * says its `name`, because what another kind of thing was given does not apply to it. Nothing is changed, children are
 * shared. NULL: no memory. */
setting *setting_merge(arena *a, const setting *base, const setting *over);
/* "optimizer.lr=0.1" as {optimizer: {lr: 0.1}}. */
setting *override_read(arena *a, const char *override, weft_error *err);

/* ---- sections.c: the keys that an experiment has at its top ---- */

/* Gives sections one form: an empty one becomes an empty map, "sgd lr=0.1" becomes {name: sgd, lr: 0.1}. */
void sections_unfold(setting *all, arena *a, isa level, weft_error *err);
/* Refuses unknown keys, wrong kinds, and in a variant what only the whole experiment has. */
void sections_check(const setting *all, bool in_variant, weft_error *err);
/* Gives loss, optimizer and schedule the name that goes without saying. */
weft_status sections_default(setting *all, arena *a, weft_error *err);
/* Whether a variant can have this key. */
bool sections_is_variants(const char *key);
/* The section, or NULL; `wrong` says that it stands there in a wrong kind, which sections_check reports. */
const setting *sections_find(const setting *all, const char *name, bool *wrong);

/* ---- resolve.c ---- */

typedef struct resolver {
    arena *memory;
    isa level;
    weft_error *err;
    struct model_part *models; /* those that were read already: variants share them */
    setting **flat_end;        /* of the flat settings that are being made; NULL: nobody wants them, or there was no memory */
} resolver;

/* Reads all sections into v->settings, and writes their texts. Without `complete`, what a variant may still bring is
 * not missed: then only the mistakes count. */
weft_status resolve(resolver *r, const setting *all, bool complete, variant *v);
/* Makes config.yaml's text for these settings, and their flat form. */
weft_status resolve_config(const variant *v, run_settings *s, arena *a, weft_error *err);

/* ---- found.c ---- */

/* Looks into the trial's folder. `data`: its set; `fingerprint`: that one's. WEFT_BAD_INPUT: what is there is found to be FOUND_OTHER, and err
 * says why. */
weft_status trial_find(trial *t, const weft_dataset *data, const char *fingerprint, weft_error *err);
/* The runs in the folder that are none of the trials. */
weft_status comparison_find_others(comparison *c, const char *folder, weft_error *err);
/* Keeps other processes out of the folder, until c->held is closed. */
weft_status comparison_hold(comparison *c, const char *folder, weft_error *err);

#endif
