/* Keeps a copy of a log that grows as its server says, in the folders and files that the server has. What is appended must add up to the root that was signed, so that each end
 * proves that the log only grew. */
#include <embergate/audit_mirror.h>

#include <embergate/durable_file.h>
#include <embergate/encoding.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checkpoint.h"
#include "tile_log.h"
#include "witness_file.h"

#define KEY_FILE "vkey"
#define BUNDLE_MAX ((size_t)EG_TILE_WIDTH * (EG_ENTRY_MAX + 2))
#define WITNESSES_MAX 64

struct eg_audit_mirror {
    int dir_fd;               /* locked */
    eg_verifier_key key;
    uint64_t size;            /* of the copy's checkpoint */
    uint8_t root[EG_SHA256_LEN];
    eg_tile_log *tiles;       /* NULL: to be opened at `size` */
    bool begun;
    uint64_t to;              /* what was begun: size, root, and the note that says so */
    uint8_t to_root[EG_SHA256_LEN];
    eg_buf note;
};

/* ---- the copy's own files ---- */

static eg_err keep_key(eg_audit_mirror *m, const char *verifier_key, const char *source, eg_problem *p) {
    if (!verifier_key) {
        return eg_fail(p, EG_ERR_INVALID, "A new copy needs the log's verifier key.");
    }
    if (eg_verifier_key_parse(eg_str_of(verifier_key), &m->key) != EG_OK) {
        return eg_fail(p, EG_ERR_INVALID, "The verifier key is not \"name+hash+base64\", or its hash does not fit.");
    }
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_buf_init(&text, EG_CHECKPOINT_MAX);
    EG_TRY(eg_verifier_key_write(eg_str_of(m->key.name), m->key.public_key, &text));
    EG_TRY(eg_buf_adds(&text, "\n"));
    EG_TRY(eg_file_replace(m->dir_fd, EG_AUDIT_MIRROR_SOURCE, 0600, eg_str_bytes(eg_str_of(source)), p));
    return eg_file_replace(m->dir_fd, KEY_FILE, 0600, eg_buf_bytes(&text), p);
}

/* The key is pinned by the first time. */
static eg_err read_key(eg_audit_mirror *m, const char *verifier_key, const char *source, eg_problem *p) {
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_verifier_key given;
    eg_buf_init(&text, EG_CHECKPOINT_MAX);
    const eg_err e = eg_file_read(m->dir_fd, KEY_FILE, EG_CHECKPOINT_MAX, &text, p);
    if (e == EG_ERR_NOT_FOUND) {
        return keep_key(m, verifier_key, source, p);
    }
    EG_TRY(e);
    if (faccessat(m->dir_fd, EG_AUDIT_MIRROR_SOURCE, F_OK, AT_SYMLINK_NOFOLLOW) != 0) { /* whoever writes there believes that its tiles are its own */
        return eg_fail(p, EG_ERR_INVALID, "The folder holds a log that is no copy: a server's own, which only the server may write.");
    }
    if (eg_verifier_key_parse(eg_buf_str(&text), &m->key) != EG_OK) {
        return eg_fail(p, EG_ERR_CORRUPT, "The copy's file \"" KEY_FILE "\" is not a verifier key.");
    }
    if (verifier_key && (eg_verifier_key_parse(eg_str_of(verifier_key), &given) != EG_OK || strcmp(given.name, m->key.name) != 0 ||
                         memcmp(given.public_key, m->key.public_key, sizeof given.public_key) != 0)) {
        return eg_fail(p, EG_ERR_INVALID, "This is a copy of the log %s by another key than the one that was given.", m->key.name);
    }
    return EG_OK;
}

static eg_err read_checkpoint(eg_audit_mirror *m, eg_problem *p) {
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_checkpoint c;
    eg_buf_init(&text, EG_CHECKPOINT_MAX);
    const eg_err e = eg_file_read(m->dir_fd, EG_CHECKPOINT_FILE, EG_CHECKPOINT_MAX, &text, p);
    if (e == EG_ERR_NOT_FOUND) {
        eg_sha256((eg_bytes){NULL, 0}, m->root); /* of an empty log */
        return EG_OK;
    }
    EG_TRY(e);
    if (eg_checkpoint_parse(eg_buf_str(&text), &c) != EG_OK || eg_checkpoint_verify(&c, &m->key) != EG_OK) {
        return eg_fail(p, EG_ERR_CORRUPT, "The copy's own checkpoint is damaged: its signature does not fit.");
    }
    m->size = c.size;
    memcpy(m->root, c.root, sizeof m->root);
    return EG_OK;
}

static eg_err open_tiles(eg_audit_mirror *m, eg_problem *p) {
    if (m->tiles) {
        return EG_OK;
    }
    const int fd = fcntl(m->dir_fd, F_DUPFD_CLOEXEC, 0);
    return fd < 0 ? eg_fail(p, EG_ERR_IO, "No descriptor for the copy's folder.") : eg_tile_log_open(fd, m->size, m->root, m->size, &m->tiles, p);
}

static void drop_tiles(eg_audit_mirror *m) {
    eg_tile_log_free(m->tiles);
    m->tiles = NULL;
}

bool eg_audit_mirror_exists(const char *dir) {
    char path[4096];
    return snprintf(path, sizeof path, "%s/" KEY_FILE, dir) < (int)sizeof path && access(path, F_OK) == 0;
}

static eg_err open_folder(const char *dir, int *ret, eg_problem *p) {
    EG_TRY(eg_dir_make(dir, 0700, p));
    *ret = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*ret < 0) {
        return eg_fail(p, EG_ERR_IO, "\"%s\" can't be opened.", dir);
    }
    if (flock(*ret, LOCK_EX | LOCK_NB) != 0) {
        return eg_fail(p, EG_ERR_BUSY, "Somebody else is fetching into \"%s\".", dir);
    }
    return EG_OK;
}

eg_err eg_audit_mirror_open(const char *dir, const char *verifier_key, const char *source, eg_audit_mirror **ret, eg_problem *p) {
    EG_CLEANUP(eg_audit_mirror_close_p) eg_audit_mirror *m = calloc(1, sizeof *m);
    if (!m) {
        return eg_fail(p, EG_ERR_NO_MEMORY, "No memory for an audit log.");
    }
    m->dir_fd = -1;
    eg_buf_init(&m->note, EG_CHECKPOINT_MAX);
    EG_TRY(open_folder(dir, &m->dir_fd, p));
    EG_TRY(read_key(m, verifier_key, source, p));
    EG_TRY(read_checkpoint(m, p));
    EG_TRY(open_tiles(m, p));
    *ret = m;
    m = NULL;
    return EG_OK;
}

void eg_audit_mirror_close(eg_audit_mirror *m) {
    if (m) {
        drop_tiles(m);
        if (m->dir_fd >= 0) {
            close(m->dir_fd);
        }
        eg_buf_done(&m->note);
        free(m);
    }
}

uint64_t eg_audit_mirror_size(const eg_audit_mirror *m) { return m->size; }

/* ---- growing ---- */

eg_err eg_audit_mirror_begin(eg_audit_mirror *m, eg_str note, eg_problem *p) {
    eg_checkpoint c;
    if (eg_checkpoint_parse(note, &c) != EG_OK || eg_checkpoint_verify(&c, &m->key) != EG_OK) {
        return eg_fail(p, EG_ERR_CORRUPT, "What the server serves is no checkpoint of the log %s: it carries no signature of its key that fits.", m->key.name);
    }
    if (c.size < m->size) {
        return eg_fail(p, EG_ERR_CORRUPT, "The server's log has %" PRIu64 " records, and this copy %" PRIu64 ": the log was set back.", c.size, m->size);
    }
    if (c.size == m->size && memcmp(c.root, m->root, sizeof c.root) != 0) {
        return eg_fail(p, EG_ERR_CORRUPT, "The server's log has %" PRIu64 " records, as this copy has, but others: the log was made anew.", c.size);
    }
    if (m->tiles && eg_tile_log_size(m->tiles) != m->size) { /* of one that was begun and not ended */
        drop_tiles(m);
    }
    EG_TRY(open_tiles(m, p));
    eg_buf_reset(&m->note);
    EG_TRY(eg_buf_add(&m->note, note.ptr, note.len));
    m->begun = true;
    m->to = c.size;
    memcpy(m->to_root, c.root, sizeof m->to_root);
    return EG_OK;
}

/* Entries that a bundle has in a log of that size. */
static unsigned width_of(uint64_t size, uint64_t index) { return index < eg_audit_tree_index(size, 0) ? EG_TILE_WIDTH : eg_audit_tree_width(size, 0); }

static uint64_t next_bundle(const eg_audit_mirror *m) { return eg_audit_tree_index(eg_tile_log_size(m->tiles), 0); }

bool eg_audit_mirror_next(const eg_audit_mirror *m, char ret[EG_AUDIT_MIRROR_PATH_LEN]) {
    _Static_assert(EG_AUDIT_MIRROR_PATH_LEN == EG_TILE_PATH_LEN, "one room for both");
    if (!m->begun || !m->tiles || eg_tile_log_size(m->tiles) >= m->to) {
        return false;
    }
    eg_audit_tile_path(EG_TILE_ENTRIES, next_bundle(m), width_of(m->to, next_bundle(m)), ret);
    return true;
}

static eg_err no_bundle(eg_audit_mirror *m, eg_problem *p) {
    drop_tiles(m);
    m->begun = false;
    return eg_fail(p, EG_ERR_CORRUPT, "The server serves something else than the records that its checkpoint speaks of.");
}

eg_err eg_audit_mirror_add(eg_audit_mirror *m, eg_bytes bundle, eg_problem *p) {
    if (!m->begun || !m->tiles || eg_tile_log_size(m->tiles) >= m->to) {
        return EG_ERR_INVALID;
    }
    const unsigned width = width_of(m->to, next_bundle(m));
    const uint64_t first = next_bundle(m) * EG_TILE_WIDTH, have = eg_tile_log_size(m->tiles);
    eg_bytes rest = bundle, entry;
    for (unsigned i = 0; i < width; i++) {
        if (eg_audit_bundle_next(&rest, &entry) != EG_OK) {
            return no_bundle(m, p);
        }
        const eg_err e = first + i < have ? EG_OK : eg_tile_log_append(m->tiles, entry); /* what is here already is in the root that comes of it */
        if (e != EG_OK) {
            drop_tiles(m);
            m->begun = false;
            return eg_fail(p, e, "The copy can't be written.");
        }
    }
    return rest.len == 0 ? EG_OK : no_bundle(m, p);
}

eg_err eg_audit_mirror_end(eg_audit_mirror *m, eg_problem *p) {
    uint8_t root[EG_SHA256_LEN];
    if (!m->begun || !m->tiles || eg_tile_log_size(m->tiles) != m->to) {
        return EG_ERR_INVALID;
    }
    m->begun = false;
    eg_tile_log_root(m->tiles, root);
    if (memcmp(root, m->to_root, sizeof root) != 0) {
        drop_tiles(m);
        return eg_fail(p, EG_ERR_CORRUPT, "What the server has signed is not what this copy has and what came after it: the first %" PRIu64 " records were changed, or these are not the ones that were signed.",
                       m->size);
    }
    if (m->to == m->size && m->size > 0) {
        return EG_OK;
    }
    eg_err e = eg_tile_log_flush(m->tiles);
    e = e == EG_OK ? eg_file_replace(m->dir_fd, EG_CHECKPOINT_FILE, 0600, eg_buf_bytes(&m->note), p) : eg_fail(p, e, "The copy can't be written.");
    if (e != EG_OK) {
        drop_tiles(m);
        return e;
    }
    m->size = m->to;
    memcpy(m->root, root, sizeof m->root);
    eg_tile_log_trim(m->tiles, m->size);
    return EG_OK;
}

/* ---- what witnesses said ---- */

/* Of more entries than `size`: what was cosigned later is never given up for what was cosigned before. */
static bool keeps_newer(const eg_audit_mirror *m, const char *file, uint64_t size) {
    EG_CLEANUP(eg_buf_done) eg_buf note;
    eg_checkpoint c;
    eg_buf_init(&note, EG_CHECKPOINT_MAX);
    return eg_file_read(m->dir_fd, file, EG_CHECKPOINT_MAX, &note, NULL) == EG_OK && eg_checkpoint_parse(eg_buf_str(&note), &c) == EG_OK && c.size > size;
}

/* One line in a file of its own, named by the key's id in it: whether it is right is for who has the key. */
static eg_err keep_line(const eg_audit_mirror *m, const eg_checkpoint *c, eg_str own, eg_str line, eg_str base64, eg_problem *p) {
    uint8_t blob[128];
    size_t n = 0;
    eg_verifier_key k = {.name = ""};
    char file[EG_WITNESS_FILE_LEN];
    EG_CLEANUP(eg_buf_done) eg_buf note;
    eg_buf_init(&note, EG_CHECKPOINT_MAX);
    if (eg_unbase64(base64, blob, sizeof blob, &n) != EG_OK || n < sizeof k.id) {
        return EG_OK;
    }
    memcpy(k.id, blob, sizeof k.id);
    eg_witness_file(&k, file);
    if (keeps_newer(m, file, c->size)) {
        return EG_OK;
    }
    eg_buf_add(&note, c->body.ptr, c->body.len);
    eg_buf_addf(&note, "\n%.*s\n%.*s\n", EG_FMT(own), EG_FMT(line));
    if (note.err != EG_OK || (mkdirat(m->dir_fd, EG_WITNESS_DIR, 0700) != 0 && errno != EEXIST)) {
        return eg_fail(p, EG_ERR_IO, "What the witnesses said can't be kept.");
    }
    return eg_file_replace(m->dir_fd, file, 0600, eg_buf_bytes(&note), p);
}

eg_err eg_audit_mirror_witnessed(eg_audit_mirror *m, eg_str note, eg_problem *p) {
    eg_checkpoint c;
    eg_str own = {NULL, 0}, signer, base64;
    if (eg_checkpoint_parse(note, &c) != EG_OK || eg_checkpoint_verify(&c, &m->key) != EG_OK) {
        return eg_fail(p, EG_ERR_CORRUPT, "What the server serves as cosigned is no checkpoint of the log %s.", m->key.name);
    }
    if (c.size > m->size || (c.size == m->size && memcmp(c.root, m->root, sizeof c.root) != 0)) {
        return eg_fail(p, EG_ERR_CORRUPT, "What the server serves as cosigned, of %" PRIu64 " records, is not of this log.", c.size);
    }
    for (eg_str rest = c.signatures; rest.ptr && rest.len > 0 && !own.ptr;) {
        const eg_str line = eg_str_cut(&rest, '\n');
        own = eg_note_line(line, &signer, &base64) && eg_str_is(signer, m->key.name) ? line : own;
    }
    int kept = 0;
    for (eg_str rest = c.signatures; rest.ptr && rest.len > 0 && kept < WITNESSES_MAX;) {
        const eg_str line = eg_str_cut(&rest, '\n');
        if (eg_note_line(line, &signer, &base64) && !eg_str_is(signer, m->key.name)) {
            kept++;
            EG_TRY(keep_line(m, &c, own, line, base64, p));
        }
    }
    return EG_OK;
}

/* ---- reading ---- */

eg_err eg_audit_mirror_each(const eg_audit_mirror *m, uint64_t from, eg_err (*fn)(void *ctx, uint64_t index, eg_bytes entry), void *ctx, eg_problem *p) {
    EG_CLEANUP(eg_buf_done) eg_buf bundle;
    eg_buf_init(&bundle, BUNDLE_MAX);
    for (uint64_t at = from; at < m->size;) {
        const uint64_t index = at / EG_TILE_WIDTH, first = index * EG_TILE_WIDTH;
        const unsigned width = width_of(m->size, index);
        char path[EG_TILE_PATH_LEN];
        eg_audit_tile_path(EG_TILE_ENTRIES, index, width, path);
        eg_buf_reset(&bundle);
        EG_TRY(eg_file_read(m->dir_fd, path, BUNDLE_MAX, &bundle, p));
        eg_bytes rest = eg_buf_bytes(&bundle), entry;
        for (uint64_t i = first; i < first + width; i++) {
            if (eg_audit_bundle_next(&rest, &entry) != EG_OK) {
                return eg_fail(p, EG_ERR_CORRUPT, "The copy's file \"%s\" is damaged.", path);
            }
            if (i >= from) {
                EG_TRY(fn(ctx, i, entry));
            }
        }
        at = first + width;
    }
    return EG_OK;
}
