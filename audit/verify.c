/* Verifies a log's folder without a server: signature, every entry, every tile, the root. Memory is bounded by one bundle. */
#include <embergate/audit.h>
#include <embergate/audit_mirror.h>
#include <embergate/durable_file.h>
#include <embergate/encoding.h>

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "checkpoint.h"
#include "logs.h"
#include "tile_path.h"
#include "verify_witnessed.h"

#define TRIES 5
#define BUNDLE_MAX ((size_t)EG_TILE_WIDTH * (EG_ENTRY_MAX + 2))

typedef struct verifier {
    int dir_fd;
    uint64_t size;
    eg_audit_tree tree;        /* recomputed from the entries */
    eg_buf bundle;
    eg_buf tile;
    eg_buf partial[EG_TILE_ENTRIES + 1]; /* the unfinished tiles, read at once after the checkpoint: a live log outgrows them */
    bool has_partial[EG_TILE_ENTRIES + 1];
    eg_audit_verdict *verdict;
    const char *const *witnesses;
    size_t witness_count;
    eg_witnessed witnessed[EG_WITNESSES_MAX];
} verifier;

/* Names the damage and ends the walk; what is found first comes first in the log. */
static eg_err EG_PRINTF(3, 4) damaged(verifier *v, uint64_t record, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    v->verdict->damaged = record;
    vsnprintf(v->verdict->damaged_what, sizeof v->verdict->damaged_what, fmt, ap);
    va_end(ap);
    return EG_ERR_CORRUPT;
}

/* Width of tile `index` at a level, at the checkpoint's size. */
static unsigned width_at(const verifier *v, unsigned level, uint64_t index) {
    return index < eg_audit_tree_index(v->size, level) ? EG_TILE_WIDTH : eg_audit_tree_width(v->size, level);
}

static uint64_t first_record(unsigned level, uint64_t index, uint64_t hash) {
    return (index * EG_TILE_WIDTH + hash) << (8 * level);
}

static eg_err read_tile(verifier *v, unsigned level, uint64_t index, eg_buf *ret, char path[EG_TILE_PATH_LEN]) {
    unsigned at = level == EG_TILE_ENTRIES ? 0 : level;
    uint64_t first = first_record(at, index, 0);
    unsigned width = width_at(v, at, index);
    eg_audit_tile_path(level, index, width, path);
    eg_buf_reset(ret);
    if (width < EG_TILE_WIDTH && v->has_partial[level]) {
        return eg_buf_add(ret, v->partial[level].ptr, v->partial[level].len);
    }
    eg_err e = eg_file_read(v->dir_fd, path, ret->max, ret, NULL);
    if (e == EG_ERR_NO_MEMORY) {
        return e;
    }
    return e == EG_OK ? EG_OK : damaged(v, first, "%s, which begins with record %" PRIu64 ", is missing or can't be read", path, first);
}

static eg_err wrong_leaf(verifier *v, uint64_t record, const char *tile) {
    char entries[EG_TILE_PATH_LEN];
    uint64_t index = record / EG_TILE_WIDTH;
    eg_audit_tile_path(EG_TILE_ENTRIES, index, width_at(v, 0, index), entries);
    return damaged(v, record, "record %" PRIu64 " (%s) does not hash to its leaf in %s", record, entries, tile);
}

/* A finished tile against what its records say. */
static eg_err compare_tile(verifier *v, unsigned level, uint64_t index, const uint8_t *hashes) {
    char path[EG_TILE_PATH_LEN];
    unsigned width = width_at(v, level, index);
    EG_TRY(read_tile(v, level, index, &v->tile, path));
    if (v->tile.len != (size_t)width * EG_SHA256_LEN) {
        uint64_t first = first_record(level, index, 0);
        return damaged(v, first, "%s, which begins with record %" PRIu64 ", has %zu bytes instead of %u", path, first, v->tile.len, width * EG_SHA256_LEN);
    }
    for (unsigned i = 0; i < width; i++) {
        if (memcmp(v->tile.ptr + (size_t)i * EG_SHA256_LEN, hashes + (size_t)i * EG_SHA256_LEN, EG_SHA256_LEN) == 0) {
            continue;
        }
        uint64_t first = first_record(level, index, i);
        uint64_t last = first_record(level, index, i + 1) - 1;
        return level == 0 ? wrong_leaf(v, first, path)
                          : damaged(v, first, "records %" PRIu64 " to %" PRIu64 " do not hash to node %u of %s", first, last, i, path);
    }
    return EG_OK;
}

static eg_err tile_full(void *ctx, unsigned level, uint64_t index, const uint8_t *hashes) {
    return compare_tile(ctx, level, index, hashes);
}

static eg_err walk_bundle(verifier *v, uint64_t index) {
    char path[EG_TILE_PATH_LEN];
    uint8_t leaf[EG_SHA256_LEN];
    EG_TRY(read_tile(v, EG_TILE_ENTRIES, index, &v->bundle, path));
    eg_bytes rest = eg_buf_bytes(&v->bundle);
    unsigned width = width_at(v, 0, index);
    for (unsigned i = 0; i < width; i++) {
        eg_bytes entry = {NULL, 0};
        if (eg_audit_bundle_next(&rest, &entry) != EG_OK) {
            return damaged(v, v->tree.size, "record %" PRIu64 " (%s) is cut off", v->tree.size, path);
        }
        eg_audit_leaf_hash(entry, leaf);
        EG_TRY(eg_audit_tree_push(&v->tree, leaf));
        eg_witnessed_meet(v->witnessed, v->witness_count, &v->tree);
    }
    if (rest.len > 0) {
        return damaged(v, v->tree.size - 1, "record %" PRIu64 " (%s) is followed by %zu bytes that belong to no record", v->tree.size - 1, path, rest.len);
    }
    return EG_OK;
}

/* A cut or shifted record is noticed at the end of its bundle; the leaf tile tells which record it was. */
static eg_err first_wrong_leaf(verifier *v, uint64_t index, eg_err found) {
    eg_audit_verdict keep = *v->verdict;
    char path[EG_TILE_PATH_LEN];
    eg_bytes rest = eg_buf_bytes(&v->bundle);
    if (read_tile(v, 0, index, &v->tile, path) == EG_OK && v->tile.len == (size_t)width_at(v, 0, index) * EG_SHA256_LEN) {
        for (unsigned i = 0; i < width_at(v, 0, index); i++) {
            eg_bytes entry = {NULL, 0};
            uint8_t leaf[EG_SHA256_LEN];
            if (eg_audit_bundle_next(&rest, &entry) != EG_OK) {
                break;
            }
            eg_audit_leaf_hash(entry, leaf);
            if (memcmp(leaf, v->tile.ptr + (size_t)i * EG_SHA256_LEN, sizeof leaf) != 0) {
                return wrong_leaf(v, first_record(0, index, i), path);
            }
        }
    }
    *v->verdict = keep;
    return found;
}

static eg_err walk(verifier *v) {
    uint64_t bundles = (v->size + EG_TILE_WIDTH - 1) / EG_TILE_WIDTH;
    for (uint64_t i = 0; i < bundles; i++) {
        eg_err e = walk_bundle(v, i);
        if (e == EG_ERR_CORRUPT && v->bundle.len > 0) {
            e = first_wrong_leaf(v, i, e);
        }
        EG_TRY(e);
    }
    for (unsigned l = 0; l < EG_TREE_LEVELS; l++) {
        if (eg_audit_tree_width(v->size, l) > 0) {
            EG_TRY(compare_tile(v, l, eg_audit_tree_index(v->size, l), v->tree.level[l]));
        }
    }
    return EG_OK;
}

/* What can't be read now is noticed when the walk comes to it. */
static void read_partials(verifier *v) {
    for (unsigned l = 0; l <= EG_TILE_ENTRIES; l++) {
        unsigned at = l == EG_TILE_ENTRIES ? 0 : l;
        unsigned width = eg_audit_tree_width(v->size, at);
        char path[EG_TILE_PATH_LEN];
        eg_buf_done(&v->partial[l]);
        eg_buf_init(&v->partial[l], l == EG_TILE_ENTRIES ? v->bundle.max : v->tile.max);
        v->has_partial[l] = false;
        if (width > 0) {
            eg_audit_tile_path(l, eg_audit_tree_index(v->size, at), width, path);
            v->has_partial[l] = eg_file_read(v->dir_fd, path, v->partial[l].max, &v->partial[l], NULL) == EG_OK;
        }
    }
}

/* The files beside the tiles. */

static eg_err broken(eg_problem *p, const char *file, const char *how) {
    eg_problem here;
    eg_problem *to = p ? p : &here;
    eg_fail(to, EG_ERR_CORRUPT, "The file \"%s\" %s.", file, how);
    return eg_fail_at(to, "%s", file);
}

static eg_err read_small(int dir_fd, const char *name, eg_buf *ret, eg_problem *p) {
    eg_buf_init(ret, EG_CHECKPOINT_MAX);
    eg_err e = eg_file_read(dir_fd, name, EG_CHECKPOINT_MAX, ret, NULL);
    return e == EG_OK ? EG_OK : broken(p, name, e == EG_ERR_NOT_FOUND ? "is missing" : "can't be read");
}

/* Three lines and the digest of the second one's bytes: enough to notice damage, which only the keeper could otherwise. A copy has none. */
static eg_err check_wrapped_key(int dir_fd, eg_problem *p) {
    EG_CLEANUP(eg_buf_done) eg_buf text = {0};
    if (faccessat(dir_fd, EG_WRAPPED_FILE, F_OK, AT_SYMLINK_NOFOLLOW) != 0 && faccessat(dir_fd, EG_AUDIT_MIRROR_SOURCE, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
        return EG_OK;
    }
    EG_TRY(read_small(dir_fd, EG_WRAPPED_FILE, &text, p));
    eg_str rest = eg_buf_str(&text);
    eg_str lines[4];
    for (size_t i = 0; i < 4; i++) {
        lines[i] = rest.ptr ? eg_str_cut(&rest, '\n') : (eg_str){NULL, 0};
    }
    uint8_t wrapped[EG_WRAPPED_KEY_MAX];
    uint8_t digest[EG_SHA256_LEN];
    char hex[2 * EG_SHA256_LEN + 1];
    size_t n = 0;
    if (!eg_str_is(lines[0], "embergate audit key 1") || !eg_log_id_valid(lines[1]) || eg_unbase64(lines[2], wrapped, sizeof wrapped, &n) != EG_OK) {
        return broken(p, EG_WRAPPED_FILE, "is not a wrapped key");
    }
    const eg_bytes in[2] = {eg_str_bytes(lines[1]), {wrapped, n}};
    eg_sha256_v(in, 2, digest);
    eg_hex((eg_bytes){digest, sizeof digest}, hex);
    return eg_str_is(lines[3], hex) && rest.ptr && rest.len == 0 ? EG_OK : broken(p, EG_WRAPPED_FILE, "is damaged: its digest does not fit");
}

/* What the log is to be signed by, and what its folder says that is. */
typedef struct log_keys {
    eg_verifier_key key, folders;
} log_keys;

static eg_err read_keys(int dir_fd, const char *verifier_key, log_keys *ret, eg_problem *p) {
    EG_CLEANUP(eg_buf_done) eg_buf own = {0};
    EG_TRY(read_small(dir_fd, "vkey", &own, p));
    if (eg_verifier_key_parse(eg_buf_str(&own), &ret->folders) != EG_OK) {
        return broken(p, "vkey", "is not a verifier key: its hash does not fit");
    }
    ret->key = ret->folders;
    if (verifier_key && eg_verifier_key_parse(eg_str_of(verifier_key), &ret->key) != EG_OK) {
        return eg_fail(p, EG_ERR_INVALID, "The verifier key is not \"name+hash+base64\", or its hash does not fit.");
    }
    return EG_OK;
}

static eg_err check_note(int dir_fd, const log_keys *k, eg_checkpoint *ret, eg_buf *note, eg_problem *p) {
    EG_TRY(read_small(dir_fd, EG_CHECKPOINT_FILE, note, p));
    if (eg_checkpoint_parse(eg_buf_str(note), ret) != EG_OK) {
        return broken(p, EG_CHECKPOINT_FILE, "is not a checkpoint");
    }
    if (eg_checkpoint_verify(ret, &k->key) != EG_OK) {
        return broken(p, EG_CHECKPOINT_FILE, "carries no signature of the verifier key that fits what it says");
    }
    if (strcmp(k->folders.name, k->key.name) != 0 || memcmp(k->folders.public_key, k->key.public_key, sizeof k->key.public_key) != 0) {
        return broken(p, "vkey", "holds another key than the one that signed the checkpoint");
    }
    return EG_OK;
}

static eg_err check_root(verifier *v, const eg_checkpoint *c, eg_problem *p) {
    uint8_t root[EG_SHA256_LEN];
    eg_audit_tree_root(&v->tree, root);
    if (memcmp(root, c->root, sizeof root) == 0) {
        return EG_OK;
    }
    /* Entries and tiles agree with one another: somebody changed a record and made the tiles anew. */
    return broken(p, EG_CHECKPOINT_FILE, "signs another root than the records have: records were changed and the tiles made to fit them");
}

static eg_err verify(verifier *v, const char *verifier_key, eg_problem *p) {
    EG_CLEANUP(eg_buf_done) eg_buf note = {0};
    eg_checkpoint c = {0};
    log_keys keys;
    EG_TRY(read_keys(v->dir_fd, verifier_key, &keys, p));
    for (size_t i = 0; i < v->witness_count; i++) { /* before the checkpoint, which a live log may move on meanwhile */
        EG_TRY(eg_witnessed_read(v->dir_fd, &keys.key, v->witnesses[i], &v->witnessed[i], p));
    }
    EG_TRY(check_note(v->dir_fd, &keys, &c, &note, p));
    EG_TRY(check_wrapped_key(v->dir_fd, p));
    v->size = v->verdict->size = c.size;
    eg_hex((eg_bytes){c.root, sizeof c.root}, v->verdict->root);
    read_partials(v);
    eg_err e = walk(v);
    if (v->verdict->damaged != UINT64_MAX) {
        return EG_OK; /* the verdict says it */
    }
    if (e != EG_OK) {
        return eg_fail(p, e, "The log could not be read to its end: %s.", eg_err_code(e));
    }
    EG_TRY(check_root(v, &c, p));
    return eg_witnessed_end(v->witnessed, v->witness_count, v->size, p);
}

/* A log that is being written may outgrow its partial tiles between the reading of its checkpoint and theirs. */
static bool moved_on(const verifier *v) {
    EG_CLEANUP(eg_buf_done) eg_buf note = {0};
    eg_checkpoint c = {0};
    return read_small(v->dir_fd, EG_CHECKPOINT_FILE, &note, NULL) == EG_OK && eg_checkpoint_parse(eg_buf_str(&note), &c) == EG_OK && c.size > v->size;
}

static void verifier_done(verifier *v) {
    close(v->dir_fd);
    eg_buf_done(&v->bundle);
    eg_buf_done(&v->tile);
    for (unsigned l = 0; l <= EG_TILE_ENTRIES; l++) {
        eg_buf_done(&v->partial[l]);
    }
    eg_audit_tree_done(&v->tree);
}

eg_err eg_audit_verify_witnessed(const char *log_dir, const char *verifier_key, const char *const *witnesses, size_t n, eg_audit_verdict *ret, eg_witness_seen *ret_seen,
                                 eg_problem *p) {
    eg_audit_verdict verdict = {.damaged = UINT64_MAX};
    verifier v = {.verdict = &verdict, .witnesses = witnesses, .witness_count = n};
    if (n > EG_WITNESSES_MAX) {
        return eg_fail(p, EG_ERR_INVALID, "More than %u witnesses are named.", EG_WITNESSES_MAX);
    }
    v.dir_fd = open(log_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (v.dir_fd < 0) {
        return eg_fail(p, EG_ERR_NOT_FOUND, "\"%s\" is not a folder that can be opened.", log_dir);
    }
    eg_buf_init(&v.bundle, BUNDLE_MAX);
    eg_buf_init(&v.tile, (size_t)EG_TILE_WIDTH * EG_SHA256_LEN + 1);
    eg_err e = EG_OK;
    for (int i = 0; i < TRIES; i++) {
        verdict = (eg_audit_verdict){.damaged = UINT64_MAX};
        eg_audit_tree_done(&v.tree);
        v.tree = (eg_audit_tree){.tile_full = tile_full, .ctx = &v};
        e = verify(&v, verifier_key, p);
        if (e != EG_OK || verdict.damaged == UINT64_MAX || !moved_on(&v)) {
            break;
        }
    }
    if (e == EG_OK && verdict.damaged == UINT64_MAX && !verifier_key) {
        snprintf(verdict.damaged_what, sizeof verdict.damaged_what, "checked with the folder's own vkey: compare it with one that you got elsewhere");
    }
    for (size_t i = 0; i < n; i++) {
        ret_seen[i] = v.witnessed[i].seen;
    }
    verifier_done(&v);
    EG_TRY(e);
    *ret = verdict;
    return EG_OK;
}

eg_err eg_audit_verify(const char *log_dir, const char *verifier_key, eg_audit_verdict *ret, eg_problem *p) {
    return eg_audit_verify_witnessed(log_dir, verifier_key, NULL, 0, ret, NULL, p);
}
