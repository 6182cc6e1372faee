/* Reads what witnesses have cosigned, and holds it against the log that is being verified. */
#include "verify_witnessed.h"

#include "cosignature.h"
#include "witness_file.h"

#include <embergate/durable_file.h>

#include <inttypes.h>
#include <stdio.h>

static eg_err fail(const eg_witnessed *w, eg_problem *p, const char *what) {
    eg_problem here;
    eg_problem *to = p ? p : &here;
    (void)eg_fail(to, EG_ERR_CORRUPT, "The witness %s %s.", w->name, what);
    return eg_fail_at(to, "%s", w->file);
}

eg_err eg_witnessed_read(int dir_fd, const eg_verifier_key *log_key, const char *witness, eg_witnessed *ret, eg_problem *p) {
    EG_CLEANUP(eg_buf_done) eg_buf note;
    eg_verifier_key k;
    eg_checkpoint c;
    eg_cosignature cosigned;
    *ret = (eg_witnessed){.met = false};
    eg_buf_init(&note, EG_CHECKPOINT_MAX);
    if (eg_cosigner_key_parse(eg_str_of(witness), &k) != EG_OK) {
        return eg_fail(p, EG_ERR_INVALID, "The witness's key is not \"name+hash+base64\" of one that cosigns, or its hash does not fit.");
    }
    (void)snprintf(ret->name, sizeof ret->name, "%s", k.name);
    eg_witness_file(&k, ret->file);
    const eg_err e = eg_file_read(dir_fd, ret->file, EG_CHECKPOINT_MAX, &note, NULL);
    if (e != EG_OK) {
        return fail(ret, p, e == EG_ERR_NOT_FOUND ? "has cosigned nothing that is kept here" : "has cosigned something that can't be read here");
    }
    if (eg_checkpoint_parse(eg_buf_str(&note), &c) != EG_OK || eg_checkpoint_verify(&c, log_key) != EG_OK) {
        return fail(ret, p, "is said to have cosigned what is no checkpoint of this log");
    }
    if (eg_cosignature_find(c.body, c.signatures, &k, &cosigned) != EG_OK) {
        return fail(ret, p, "has not cosigned this checkpoint: there is no signature of its key that fits");
    }
    ret->seen = (eg_witness_seen){c.size, cosigned.time_s};
    memcpy(ret->root, c.root, sizeof ret->root);
    return EG_OK;
}

void eg_witnessed_meet(eg_witnessed *w, size_t n, const eg_audit_tree *t) {
    for (size_t i = 0; i < n; i++) {
        uint8_t root[EG_SHA256_LEN];
        if (w[i].seen.size == t->size) {
            eg_audit_tree_root(t, root);
            w[i].met = memcmp(root, w[i].root, sizeof root) == 0;
        }
    }
}

eg_err eg_witnessed_end(const eg_witnessed *w, size_t n, uint64_t size, eg_problem *p) {
    for (size_t i = 0; i < n; i++) {
        char what[120] = "has cosigned other records than these: the log was made anew behind it";
        if (w[i].seen.size > size) {
            (void)snprintf(what, sizeof what, "has cosigned %" PRIu64 " records, and the log has %" PRIu64 ": it was set back", w[i].seen.size, size);
        }
        if (!w[i].met) {
            return fail(&w[i], p, what);
        }
    }
    return EG_OK;
}
