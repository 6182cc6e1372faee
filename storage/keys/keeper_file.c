/* Reads and writes the files of a keeper directory: header, kind, and bodies sealed under the master key. */
#include "keeper_file.h"

#include <embergate/durable_file.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX ((size_t)8192)
#define HEADER_LEN 6
#define MASTER_CHECK_LEN 16
static const uint8_t magic[4] = {'E', 'G', 'K', 'P'};
static const uint8_t format_version = 1;

void eg_keeper_buf_done(eg_buf *b) {
    if (b->ptr) {
        eg_cleanse(b->ptr, b->cap);
    }
    eg_buf_done(b);
}

eg_err eg_keeper_dir_open(const char *dir, int *ret_fd, eg_problem *p) {
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        int e = errno;
        return eg_fail(p, eg_err_from_errno(e), "Cannot open the keeper directory \"%s\".", dir);
    }
    struct stat st;
    /* Root opens it for commands while the server is stopped; the keeper itself isn't root. */
    if (fstat(fd, &st) != 0 || (st.st_uid != geteuid() && geteuid() != 0) || (st.st_mode & 077) != 0) {
        close(fd);
        return eg_fail(p, EG_ERR_CONFIG, "The keeper directory \"%s\" must belong to the keeper's user and be closed to all others (mode 0700).", dir);
    }
    *ret_fd = fd;
    return EG_OK;
}

static void write_header(eg_keeper_kind kind, uint8_t ret[HEADER_LEN]) {
    memcpy(ret, magic, sizeof magic);
    ret[4] = format_version;
    ret[5] = (uint8_t)kind;
}

eg_err eg_keeper_file_write(int dir_fd, const char *name, eg_keeper_kind kind, eg_bytes body, eg_problem *p) {
    uint8_t header[HEADER_LEN];
    write_header(kind, header);
    EG_CLEANUP(eg_keeper_buf_done) eg_buf b;
    eg_buf_init(&b, FILE_MAX);
    eg_buf_add(&b, header, sizeof header);
    if (eg_buf_add(&b, body.ptr, body.len) != EG_OK) {
        return eg_fail(p, b.err, "The keeper file \"%s\" would be too large.", name);
    }
    return eg_file_replace(dir_fd, name, 0600, eg_str_bytes(eg_buf_str(&b)), p);
}

eg_err eg_keeper_file_read(int dir_fd, const char *name, eg_keeper_kind kind, eg_secret **ret_body, eg_problem *p) {
    EG_CLEANUP(eg_keeper_buf_done) eg_buf b;
    eg_buf_init(&b, FILE_MAX);
    EG_TRY(eg_file_read(dir_fd, name, FILE_MAX, &b, p));
    if (b.len < HEADER_LEN || memcmp(b.ptr, magic, sizeof magic) != 0 || (uint8_t)b.ptr[5] != (uint8_t)kind) {
        return eg_fail(p, EG_ERR_CORRUPT, "The keeper file \"%s\" is damaged or is another file.", name);
    }
    if ((uint8_t)b.ptr[4] != format_version) {
        return eg_fail(p, EG_ERR_FORMAT_VERSION, "The keeper file \"%s\" has format version %u, which this program does not know.", name,
                       (unsigned)(uint8_t)b.ptr[4]);
    }
    eg_secret *body = eg_secret_new(b.ptr + HEADER_LEN, b.len - HEADER_LEN);
    if (!body) {
        return EG_ERR_NO_MEMORY;
    }
    *ret_body = body;
    return EG_OK;
}

/* One key a kind of file, so that no sealed body can be taken for one of another kind. */
static eg_err kind_key(const eg_secret *root, eg_keeper_kind kind, uint8_t ret[EG_KEY_LEN]) {
    char info[] = "embergate keeper file v1 ?";
    info[sizeof info - 2] = (char)kind;
    return eg_hkdf_sha256(eg_secret_bytes(root), (eg_bytes){NULL, 0}, (eg_bytes){(const uint8_t *)info, sizeof info - 1}, ret, EG_KEY_LEN);
}

static eg_err additional_data(eg_keeper_kind kind, eg_bytes bound, eg_buf *ret) {
    uint8_t header[HEADER_LEN];
    write_header(kind, header);
    eg_buf_add(ret, header, sizeof header);
    return eg_buf_add(ret, bound.ptr, bound.len);
}

eg_err eg_keeper_seal(const eg_secret *root, eg_keeper_kind kind, eg_bytes bound, eg_bytes plain, eg_buf *ret) {
    uint8_t key[EG_KEY_LEN];
    EG_CLEANUP(eg_buf_done) eg_buf ad;
    eg_buf_init(&ad, FILE_MAX);
    EG_TRY(additional_data(kind, bound, &ad));
    EG_TRY(kind_key(root, kind, key));
    eg_err e = eg_seal((eg_bytes){key, sizeof key}, eg_str_bytes(eg_buf_str(&ad)), plain, ret);
    eg_cleanse(key, sizeof key);
    return e;
}

eg_err eg_keeper_unseal(const eg_secret *root, eg_keeper_kind kind, eg_bytes bound, eg_bytes sealed, eg_secret **ret) {
    uint8_t key[EG_KEY_LEN];
    EG_CLEANUP(eg_buf_done) eg_buf ad;
    EG_CLEANUP(eg_keeper_buf_done) eg_buf plain;
    eg_buf_init(&ad, FILE_MAX);
    eg_buf_init(&plain, FILE_MAX);
    EG_TRY(additional_data(kind, bound, &ad));
    EG_TRY(kind_key(root, kind, key));
    eg_err e = eg_open_sealed((eg_bytes){key, sizeof key}, eg_str_bytes(eg_buf_str(&ad)), sealed, &plain);
    eg_cleanse(key, sizeof key);
    EG_TRY(e);
    eg_secret *s = eg_secret_new(plain.ptr, plain.len);
    if (!s) {
        return EG_ERR_NO_MEMORY;
    }
    *ret = s;
    return EG_OK;
}

static void master_check(eg_bytes master, uint8_t ret[EG_SHA256_LEN]) {
    eg_hmac_sha256(master, eg_str_bytes(EG_LIT("embergate master key check v1")), ret);
}

eg_err eg_keeper_master_write(int dir_fd, const eg_secret *master, eg_problem *p) {
    uint8_t check[EG_SHA256_LEN];
    eg_bytes m = eg_secret_bytes(master);
    EG_CLEANUP(eg_keeper_buf_done) eg_buf body;
    eg_buf_init(&body, FILE_MAX);
    master_check(m, check);
    eg_buf_add(&body, m.ptr, m.len);
    EG_TRY(eg_buf_add(&body, check, MASTER_CHECK_LEN));
    return eg_keeper_file_write(dir_fd, EG_KEEPER_MASTER_FILE, EG_KEEPER_MASTER, eg_str_bytes(eg_buf_str(&body)), p);
}

eg_err eg_keeper_master_read(int dir_fd, eg_secret **ret, eg_problem *p) {
    EG_CLEANUP(eg_secret_free_p) eg_secret *body = NULL;
    EG_TRY(eg_keeper_file_read(dir_fd, EG_KEEPER_MASTER_FILE, EG_KEEPER_MASTER, &body, p));
    eg_bytes b = eg_secret_bytes(body);
    uint8_t check[EG_SHA256_LEN];
    bool good = b.len == EG_KEY_LEN + MASTER_CHECK_LEN;
    if (good) {
        master_check((eg_bytes){b.ptr, EG_KEY_LEN}, check);
        good = eg_ct_eq(check, b.ptr + EG_KEY_LEN, MASTER_CHECK_LEN);
    }
    if (!good) {
        eg_problem here;
        eg_problem *to = p ? p : &here;
        eg_fail(to, EG_ERR_CORRUPT, "The keeper file \"%s\" is damaged.", EG_KEEPER_MASTER_FILE);
        return eg_fail_hint(to, "Restore it from a backup, or by means of the recovery key.");
    }
    eg_secret *master = eg_secret_new(b.ptr, EG_KEY_LEN);
    if (!master) {
        return EG_ERR_NO_MEMORY;
    }
    *ret = master;
    return EG_OK;
}

eg_err eg_keeper_tenant_file(eg_str tenant, char ret[EG_KEEPER_NAME_MAX]) {
    if (!eg_uuid_valid(tenant)) {
        return EG_ERR_INVALID;
    }
    for (size_t i = 0; i < tenant.len; i++) {
        if (tenant.ptr[i] >= 'A' && tenant.ptr[i] <= 'F') {
            return EG_ERR_INVALID;
        }
    }
    snprintf(ret, EG_KEEPER_NAME_MAX, EG_KEEPER_TENANTS_DIR "/%.*s.key", EG_FMT(tenant));
    return EG_OK;
}
