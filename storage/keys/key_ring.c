/* Reads, writes and destroys the key files of tenants. */
#include "key_ring.h"

#include <embergate/durable_file.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define ENTRY_LEN (4 + 8 + 1 + EG_KEY_LEN)
#define PLAIN_MAX (EG_KEY_VERSIONS_MAX * ENTRY_LEN)
#define NAMES_MAX 1024
#define SUFFIX ".key"

bool eg_key_name_ok(eg_str name) {
    size_t dots = 0;
    for (size_t i = 0; i < name.len; i++) {
        const char c = name.ptr[i];
        const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        const bool edge = i == 0 || i + 1 == name.len;
        dots += c == '.';
        if (!plain && (edge || (c != '-' && c != '.'))) {
            return false;
        }
    }
    return name.len <= EG_KEY_NAME_MAX && dots <= 1;
}

/* "tenants/{tenant}.key" and "tenants/{tenant}.{name}.key". */
static eg_err file_of(eg_str tenant, eg_str name, char ret[EG_KEEPER_NAME_MAX]) {
    if (!eg_key_name_ok(name)) {
        return EG_ERR_INVALID;
    }
    char own[EG_KEEPER_NAME_MAX];
    EG_TRY(eg_keeper_tenant_file(tenant, own));
    snprintf(ret, EG_KEEPER_NAME_MAX, EG_KEEPER_TENANTS_DIR "/%.*s%s%.*s" SUFFIX, EG_FMT(tenant), name.len ? "." : "", EG_FMT(name));
    return EG_OK;
}

void eg_key_ring_free(eg_key_ring *r) {
    if (r) {
        for (size_t i = 0; i < r->count; i++) {
            eg_secret_free(r->versions[i].key);
        }
        free(r);
    }
}

static eg_err ring_of(eg_str tenant, eg_str name, eg_key_ring **ret) {
    char file[EG_KEEPER_NAME_MAX];
    EG_TRY(file_of(tenant, name, file));
    eg_key_ring *r = calloc(1, sizeof *r);
    if (!r) {
        return EG_ERR_NO_MEMORY;
    }
    memcpy(r->tenant, tenant.ptr, tenant.len);
    memcpy(r->name, name.len ? name.ptr : "", name.len);
    *ret = r;
    return EG_OK;
}

eg_err eg_key_ring_rotate(eg_key_ring *r, int64_t now_ns) {
    if (r->count == EG_KEY_VERSIONS_MAX) {
        return EG_ERR_LIMIT;
    }
    eg_secret *key = eg_secret_random(EG_KEY_LEN);
    if (!key) {
        return EG_ERR_NO_MEMORY;
    }
    const uint32_t number = r->count ? r->versions[r->count - 1].number + 1 : 1;
    r->versions[r->count++] = (eg_key_version){number, now_ns, EG_KEY_IN_USE, key};
    return EG_OK;
}

eg_err eg_key_ring_new(eg_str tenant, eg_str name, int64_t now_ns, eg_key_ring **ret) {
    EG_CLEANUP(eg_key_ring_free_p) eg_key_ring *r = NULL;
    EG_TRY(ring_of(tenant, name, &r));
    EG_TRY(eg_key_ring_rotate(r, now_ns));
    *ret = r;
    r = NULL;
    return EG_OK;
}

const eg_key_version *eg_key_ring_current(const eg_key_ring *r) { return &r->versions[r->count - 1]; }

eg_err eg_key_ring_find(const eg_key_ring *r, uint32_t number, const eg_key_version **ret) {
    for (size_t i = 0; i < r->count; i++) {
        if (r->versions[i].number == number) {
            *ret = &r->versions[i];
            return EG_OK;
        }
    }
    return EG_ERR_CORRUPT;
}

/* A key alone is how the first format of the file had it: one version, whose number stands before the seal. */
static eg_err decode(eg_bytes plain, uint32_t outside, eg_key_ring *r) {
    if (plain.len == EG_KEY_LEN) {
        r->versions[0] = (eg_key_version){outside, 0, EG_KEY_IN_USE, eg_secret_new(plain.ptr, EG_KEY_LEN)};
        r->count = 1;
        return r->versions[0].key ? EG_OK : EG_ERR_NO_MEMORY;
    }
    if (plain.len == 0 || plain.len % ENTRY_LEN != 0 || plain.len > PLAIN_MAX) {
        return EG_ERR_CORRUPT;
    }
    uint32_t before = 0;
    for (const uint8_t *at = plain.ptr; at < plain.ptr + plain.len; at += ENTRY_LEN) {
        eg_key_version v = {eg_get_u32(at), (int64_t)eg_get_u64(at + 4), (eg_key_state)at[12], NULL};
        if (v.number <= before || (v.state != EG_KEY_IN_USE && v.state != EG_KEY_RETIRED)) {
            return EG_ERR_CORRUPT;
        }
        v.key = eg_secret_new(at + 13, EG_KEY_LEN);
        if (!v.key) {
            return EG_ERR_NO_MEMORY;
        }
        r->versions[r->count++] = v;
        before = v.number;
    }
    return before == outside ? EG_OK : EG_ERR_CORRUPT;
}

eg_err eg_key_ring_read(int dir_fd, const eg_secret *master, eg_str tenant, eg_str name, eg_key_ring **ret) {
    char file[EG_KEEPER_NAME_MAX];
    EG_CLEANUP(eg_secret_free_p) eg_secret *body = NULL;
    EG_CLEANUP(eg_secret_free_p) eg_secret *plain = NULL;
    EG_CLEANUP(eg_key_ring_free_p) eg_key_ring *r = NULL;
    EG_TRY(file_of(tenant, name, file));
    EG_TRY(eg_keeper_file_read(dir_fd, file, EG_KEEPER_TENANT, &body, NULL));
    const eg_bytes b = eg_secret_bytes(body);
    if (b.len < 4) {
        return EG_ERR_CORRUPT;
    }
    const uint32_t outside = eg_get_u32(b.ptr);
    if (outside == 0 && b.len == 4) {
        return EG_ERR_KEY_DESTROYED;
    }
    EG_TRY(ring_of(tenant, name, &r));
    EG_TRY(eg_keeper_unseal(master, EG_KEEPER_TENANT, eg_str_bytes(eg_str_of(file)), (eg_bytes){b.ptr + 4, b.len - 4}, &plain));
    EG_TRY(decode(eg_secret_bytes(plain), outside, r));
    *ret = r;
    r = NULL;
    return EG_OK;
}

static eg_err encode(const eg_key_ring *r, eg_buf *ret) {
    for (size_t i = 0; i < r->count; i++) {
        const eg_key_version *v = &r->versions[i];
        uint8_t head[13];
        eg_put_u32(head, v->number);
        eg_put_u64(head + 4, (uint64_t)v->created_ns);
        head[12] = (uint8_t)v->state;
        (void)eg_buf_add(ret, head, sizeof head);
        (void)eg_buf_add(ret, eg_secret_bytes(v->key).ptr, EG_KEY_LEN);
    }
    return ret->err;
}

eg_err eg_key_ring_write(int dir_fd, const eg_secret *master, const eg_key_ring *r, eg_problem *p) {
    char file[EG_KEEPER_NAME_MAX];
    uint8_t version[4];
    EG_CLEANUP(eg_keeper_buf_done) eg_buf plain;
    EG_CLEANUP(eg_buf_done) eg_buf body;
    eg_buf_init(&plain, PLAIN_MAX);
    eg_buf_init(&body, PLAIN_MAX + 256);
    EG_TRY(file_of(eg_str_of(r->tenant), eg_str_of(r->name), file));
    EG_TRY(encode(r, &plain));
    eg_put_u32(version, eg_key_ring_current(r)->number);
    (void)eg_buf_add(&body, version, sizeof version);
    EG_TRY(eg_keeper_seal(master, EG_KEEPER_TENANT, eg_str_bytes(eg_str_of(file)), eg_buf_bytes(&plain), &body));
    return eg_keeper_file_write(dir_fd, file, EG_KEEPER_TENANT, eg_buf_bytes(&body), p);
}

bool eg_key_ring_exists(int dir_fd, eg_str tenant, eg_str name) {
    char file[EG_KEEPER_NAME_MAX];
    return file_of(tenant, name, file) == EG_OK && faccessat(dir_fd, file, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* The key's name in a file's name; false for other tenants' files and temporaries. */
static bool name_in(eg_str file, eg_str tenant, eg_str *ret) {
    const size_t suffix = sizeof SUFFIX - 1;
    if (file.len < tenant.len + suffix || memcmp(file.ptr, tenant.ptr, tenant.len) != 0 ||
        memcmp(file.ptr + file.len - suffix, SUFFIX, suffix) != 0) {
        return false;
    }
    eg_str name = {file.ptr + tenant.len, file.len - tenant.len - suffix};
    if (name.len > 0 && (name.ptr[0] != '.' || name.len == 1)) {
        return false;
    }
    *ret = name.len ? (eg_str){name.ptr + 1, name.len - 1} : name;
    return eg_key_name_ok(*ret);
}

typedef char key_name[EG_KEY_NAME_MAX + 1];

static int compare(const void *a, const void *b) { return strcmp(a, b); }

static eg_err collect(int dir_fd, eg_str tenant, key_name *names, size_t *ret_n) {
    const int fd = openat(dir_fd, EG_KEEPER_TENANTS_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        const eg_err e = eg_err_from_errno(errno);
        if (fd >= 0) {
            close(fd);
        }
        return e;
    }
    eg_err e = EG_OK;
    size_t n = 0;
    for (struct dirent *x; e == EG_OK && (x = readdir(d));) {
        eg_str name;
        if (!name_in(eg_str_of(x->d_name), tenant, &name)) {
            continue;
        }
        if (n == NAMES_MAX) {
            e = EG_ERR_LIMIT;
        } else {
            memcpy(names[n], name.ptr, name.len);
            names[n++][name.len] = '\0';
        }
    }
    closedir(d);
    *ret_n = n;
    return e;
}

eg_err eg_key_ring_each(int dir_fd, eg_str tenant, eg_err (*each)(void *ctx, eg_str name), void *ctx) {
    char file[EG_KEEPER_NAME_MAX];
    EG_TRY(eg_keeper_tenant_file(tenant, file));
    key_name *names = calloc(NAMES_MAX, sizeof *names);
    size_t n = 0;
    eg_err e = names ? collect(dir_fd, tenant, names, &n) : EG_ERR_NO_MEMORY;
    if (e == EG_OK) {
        qsort(names, n, sizeof *names, compare);
    }
    for (size_t i = 0; e == EG_OK && i < n; i++) {
        e = each(ctx, eg_str_of(names[i]));
    }
    free(names);
    return e;
}

/* In place, so that the blocks that held the key are the ones written, as far as the file system and the disk keep to that. */
static eg_err overwrite(int dir_fd, const char *file) {
    const int fd = openat(dir_fd, file, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    if (fd < 0) {
        return eg_err_from_errno(errno);
    }
    eg_err e = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? EG_OK : EG_ERR_IO;
    for (off_t left = e == EG_OK ? st.st_size : 0; left > 0 && e == EG_OK;) {
        uint8_t noise[512];
        const size_t n = left < (off_t)sizeof noise ? (size_t)left : sizeof noise;
        eg_random(noise, n);
        e = eg_write_all(fd, (eg_bytes){noise, n});
        left -= (off_t)n;
    }
    if (e == EG_OK && fsync(fd) != 0) {
        e = eg_err_from_errno(errno);
    }
    close(fd);
    return e;
}

typedef struct destruction {
    int dir_fd;
    eg_str tenant;
} destruction;

static eg_err destroy_named(void *ctx, eg_str name) {
    const destruction *d = ctx;
    char file[EG_KEEPER_NAME_MAX];
    if (name.len == 0) {
        return EG_OK;
    }
    EG_TRY(file_of(d->tenant, name, file));
    EG_TRY(overwrite(d->dir_fd, file));
    return unlinkat(d->dir_fd, file, 0) == 0 ? EG_OK : eg_err_from_errno(errno);
}

static eg_err sync_folder(int dir_fd) {
    const int fd = openat(dir_fd, EG_KEEPER_TENANTS_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return eg_err_from_errno(errno);
    }
    const eg_err e = eg_dir_sync(fd);
    close(fd);
    return e;
}

/* A power cut in the middle of overwriting leaves a file that opens nothing; it reads as damaged until this is done again. */
eg_err eg_key_ring_destroy(int dir_fd, eg_str tenant, eg_problem *p) {
    static const uint8_t destroyed[4] = {0};
    destruction d = {dir_fd, tenant};
    char own[EG_KEEPER_NAME_MAX];
    EG_TRY(file_of(tenant, EG_LIT(""), own));
    EG_CLEANUP(eg_secret_free_p) eg_secret *there = NULL;
    const eg_err found = eg_keeper_file_read(dir_fd, own, EG_KEEPER_TENANT, &there, NULL);
    if (found == EG_ERR_NOT_FOUND) {
        return found;
    }
    if (found != EG_OK || eg_secret_bytes(there).len != sizeof destroyed) {
        EG_TRY(overwrite(dir_fd, own));
    }
    EG_TRY(eg_keeper_file_write(dir_fd, own, EG_KEEPER_TENANT, (eg_bytes){destroyed, sizeof destroyed}, p));
    EG_TRY(eg_key_ring_each(dir_fd, tenant, destroy_named, &d));
    return sync_folder(dir_fd);
}
