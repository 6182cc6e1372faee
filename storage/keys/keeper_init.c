/* Makes a keeper directory, adds tenants to it and brings its master key back by the recovery key; all offline. */
#include <embergate/keys.h>

#include "keeper_file.h"
#include "key_ring.h"
#include "recovery_key.h"
#include "token_signer.h"

#include <embergate/clock.h>
#include <embergate/durable_file.h>

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static const char recovery_bound[] = "master key under the recovery key";

static void close_fd(int *fd) {
    if (*fd >= 0) {
        close(*fd);
    }
}

static eg_err make_directories(const char *dir, int *ret_fd, eg_problem *p) {
    static const char *const below[] = {EG_KEEPER_TENANTS_DIR, EG_KEEPER_CHECKPOINTS_DIR};
    EG_TRY(eg_dir_make(dir, 0700, p));
    EG_CLEANUP(close_fd) int fd = -1;
    EG_TRY(eg_keeper_dir_open(dir, &fd, p));
    for (size_t i = 0; i < sizeof below / sizeof below[0]; i++) {
        char path[PATH_MAX];
        int n = snprintf(path, sizeof path, "%s/%s", dir, below[i]);
        if (n < 0 || (size_t)n >= sizeof path) {
            return eg_fail(p, EG_ERR_INVALID, "The path of the keeper directory is too long.");
        }
        EG_TRY(eg_dir_make(path, 0700, p));
    }
    eg_err e = eg_dir_sync(fd);
    if (e != EG_OK) {
        return eg_fail(p, e, "Cannot sync the keeper directory \"%s\".", dir);
    }
    *ret_fd = fd;
    fd = -1;
    return EG_OK;
}

static eg_err write_sealed(int dir_fd, const eg_secret *master, const char *name, eg_keeper_kind kind, const eg_secret *plain) {
    EG_CLEANUP(eg_buf_done) eg_buf sealed;
    eg_buf_init(&sealed, 4096);
    EG_TRY(eg_keeper_seal(master, kind, eg_str_bytes(eg_str_of(name)), eg_secret_bytes(plain), &sealed));
    return eg_keeper_file_write(dir_fd, name, kind, eg_str_bytes(eg_buf_str(&sealed)), NULL);
}

static eg_err write_recovery(int dir_fd, const eg_secret *master, const eg_secret *recovery, eg_problem *p) {
    EG_CLEANUP(eg_buf_done) eg_buf sealed;
    eg_buf_init(&sealed, 256);
    EG_TRY(eg_keeper_seal(recovery, EG_KEEPER_RECOVERY, eg_str_bytes(eg_str_of(recovery_bound)), eg_secret_bytes(master), &sealed));
    return eg_keeper_file_write(dir_fd, EG_KEEPER_RECOVERY_FILE, EG_KEEPER_RECOVERY, eg_str_bytes(eg_buf_str(&sealed)), p);
}

/* The master key's file comes last: a directory with one is whole, one without was never used. */
static eg_err make_keys(int dir_fd, const eg_secret *recovery, eg_problem *p) {
    EG_CLEANUP(eg_secret_free_p) eg_secret *master = eg_secret_random(EG_KEY_LEN);
    EG_CLEANUP(eg_secret_free_p) eg_secret *seed = eg_secret_random(32);
    EG_CLEANUP(eg_secret_free_p) eg_secret *pem = NULL;
    if (!master || !seed) {
        return EG_ERR_NO_MEMORY;
    }
    EG_TRY(eg_token_signer_make_key(&pem));
    EG_TRY(write_recovery(dir_fd, master, recovery, p));
    EG_TRY(write_sealed(dir_fd, master, EG_KEEPER_TOKEN_FILE, EG_KEEPER_TOKEN, pem));
    EG_TRY(write_sealed(dir_fd, master, EG_KEEPER_LOG_FILE, EG_KEEPER_LOG, seed));
    return eg_keeper_master_write(dir_fd, master, p);
}

eg_err eg_keeper_init(const char *dir, eg_buf *ret_recovery_key, eg_problem *p) {
    EG_CLEANUP(close_fd) int fd = -1;
    EG_TRY(make_directories(dir, &fd, p));
    if (faccessat(fd, EG_KEEPER_MASTER_FILE, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
        return eg_fail(p, EG_ERR_EXISTS, "The keeper directory \"%s\" has keys already.", dir);
    }
    EG_CLEANUP(eg_secret_free_p) eg_secret *recovery = eg_secret_random(EG_KEY_LEN);
    if (!recovery) {
        return EG_ERR_NO_MEMORY;
    }
    eg_err e = make_keys(fd, recovery, p);
    if (e != EG_OK) {
        return p && p->code == e ? e : eg_fail(p, e, "The keys could not be written to \"%s\".", dir);
    }
    return eg_recovery_key_text(recovery, ret_recovery_key);
}

eg_err eg_keeper_add_tenant(const char *dir, eg_str tenant, eg_problem *p) {
    EG_CLEANUP(close_fd) int fd = -1;
    char name[EG_KEEPER_NAME_MAX];
    EG_CLEANUP(eg_secret_free_p) eg_secret *master = NULL;
    if (eg_keeper_tenant_file(tenant, name) != EG_OK) {
        return eg_fail(p, EG_ERR_INVALID, "A tenant's id is a lower-case GUID.");
    }
    EG_TRY(eg_keeper_dir_open(dir, &fd, p));
    EG_TRY(eg_keeper_master_read(fd, &master, p));
    if (faccessat(fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
        return eg_fail(p, EG_ERR_EXISTS, "The tenant %.*s has a key already.", EG_FMT(tenant));
    }
    EG_CLEANUP(eg_key_ring_free_p) eg_key_ring *ring = NULL;
    EG_TRY(eg_key_ring_new(tenant, EG_LIT(""), eg_wall_ns(&eg_clock_system), &ring));
    return eg_key_ring_write(fd, master, ring, p);
}

eg_err eg_keeper_recover(const char *dir, eg_str recovery_key, eg_problem *p) {
    EG_CLEANUP(close_fd) int fd = -1;
    EG_CLEANUP(eg_secret_free_p) eg_secret *recovery = NULL;
    EG_CLEANUP(eg_secret_free_p) eg_secret *sealed = NULL;
    EG_CLEANUP(eg_secret_free_p) eg_secret *master = NULL;
    EG_TRY(eg_recovery_key_parse(recovery_key, &recovery, p));
    EG_TRY(eg_keeper_dir_open(dir, &fd, p));
    EG_TRY(eg_keeper_file_read(fd, EG_KEEPER_RECOVERY_FILE, EG_KEEPER_RECOVERY, &sealed, p));
    eg_err e = eg_keeper_unseal(recovery, EG_KEEPER_RECOVERY, eg_str_bytes(eg_str_of(recovery_bound)), eg_secret_bytes(sealed), &master);
    if (e != EG_OK) {
        return eg_fail(p, e, "The recovery key does not open this keeper directory.");
    }
    return eg_keeper_master_write(fd, master, p);
}
