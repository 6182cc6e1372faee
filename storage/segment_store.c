/* Where segment files lie, and when they are durable. */
#include "segment_store.h"

#include <dirent.h>
#include <embergate/durable_file.h>
#include <embergate/encoding.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define SHARDS 256
#define NAME_LEN (3 + 32 + 1)   /* "ab/" or "tmp/" less one, hex, NUL */

typedef struct pending {
    eg_id id;
    struct pending *next;
} pending;

struct eg_segment_store {
    int dir_fd;
    int hold_fd;
    uint64_t min_free;
    const eg_clock *clock;
    eg_packs *packs;
    eg_kv *kv;                     /* whose log has what is small; NULL: none does */
    pthread_mutex_t holding;       /* while a file goes */
    pthread_mutex_t lock;
    pending *pending;
    int64_t room_checked_ns;
    bool room;
};

static void place_of(const eg_id *id, char ret[NAME_LEN]) {
    char hex[33];
    eg_hex(eg_id_bytes(id), hex);
    snprintf(ret, NAME_LEN, "%.2s/%s", hex + 30, hex); /* ids begin with the time: their ends are spread */
}

static void temp_of(const eg_id *id, char ret[NAME_LEN + 1]) {
    char hex[33];
    eg_hex(eg_id_bytes(id), hex);
    snprintf(ret, NAME_LEN + 1, "tmp/%s", hex);
}

static eg_err make_dirs(int dir_fd, eg_problem *p) {
    if ((mkdirat(dir_fd, "tmp", 0700) < 0 && errno != EEXIST) || (mkdirat(dir_fd, "packs", 0700) < 0 && errno != EEXIST)) {
        return eg_fail(p, eg_err_from_errno(errno), "The directory for segments can't be written: %s.", strerrordesc_np(errno));
    }
    for (unsigned i = 0; i < SHARDS; i++) {
        char name[3];
        snprintf(name, sizeof name, "%02x", i);
        if (mkdirat(dir_fd, name, 0700) < 0 && errno != EEXIST) {
            return eg_fail(p, eg_err_from_errno(errno), "The directory for segments can't be written: %s.", strerrordesc_np(errno));
        }
    }
    return eg_dir_sync(dir_fd);
}

/* Only the process that holds the store's lock gets here, so nobody else is writing these. */
static eg_err empty_temp(int dir_fd) {
    const int fd = openat(dir_fd, "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return eg_err_from_errno(errno);
    }
    DIR *d = fdopendir(fd);
    if (!d) {
        close(fd);
        return EG_ERR_NO_MEMORY;
    }
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        if (e->d_name[0] != '.') {
            (void)unlinkat(fd, e->d_name, 0);
        }
    }
    closedir(d);
    return EG_OK;
}

static eg_err open_dirs(eg_segment_store *s, const char *dir, bool look_only, eg_problem *p) {
    s->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->dir_fd < 0) {
        return eg_fail(p, eg_err_from_errno(errno), "The directory for segments can't be opened: %s.", strerrordesc_np(errno));
    }
    if (!look_only) {
        EG_TRY(make_dirs(s->dir_fd, p));
        s->hold_fd = openat(s->dir_fd, EG_SEGMENT_HOLD_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (s->hold_fd < 0) {
            return eg_fail(p, eg_err_from_errno(errno), "The directory for segments can't be written: %s.", strerrordesc_np(errno));
        }
        EG_TRY(empty_temp(s->dir_fd));
    }
    const int packs = openat(s->dir_fd, "packs", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (packs < 0) {
        return eg_fail(p, eg_err_from_errno(errno), "The directory for packs can't be opened: %s.", strerrordesc_np(errno));
    }
    return eg_packs_open(packs, &s->packs);
}

static eg_err open_store(const char *dir, eg_segment_store o, bool look_only, eg_segment_store **ret, eg_problem *p) {
    eg_segment_store *s = calloc(1, sizeof *s);
    if (!s) {
        return EG_ERR_NO_MEMORY;
    }
    s->min_free = o.min_free;
    s->clock = o.clock;
    s->dir_fd = s->hold_fd = -1;
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->holding, NULL);
    const eg_err e = open_dirs(s, dir, look_only, p);
    if (e != EG_OK) {
        eg_segment_store_close(s);
        return e;
    }
    *ret = s;
    return EG_OK;
}

eg_err eg_segment_store_open(const char *dir, uint64_t min_free, const eg_clock *clock, eg_segment_store **ret, eg_problem *p) {
    EG_TRY(eg_dir_make(dir, 0700, p));
    return open_store(dir, (eg_segment_store){.min_free = min_free, .clock = clock}, false, ret, p);
}

eg_err eg_segment_store_open_to_look(const char *dir, eg_segment_store **ret, eg_problem *p) {
    return open_store(dir, (eg_segment_store){.clock = &eg_clock_system}, true, ret, p);
}

void eg_segment_store_close(eg_segment_store *s) {
    if (!s) {
        return;
    }
    while (s->pending) {
        pending *next = s->pending->next;
        free(s->pending);
        s->pending = next;
    }
    if (s->kv) {
        eg_kv_on_checkpoint(s->kv, NULL, NULL);
    }
    eg_packs_close(s->packs);
    if (s->hold_fd >= 0) {
        close(s->hold_fd);
    }
    if (s->dir_fd >= 0) {
        close(s->dir_fd);
    }
    pthread_mutex_destroy(&s->holding);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

eg_err eg_segment_store_room(eg_segment_store *s, eg_problem *p) {
    const int64_t now = eg_mono_ns(s->clock);
    pthread_mutex_lock(&s->lock);
    if (s->room_checked_ns == 0 || now - s->room_checked_ns >= 1000000000) {
        struct statvfs st;
        s->room = fstatvfs(s->dir_fd, &st) == 0 && (uint64_t)st.f_bavail * st.f_frsize >= s->min_free;
        s->room_checked_ns = now ? now : 1;
    }
    const bool room = s->room;
    pthread_mutex_unlock(&s->lock);
    return room ? EG_OK : eg_fail(p, EG_ERR_DISK_FULL, "The storage has too little room left for writing.");
}

static eg_err remember(eg_segment_store *s, const eg_id *id) {
    pending *n = malloc(sizeof *n);
    if (!n) {
        return EG_ERR_NO_MEMORY;
    }
    n->id = *id;
    pthread_mutex_lock(&s->lock);
    n->next = s->pending;
    s->pending = n;
    pthread_mutex_unlock(&s->lock);
    return EG_OK;
}

static void forget(eg_segment_store *s, const eg_id *id) {
    pthread_mutex_lock(&s->lock);
    for (pending **at = &s->pending; *at; at = &(*at)->next) {
        if (eg_id_eq(&(*at)->id, id)) {
            pending *gone = *at;
            *at = gone->next;
            free(gone);
            break;
        }
    }
    pthread_mutex_unlock(&s->lock);
}

bool eg_segment_store_pending(eg_segment_store *s, const eg_id *id) {
    bool found = false;
    pthread_mutex_lock(&s->lock);
    for (const pending *n = s->pending; n && !found; n = n->next) {
        found = eg_id_eq(&n->id, id);
    }
    pthread_mutex_unlock(&s->lock);
    return found;
}

eg_err eg_segment_store_create(eg_segment_store *s, const eg_id *id, int *ret_fd) {
    char name[NAME_LEN + 1];
    temp_of(id, name);
    EG_TRY(remember(s, id));
    const int fd = openat(s->dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        const eg_err e = eg_err_from_errno(errno);
        forget(s, id);
        return e;
    }
    *ret_fd = fd;
    return EG_OK;
}

eg_err eg_segment_store_publish(eg_segment_store *s, const eg_id *id) {
    char from[NAME_LEN + 1];
    char to[NAME_LEN];
    temp_of(id, from);
    place_of(id, to);
    return renameat(s->dir_fd, from, s->dir_fd, to) < 0 ? eg_err_from_errno(errno) : EG_OK;
}

void eg_segment_store_settle(eg_segment_store *s, const eg_id *id, bool keep) {
    if (!keep) {
        char name[NAME_LEN + 1];
        temp_of(id, name);
        (void)unlinkat(s->dir_fd, name, 0);
        place_of(id, name);
        (void)unlinkat(s->dir_fd, name, 0);
    }
    forget(s, id);
}

eg_err eg_segment_store_open_read(eg_segment_store *s, const eg_segment_at *at, int *ret_fd) {
    char name[NAME_LEN];
    if (eg_segment_packed(at)) {
        return eg_packs_open_read(s->packs, &at->file, ret_fd);
    }
    place_of(&at->file, name);
    const int fd = openat(s->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return eg_err_from_errno(errno);
    }
    *ret_fd = fd;
    return EG_OK;
}

eg_err eg_segment_store_open_cached(eg_segment_store *s, const eg_segment_at *at, int *ret_fd) {
    char name[NAME_LEN];
    if (eg_segment_packed(at)) {
        return eg_packs_open_cached(s->packs, &at->file, ret_fd);
    }
    place_of(&at->file, name);
    return eg_open_cached(s->dir_fd, name, ret_fd);
}

eg_packs *eg_segment_store_packs(eg_segment_store *s) { return s->packs; }

/* A backup's lock on the file ends with it. On true none can begin before end_removal. */
static bool begin_removal(eg_segment_store *s) { return s->hold_fd < 0 || flock(s->hold_fd, LOCK_EX | LOCK_NB) == 0; }

static void end_removal(eg_segment_store *s) {
    if (s->hold_fd >= 0) {
        (void)flock(s->hold_fd, LOCK_UN);
    }
}

bool eg_segment_store_held(eg_segment_store *s) {
    pthread_mutex_lock(&s->holding);
    const bool held = !begin_removal(s);
    if (!held) {
        end_removal(s);
    }
    pthread_mutex_unlock(&s->holding);
    return held;
}

eg_err eg_segment_store_unlink(eg_segment_store *s, const eg_id *id) {
    char name[NAME_LEN];
    eg_err e = EG_ERR_BUSY;
    place_of(id, name);
    pthread_mutex_lock(&s->holding);
    if (begin_removal(s)) {
        e = unlinkat(s->dir_fd, name, 0) < 0 && errno != ENOENT ? eg_err_from_errno(errno) : EG_OK;
        end_removal(s);
    }
    pthread_mutex_unlock(&s->holding);
    return e;
}

eg_err eg_segment_store_remove_pack(eg_segment_store *s, const eg_id *pack) {
    pthread_mutex_lock(&s->holding);
    eg_err e = EG_ERR_BUSY;
    if (begin_removal(s)) {
        e = eg_packs_remove(s->packs, pack);
        end_removal(s);
    }
    pthread_mutex_unlock(&s->holding);
    return e;
}

static eg_err sync_shard(eg_segment_store *s, unsigned shard) {
    char name[3];
    snprintf(name, sizeof name, "%02x", shard);
    const int fd = openat(s->dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return eg_err_from_errno(errno);
    }
    const eg_err e = eg_dir_sync(fd);
    close(fd);
    return e;
}

static eg_err on_checkpoint(void *packs) { return eg_packs_sync_all(packs); }

void eg_segment_store_use_log(eg_segment_store *s, eg_kv *kv) {
    const int packs = openat(s->dir_fd, "packs", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (packs >= 0 && eg_kv_is_beside(kv, EG_PACKS_BESIDE, packs)) {
        s->kv = kv;
        eg_kv_on_checkpoint(kv, on_checkpoint, s->packs);
        eg_packs_logged(s->packs);
    }
    if (packs >= 0) {
        close(packs);
    }
}

bool eg_segment_store_can_log(eg_segment_store *s, const eg_segment_at *at, size_t n) {
    uint64_t all = 0;
    for (size_t i = 0; i < n; i++) {
        all += at[i].stored;
        if (at[i].stored == 0 || all > EG_LOGGED_MAX || !eg_segment_packed(&at[i]) || !eg_packs_can_log(s->packs, &at[i].file)) {
            return false;
        }
    }
    return s->kv && n > 0;
}

eg_err eg_segment_store_log(eg_segment_store *s, eg_kv_txn *t, const eg_segment_at *at, size_t n) {
    for (size_t i = 0; i < n; i++) {
        EG_TRY(eg_packs_log(s->packs, t, &at[i].file, at[i].end, at[i].stored));
    }
    return EG_OK;
}

eg_err eg_segment_store_sync(eg_segment_store *s, const eg_segment_at *at, size_t n) {
    bool touched[SHARDS] = {false};
    uint64_t end = 0;
    for (size_t i = 0; i < n; i++) {
        int fd;
        if (eg_segment_packed(&at[i])) {
            end = at[i].end > end ? at[i].end : end;
            if (i + 1 == n || !eg_id_eq(&at[i + 1].file, &at[i].file)) {
                EG_TRY(eg_packs_sync(s->packs, &at[i].file, end));
                end = 0;
            }
            continue;
        }
        EG_TRY(eg_segment_store_open_read(s, &at[i], &fd));
        const bool failed = fsync(fd) < 0;
        const eg_err e = failed ? eg_err_from_errno(errno) : EG_OK;
        close(fd);
        EG_TRY(e);
        touched[at[i].file.b[15]] = true;
    }
    for (unsigned i = 0; i < SHARDS; i++) {
        if (touched[i]) {
            EG_TRY(sync_shard(s, i));
        }
    }
    return EG_OK;
}

eg_err eg_segment_store_each(eg_segment_store *s, unsigned shard, bool (*fn)(void *ctx, const eg_id *id), void *ctx) {
    char name[3];
    snprintf(name, sizeof name, "%02x", shard & 0xff);
    const int fd = openat(s->dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return eg_err_from_errno(errno);
    }
    DIR *d = fdopendir(fd);
    if (!d) {
        close(fd);
        return EG_ERR_NO_MEMORY;
    }
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        eg_id id;
        size_t n = 0;
        if (eg_unhex(eg_str_of(e->d_name), id.b, sizeof id.b, &n) == EG_OK && n == sizeof id.b && !fn(ctx, &id)) {
            break;
        }
    }
    closedir(d);
    return EG_OK;
}
