/* Signs and writes the checkpoints of logs that have grown, then removes the partial tiles that these outgrew. */
#include "engine.h"

#include <embergate/durable_file.h>
#include <fcntl.h>
#include <unistd.h>

bool eg_published_read(const eg_log *g, const char *file, eg_published *ret) {
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_verifier_key k = {0};
    eg_buf_init(&text, 1024);
    return eg_file_read(g->dir_fd, file, EG_CHECKPOINT_MAX, &ret->note, NULL) == EG_OK && eg_checkpoint_parse(eg_buf_str(&ret->note), &ret->checkpoint) == EG_OK &&
           eg_verifier_key_write(eg_str_of(g->origin), g->public_key, &text) == EG_OK && eg_verifier_key_parse(eg_buf_str(&text), &k) == EG_OK &&
           eg_checkpoint_signature(&ret->checkpoint, &k, ret->signature) == EG_OK;
}

uint64_t eg_published_size(const eg_log *g) {
    EG_CLEANUP(eg_published_done) eg_published now;
    eg_published_init(&now);
    const eg_checkpoint *c = &now.checkpoint;
    if (!eg_published_read(g, EG_CHECKPOINT_FILE, &now) || c->size > g->size || (c->size == g->size && memcmp(c->root, g->root, sizeof c->root) != 0)) {
        return 0;
    }
    return c->size;
}

static eg_err sign(const eg_audit *a, eg_log *g, eg_problem *p) {
    EG_CLEANUP(eg_buf_done) eg_buf body;
    EG_CLEANUP(eg_buf_done) eg_buf note;
    uint8_t sig[64];
    eg_buf_init(&body, EG_CHECKPOINT_MAX);
    eg_buf_init(&note, EG_CHECKPOINT_MAX);
    eg_str origin = eg_str_of(g->origin);
    EG_TRY(eg_checkpoint_body(origin, g->size, g->root, &body));
    eg_err e = a->keys->sign_checkpoint(a->keys->ctx, origin, eg_buf_str(&body), sig);
    if (e != EG_OK) {
        return eg_fail(p, e, "The keeper did not sign the checkpoint of the audit log \"%s\": %s.", g->id, eg_err_code(e));
    }
    EG_TRY(eg_checkpoint_note(eg_buf_str(&body), origin, g->public_key, sig, &note));
    return eg_file_replace(g->dir_fd, EG_CHECKPOINT_FILE, 0600, eg_buf_bytes(&note), p);
}

static eg_err publish_one(const eg_audit *a, eg_log *g, eg_problem *p) {
    bool current = g->size == atomic_load(&g->served);
    if (current && (g->size > 0 || faccessat(g->dir_fd, EG_CHECKPOINT_FILE, F_OK, 0) == 0)) {
        return EG_OK;
    }
    EG_TRY(sign(a, g, p));
    atomic_store(&g->served, g->size);
    if (g->tiles) {
        eg_tile_log_trim(g->tiles, g->size);
    }
    return EG_OK;
}

/* One log that can't be published keeps no other from it. */
eg_err eg_publish(eg_audit *a, eg_problem *p) {
    eg_err first = EG_OK;
    for (eg_log *g = eg_logs_next(a->logs, NULL); g; g = eg_logs_next(a->logs, g)) {
        eg_err e = publish_one(a, g, first == EG_OK ? p : NULL);
        first = first == EG_OK ? e : first;
    }
    return first;
}
