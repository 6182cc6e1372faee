/* Writing, syncing and accounting of packs. */
#include "pack.h"

#include <embergate/durable_file.h>
#include <embergate/encoding.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static const char MAGIC[8] = {'E', 'G', 'P', 'A', 'C', 'K', 0, 1};
static const char FRAME_MAGIC[8] = {'E', 'G', 'F', 'R', 'A', 'M', 'E', 1};
#define BUCKETS 256

typedef struct pack {
    eg_id id;
    int fd;                /* of one that this process wrote, until it is closed and durable; else -1 */
    bool ours;             /* written by this process */
    bool closed;
    size_t users;          /* threads that wait for its sync */
    bool broken;           /* a sync failed: what was written since the one before may be lost */
    bool left;             /* not to be looked at again */
    bool syncing;
    bool listed;           /* its directory entry is durable */
    uint64_t size;
    uint64_t living;
    uint64_t synced;       /* of size */
    struct pack *next;
} pack;

struct eg_packs {
    int dir_fd;
    pthread_mutex_t lock;      /* of the table */
    pthread_mutex_t writing;   /* one appends at a time, so that frames follow each other without a hole */
    pthread_cond_t synced;
    bool counted;
    bool logged;               /* the store's log can have what is appended */
    pack *current;
    pack *buckets[BUCKETS];
};

static pack **slot_of(eg_packs *p, const eg_id *id) {
    pack **at = &p->buckets[id->b[15] % BUCKETS];
    while (*at && !eg_id_eq(&(*at)->id, id)) {
        at = &(*at)->next;
    }
    return at;
}

static eg_err enter(eg_packs *p, const eg_id *id, uint64_t size, pack **ret) {
    pack *k = calloc(1, sizeof *k);
    if (!k) {
        return EG_ERR_NO_MEMORY;
    }
    *k = (pack){.id = *id, .fd = -1, .size = size};
    *slot_of(p, id) = k;
    *ret = k;
    return EG_OK;
}

/* What earlier processes wrote: closed, and not known to be durable. */
static eg_err find_packs(eg_packs *p) {
    const int fd = openat(p->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d) {
        if (fd >= 0) {
            close(fd);
        }
        return EG_ERR_IO;
    }
    eg_err e = EG_OK;
    for (struct dirent *at = readdir(d); at && e == EG_OK; at = readdir(d)) {
        eg_id id;
        size_t n = 0;
        struct stat st;
        pack *k = NULL;
        if (eg_unhex(eg_str_of(at->d_name), id.b, sizeof id.b, &n) != EG_OK || n != sizeof id.b ||
            fstatat(p->dir_fd, at->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode)) {
            continue;
        }
        e = enter(p, &id, (uint64_t)st.st_size, &k);
        if (e == EG_OK) {
            k->closed = true;
        }
    }
    closedir(d);
    return e;
}

eg_err eg_packs_open(int dir_fd, eg_packs **ret) {
    eg_packs *p = calloc(1, sizeof *p);
    if (!p) {
        close(dir_fd);
        return EG_ERR_NO_MEMORY;
    }
    p->dir_fd = dir_fd;
    pthread_mutex_init(&p->lock, NULL);
    pthread_mutex_init(&p->writing, NULL);
    pthread_cond_init(&p->synced, NULL);
    const eg_err e = find_packs(p);
    if (e != EG_OK) {
        eg_packs_close(p);
        return e;
    }
    *ret = p;
    return EG_OK;
}

void eg_packs_close(eg_packs *p) {
    if (!p) {
        return;
    }
    for (size_t i = 0; i < BUCKETS; i++) {
        while (p->buckets[i]) {
            pack *k = p->buckets[i];
            p->buckets[i] = k->next;
            if (k->fd >= 0) {
                close(k->fd);
            }
            free(k);
        }
    }
    close(p->dir_fd);
    pthread_cond_destroy(&p->synced);
    pthread_mutex_destroy(&p->writing);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

static void close_current(eg_packs *p) {
    pthread_mutex_lock(&p->lock);
    if (p->current) {
        p->current->closed = true;
        p->current = NULL;
    }
    pthread_mutex_unlock(&p->lock);
}

static eg_err begin_pack(eg_packs *p) {
    const eg_id id = eg_id_new();
    char name[33];
    uint8_t header[EG_PACK_HEADER_LEN] = {0};
    eg_hex(eg_id_bytes(&id), name);
    memcpy(header, MAGIC, sizeof MAGIC);
    memcpy(header + 8, id.b, sizeof id.b);
    const int fd = openat(p->dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return eg_err_from_errno(errno);
    }
    eg_err e = eg_write_all(fd, (eg_bytes){header, sizeof header});
    pack *k = NULL;
    if (e == EG_OK) {
        pthread_mutex_lock(&p->lock);
        e = enter(p, &id, EG_PACK_HEADER_LEN, &k);
        if (e == EG_OK) {
            k->fd = fd;
            k->ours = true;
            p->current = k;
        }
        pthread_mutex_unlock(&p->lock);
    }
    if (e != EG_OK) {
        close(fd);
        (void)unlinkat(p->dir_fd, name, 0);
    }
    return e;
}

/* Frame and segment at `at`, through short writes. */
static eg_err write_at(int fd, eg_bytes frame, eg_bytes sealed, uint64_t at) {
    struct iovec v[2] = {{(void *)(uintptr_t)frame.ptr, frame.len}, {(void *)(uintptr_t)sealed.ptr, sealed.len}};
    size_t left = frame.len + sealed.len;
    while (left > 0) {
        const ssize_t n = pwritev(fd, v, 2, (off_t)at);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 ? eg_err_from_errno(errno) : EG_ERR_IO;
        }
        at += (uint64_t)n;
        left -= (size_t)n;
        for (size_t i = 0, gone = (size_t)n; i < 2 && gone > 0; i++) {
            const size_t cut = gone < v[i].iov_len ? gone : v[i].iov_len;
            v[i].iov_base = (uint8_t *)v[i].iov_base + cut;
            v[i].iov_len -= cut;
            gone -= cut;
        }
    }
    return EG_OK;
}

/* Said by whoever syncs, under the table's lock. */
static bool is_broken(eg_packs *p, const pack *k) {
    pthread_mutex_lock(&p->lock);
    const bool broken = k->broken;
    pthread_mutex_unlock(&p->lock);
    return broken;
}

static eg_err append_locked(eg_packs *p, const eg_id *segment, eg_bytes sealed, eg_id *ret_pack, uint64_t *ret_offset) {
    uint8_t frame[EG_PACK_FRAME_LEN];
    const uint64_t need = EG_PACK_FRAME_LEN + sealed.len;
    if (p->current && (is_broken(p, p->current) || p->current->size + need > EG_PACK_SIZE)) {
        close_current(p);
    }
    if (!p->current) {
        EG_TRY(begin_pack(p));
    }
    pack *k = p->current;
    const uint64_t at = k->size;
    memcpy(frame, FRAME_MAGIC, sizeof FRAME_MAGIC);
    eg_put_u64(frame + 8, sealed.len);
    memcpy(frame + 16, segment->b, sizeof segment->b);
    const eg_err e = write_at(k->fd, (eg_bytes){frame, sizeof frame}, sealed, at);
    if (e != EG_OK) {
        (void)!ftruncate(k->fd, (off_t)at); /* the next one begins here, or in the next pack */
        close_current(p);
        return e;
    }
    pthread_mutex_lock(&p->lock);
    k->size += need;
    k->living += sealed.len;
    pthread_mutex_unlock(&p->lock);
    *ret_pack = k->id;
    *ret_offset = at + EG_PACK_FRAME_LEN;
    return EG_OK;
}

eg_err eg_packs_append(eg_packs *p, const eg_id *segment, eg_bytes sealed, eg_id *ret_pack, uint64_t *ret_offset) {
    if (sealed.len > EG_PACK_SIZE / 2) {
        return EG_ERR_LIMIT;
    }
    pthread_mutex_lock(&p->writing);
    const eg_err e = append_locked(p, segment, sealed, ret_pack, ret_offset);
    pthread_mutex_unlock(&p->writing);
    return e;
}

eg_err eg_packs_open_read(eg_packs *p, const eg_id *pack_id, int *ret_fd) {
    char name[33];
    eg_hex(eg_id_bytes(pack_id), name);
    const int fd = openat(p->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return eg_err_from_errno(errno);
    }
    *ret_fd = fd;
    return EG_OK;
}

eg_err eg_packs_open_cached(eg_packs *p, const eg_id *pack_id, int *ret_fd) {
    char name[33];
    eg_hex(eg_id_bytes(pack_id), name);
    return eg_open_cached(p->dir_fd, name, ret_fd);
}

/* Of an earlier process: nobody else waits for it. */
static eg_err sync_old(eg_packs *p, const eg_id *id, uint64_t end) {
    int fd;
    struct stat st;
    EG_TRY(eg_packs_open_read(p, id, &fd));
    eg_err e = fdatasync(fd) < 0 || fstat(fd, &st) < 0 ? eg_err_from_errno(errno) : EG_OK;
    if (e == EG_OK && (uint64_t)st.st_size < end) {
        e = EG_ERR_NOT_FOUND;
    }
    close(fd);
    return e == EG_OK ? eg_dir_sync(p->dir_fd) : e;
}

/* One thread syncs for all: who comes while it does waits for the next round, which begins after all of theirs were written.
 * Called and returns with the lock held. */
static eg_err sync_group(eg_packs *p, pack *k, uint64_t want) {
    k->users++;
    while (k->synced < want && !k->broken) {
        if (k->syncing) {
            pthread_cond_wait(&p->synced, &p->lock);
            continue;
        }
        const uint64_t reached = k->size;
        const bool listed = k->listed;
        k->syncing = true;
        pthread_mutex_unlock(&p->lock);
        bool ok = fdatasync(k->fd) == 0;
        ok = ok && (listed || eg_dir_sync(p->dir_fd) == EG_OK);
        pthread_mutex_lock(&p->lock);
        k->syncing = false;
        /* After a failed sync the kernel may have dropped the pages: no later success means anything. */
        k->broken = k->broken || !ok;
        k->listed = k->listed || ok;
        if (ok && reached > k->synced) {
            k->synced = reached;
        }
        pthread_cond_broadcast(&p->synced);
    }
    k->users--;
    return k->synced >= want ? EG_OK : EG_ERR_IO;
}

eg_err eg_packs_sync(eg_packs *p, const eg_id *pack_id, uint64_t end) {
    pthread_mutex_lock(&p->lock);
    pack *k = *slot_of(p, pack_id);
    const bool ours = k && k->ours;
    const eg_err e = ours ? sync_group(p, k, end > 0 && end < k->size ? end : k->size) : EG_OK;
    pthread_mutex_unlock(&p->lock);
    return ours ? e : sync_old(p, pack_id, end);
}

eg_err eg_packs_sync_all(eg_packs *p) {
    eg_err e = EG_OK;
    pthread_mutex_lock(&p->lock);
    /* The lock is let go of while one is synced. None goes meanwhile that has something to sync: it is in use, or open. */
    for (size_t i = 0; i < BUCKETS; i++) {
        for (pack *k = p->buckets[i]; k; k = k->next) {
            if (k->ours && k->synced < k->size && sync_group(p, k, k->size) != EG_OK) {
                e = EG_ERR_IO;
            }
        }
    }
    pthread_mutex_unlock(&p->lock);
    return e;
}

void eg_packs_logged(eg_packs *p) {
    pthread_mutex_lock(&p->lock);
    p->logged = true;
    pthread_mutex_unlock(&p->lock);
}

/* Its name must be durable, since a start doesn't make a pack anew: so the first to come syncs. */
bool eg_packs_can_log(eg_packs *p, const eg_id *pack_id) {
    pthread_mutex_lock(&p->lock);
    const pack *k = *slot_of(p, pack_id);
    const bool can = p->logged && k && k->ours && k->listed && !k->broken && k->fd >= 0;
    pthread_mutex_unlock(&p->lock);
    return can;
}

eg_err eg_packs_log(eg_packs *p, eg_kv_txn *t, const eg_id *pack_id, uint64_t end, uint64_t stored) {
    char path[sizeof EG_PACKS_BESIDE + 33];
    const uint64_t len = EG_PACK_FRAME_LEN + stored;
    memcpy(path, EG_PACKS_BESIDE "/", sizeof EG_PACKS_BESIDE);
    eg_hex(eg_id_bytes(pack_id), path + sizeof EG_PACKS_BESIDE);
    pthread_mutex_lock(&p->lock);
    pack *k = *slot_of(p, pack_id);
    const bool durable = k && k->synced >= end;
    const bool can = k && !k->broken && k->fd >= 0 && len <= end && end <= k->size;
    k = durable || !can ? NULL : k;
    if (k) {
        k->users++;
    }
    pthread_mutex_unlock(&p->lock);
    if (!k) {
        return durable ? EG_OK : EG_ERR_NOT_FOUND;
    }
    uint8_t *bytes = malloc(len);
    eg_err e = bytes ? eg_pread_all(k->fd, bytes, len, (int64_t)(end - len)) : EG_ERR_NO_MEMORY;
    e = e == EG_OK ? eg_kv_write_beside(t, path, end - len, (eg_bytes){bytes, len}) : e;
    free(bytes);
    pthread_mutex_lock(&p->lock);
    k->users--;
    pthread_mutex_unlock(&p->lock);
    return e;
}

void eg_packs_tidy(eg_packs *p) {
    pthread_mutex_lock(&p->lock);
    for (size_t i = 0; i < BUCKETS; i++) {
        for (pack *k = p->buckets[i]; k; k = k->next) {
            if (k->closed && k->fd >= 0 && sync_group(p, k, k->size) == EG_OK && k->users == 0) {
                close(k->fd);
                k->fd = -1;
            }
        }
    }
    pthread_mutex_unlock(&p->lock);
}

/* What this process wrote counted itself. */
void eg_packs_living_row(eg_packs *p, const eg_id *pack_id, uint64_t stored) {
    pthread_mutex_lock(&p->lock);
    pack *k = *slot_of(p, pack_id);
    if (k && !k->ours) {
        k->living += stored;
    }
    pthread_mutex_unlock(&p->lock);
}

void eg_packs_counted(eg_packs *p) {
    pthread_mutex_lock(&p->lock);
    p->counted = true;
    pthread_mutex_unlock(&p->lock);
}

bool eg_packs_known(eg_packs *p) {
    pthread_mutex_lock(&p->lock);
    const bool known = p->counted;
    pthread_mutex_unlock(&p->lock);
    return known;
}

void eg_packs_dead(eg_packs *p, const eg_id *pack_id, uint64_t stored) {
    pthread_mutex_lock(&p->lock);
    pack *k = *slot_of(p, pack_id);
    if (k) {
        k->living -= stored < k->living ? stored : k->living;
    }
    pthread_mutex_unlock(&p->lock);
}

bool eg_packs_mostly_dead(eg_packs *p, eg_id *ret_pack, uint64_t *ret_living) {
    const pack *found = NULL;
    pthread_mutex_lock(&p->lock);
    for (size_t i = 0; i < BUCKETS && p->counted; i++) {
        for (const pack *k = p->buckets[i]; k; k = k->next) {
            if (k->closed && !k->left && k->fd < 0 && k->living <= k->size / 2 && (!found || k->living < found->living)) {
                found = k;
            }
        }
    }
    if (found) {
        *ret_pack = found->id;
        *ret_living = found->living;
    }
    pthread_mutex_unlock(&p->lock);
    return found != NULL;
}

void eg_packs_leave(eg_packs *p, const eg_id *pack_id) {
    pthread_mutex_lock(&p->lock);
    pack *k = *slot_of(p, pack_id);
    if (k) {
        k->left = true;
    }
    pthread_mutex_unlock(&p->lock);
}

eg_err eg_packs_remove(eg_packs *p, const eg_id *pack_id) {
    char name[33];
    eg_err e = EG_OK;
    eg_hex(eg_id_bytes(pack_id), name);
    pthread_mutex_lock(&p->lock);
    pack **at = slot_of(p, pack_id);
    if (*at && ((*at)->living > 0 || !(*at)->closed || (*at)->fd >= 0 || (*at)->users > 0)) {
        e = EG_ERR_BUSY;
    } else if (unlinkat(p->dir_fd, name, 0) < 0 && errno != ENOENT) {
        e = eg_err_from_errno(errno);
    } else if (*at) {
        pack *gone = *at;
        *at = gone->next;
        free(gone);
    }
    pthread_mutex_unlock(&p->lock);
    return e;
}

void eg_packs_each(eg_packs *p, bool (*fn)(void *ctx, const eg_id *pack), void *ctx) {
    bool go = true;
    pthread_mutex_lock(&p->lock);
    for (size_t i = 0; i < BUCKETS && go; i++) {
        for (const pack *k = p->buckets[i]; k && go; k = k->next) {
            go = fn(ctx, &k->id);
        }
    }
    pthread_mutex_unlock(&p->lock);
}

eg_err eg_pack_frame_read(const uint8_t raw[EG_PACK_FRAME_LEN], eg_id *ret_segment, uint64_t *ret_stored) {
    const uint64_t stored = eg_get_u64(raw + 8);
    if (memcmp(raw, FRAME_MAGIC, sizeof FRAME_MAGIC) != 0 || stored == 0 || stored > EG_PACK_SIZE) {
        return EG_ERR_CORRUPT;
    }
    memcpy(ret_segment->b, raw + 16, sizeof ret_segment->b);
    *ret_stored = stored;
    return EG_OK;
}

eg_err eg_pack_walk(int fd, eg_err (*fn)(void *ctx, const eg_pack_entry *e), void *ctx) {
    struct stat st;
    uint8_t raw[EG_PACK_FRAME_LEN];
    if (fstat(fd, &st) < 0) {
        return EG_ERR_IO;
    }
    const uint64_t size = (uint64_t)st.st_size;
    EG_TRY(eg_pread_all(fd, raw, EG_PACK_HEADER_LEN, 0));
    if (memcmp(raw, MAGIC, sizeof MAGIC) != 0) {
        return EG_ERR_CORRUPT;
    }
    for (uint64_t at = EG_PACK_HEADER_LEN; at < size;) {
        eg_pack_entry x = {.offset = at + EG_PACK_FRAME_LEN};
        EG_TRY(eg_pread_all(fd, raw, sizeof raw, (int64_t)at));
        EG_TRY(eg_pack_frame_read(raw, &x.segment, &x.stored));
        if (x.offset > size || x.stored > size - x.offset) {
            return EG_ERR_CORRUPT;
        }
        EG_TRY(fn(ctx, &x));
        at = x.offset + x.stored;
    }
    return EG_OK;
}
