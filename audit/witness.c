/* What witnesses are asked and answer: C2SP tlog-witness. Who carries it there is the gateway. */
#include "engine.h"

#include <embergate/durable_file.h>
#include <embergate/encoding.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "consistency.h"
#include "cosignature.h"
#include "witness_file.h"

#define TRIES 5
#define FILES_MAX 64 /* of witnesses that there ever were */

bool eg_witness_key_valid(eg_str key) {
    eg_verifier_key k;
    return eg_cosigner_key_parse(key, &k) == EG_OK;
}

void eg_witness_file(const eg_verifier_key *k, char ret[EG_WITNESS_FILE_LEN]) {
    memcpy(ret, EG_WITNESS_DIR "/", sizeof EG_WITNESS_DIR);
    eg_hex((eg_bytes){k->id, sizeof k->id}, ret + sizeof EG_WITNESS_DIR);
}

const char *eg_audit_log_after(eg_audit *a, const char *id) {
    const eg_log *g = eg_logs_next(a->logs, id ? eg_logs_find(a->logs, eg_str_of(id)) : NULL);
    return g ? g->id : NULL;
}

/* What is kept of the witness: nothing when the file isn't there, or isn't what it should be. */
static void recall(const eg_log *g, const eg_verifier_key *k, eg_witness_visit *v) {
    char file[EG_WITNESS_FILE_LEN];
    EG_CLEANUP(eg_published_done) eg_published last;
    eg_cosignature c;
    eg_published_init(&last);
    eg_witness_file(k, file);
    if (eg_published_read(g, file, &last) && eg_cosignature_find(last.checkpoint.body, last.checkpoint.signatures, k, &c) == EG_OK) {
        v->cosigned = last.checkpoint.size;
        v->cosigned_s = c.time_s;
    }
}

eg_err eg_witness_look(eg_audit *a, const char *log, eg_str key, eg_witness_visit *ret) {
    *ret = (eg_witness_visit){.log = log, .key = key};
    eg_buf_init(&ret->note, EG_CHECKPOINT_MAX);
    const eg_log *g = eg_logs_find(a->logs, eg_str_of(log));
    eg_verifier_key k;
    EG_CLEANUP(eg_published_done) eg_published now;
    eg_published_init(&now);
    EG_TRY(eg_cosigner_key_parse(key, &k));
    if (!g || !eg_published_read(g, EG_CHECKPOINT_FILE, &now) || now.checkpoint.size == 0) {
        return EG_ERR_NOT_FOUND;
    }
    recall(g, &k, ret);
    ret->size = now.checkpoint.size;
    return eg_buf_add(&ret->note, now.note.ptr, now.note.len);
}

void eg_witness_visit_done(eg_witness_visit *v) { eg_buf_done(&v->note); }

eg_err eg_witness_ask(eg_audit *a, const eg_witness_visit *v, uint64_t old, eg_buf *ret) {
    const eg_log *g = eg_logs_find(a->logs, eg_str_of(v->log));
    eg_consistency proof = {.count = 0};
    if (!g || old > v->size) {
        return EG_ERR_INVALID;
    }
    eg_err e = old > 0 ? EG_ERR_NOT_FOUND : EG_OK;
    for (int i = 0; e == EG_ERR_NOT_FOUND && i < TRIES; i++) {
        e = eg_consistency_prove(g->dir_fd, atomic_load(&g->served), old, v->size, &proof);
    }
    EG_TRY(e);
    eg_buf_addf(ret, "old %" PRIu64 "\n", old);
    for (size_t i = 0; i < proof.count; i++) {
        eg_base64((eg_bytes){proof.hashes[i], EG_SHA256_LEN}, ret);
        eg_buf_adds(ret, "\n");
    }
    eg_buf_adds(ret, "\n");
    return eg_buf_add(ret, v->note.ptr, v->note.len);
}

eg_witness_says eg_witness_read_answer(long status, eg_str body, uint64_t *ret_size) {
    switch (status) {
    case 200: return EG_WITNESS_COSIGNS;
    case 403:
    case 404: return EG_WITNESS_STRANGER;
    case 422: return EG_WITNESS_REFUSES;
    case 409: break;
    default: return EG_WITNESS_FAILS;
    }
    if (body.len > 0 && body.ptr[body.len - 1] == '\n') {
        body.len--;
    }
    return eg_str_u64(body, INT64_MAX, ret_size) == EG_OK ? EG_WITNESS_KNOWS : EG_WITNESS_FAILS;
}

eg_err eg_witness_take(eg_audit *a, const eg_witness_visit *v, eg_str answer) {
    const eg_log *g = eg_logs_find(a->logs, eg_str_of(v->log));
    char file[EG_WITNESS_FILE_LEN];
    EG_CLEANUP(eg_buf_done) eg_buf note;
    eg_checkpoint shown;
    eg_cosignature c;
    eg_verifier_key k;
    eg_buf_init(&note, EG_CHECKPOINT_MAX);
    EG_TRY(eg_cosigner_key_parse(v->key, &k));
    EG_TRY(eg_checkpoint_parse(eg_buf_str(&v->note), &shown));
    EG_TRY(eg_cosignature_find(shown.body, answer, &k, &c));
    eg_buf_add(&note, v->note.ptr, v->note.len);
    eg_buf_add(&note, c.line.ptr, c.line.len);
    EG_TRY(eg_buf_adds(&note, "\n"));
    if (!g || (mkdirat(g->dir_fd, EG_WITNESS_DIR, 0700) != 0 && errno != EEXIST)) {
        return EG_ERR_IO;
    }
    eg_witness_file(&k, file);
    return eg_file_replace(g->dir_fd, file, 0600, eg_buf_bytes(&note), NULL);
}

/* ---- what readers get ---- */

/* Adds the cosignatures of one file to *ret, which begins anew when they are of a larger checkpoint. */
static eg_err join(const eg_log *g, const char *name, uint64_t *size, eg_buf *ret) {
    char file[sizeof EG_WITNESS_DIR + 256];
    EG_CLEANUP(eg_published_done) eg_published one;
    eg_published_init(&one);
    (void)snprintf(file, sizeof file, EG_WITNESS_DIR "/%s", name);
    if (!eg_published_read(g, file, &one) || one.checkpoint.size < *size) {
        return EG_OK;
    }
    const bool newer = one.checkpoint.size > *size;
    if (newer) {
        eg_buf_reset(ret);
        eg_buf_add(ret, one.checkpoint.body.ptr, one.checkpoint.body.len);
        eg_buf_adds(ret, "\n");
        *size = one.checkpoint.size;
    }
    for (eg_str rest = one.checkpoint.signatures; rest.ptr && rest.len > 0;) {
        const eg_str line = eg_str_cut(&rest, '\n');
        eg_str signer, text;
        if (eg_note_line(line, &signer, &text) && (newer || !eg_str_is(signer, g->origin))) {
            eg_buf_add(ret, line.ptr, line.len);
            eg_buf_adds(ret, "\n");
        }
    }
    return ret->err;
}

eg_err eg_witnessed_note(const eg_log *g, eg_buf *ret) {
    uint64_t size = 0;
    eg_err e = EG_OK;
    const int fd = openat(g->dir_fd, EG_WITNESS_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        if (fd >= 0) {
            close(fd);
        }
        return fd < 0 ? EG_ERR_NOT_FOUND : EG_ERR_NO_MEMORY;
    }
    int files = 0;
    for (const struct dirent *f = readdir(d); f && e == EG_OK && files < FILES_MAX; f = readdir(d)) {
        if (f->d_name[0] != '.') {
            files++;
            e = join(g, f->d_name, &size, ret);
        }
    }
    closedir(d);
    return e != EG_OK ? e : size > 0 ? EG_OK : EG_ERR_NOT_FOUND;
}
