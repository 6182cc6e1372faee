/* Memory for keys and tokens: slots in locked pages that core dumps leave out, cleansed when given back. */
#include <embergate/secret.h>

#include <embergate/crypto.h>

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#define SLOT_SIZE ((size_t)128)
#define REGION_SIZE ((size_t)65536)

struct eg_secret {
    void *mem;
    size_t len;
};

typedef union slot {
    union slot *next;
    uint8_t bytes[SLOT_SIZE];
} slot;

/* Exception to "no mutable globals": locked pages are few (RLIMIT_MEMLOCK), so small secrets of the process share them. */
static pthread_mutex_t slots_lock = PTHREAD_MUTEX_INITIALIZER;
static slot *free_slots;

static void *map_private(size_t n) {
    void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) {
        return NULL;
    }
    if (madvise(p, n, MADV_DONTDUMP) != 0) {
        munmap(p, n);
        return NULL;
    }
    (void)mlock(p, n); /* as far as the limit allows */
    return p;
}

static void *take_slot(void) {
    pthread_mutex_lock(&slots_lock);
    if (!free_slots) {
        slot *region = map_private(REGION_SIZE);
        for (size_t i = 0; region && i < REGION_SIZE / SLOT_SIZE; i++) {
            region[i].next = free_slots;
            free_slots = &region[i];
        }
    }
    slot *s = free_slots;
    if (s) {
        free_slots = s->next;
        s->next = NULL;
    }
    pthread_mutex_unlock(&slots_lock);
    return s;
}

static void give_slot(slot *s) {
    eg_cleanse(s, SLOT_SIZE);
    pthread_mutex_lock(&slots_lock);
    s->next = free_slots;
    free_slots = s;
    pthread_mutex_unlock(&slots_lock);
}

static eg_secret *reserve(size_t n) {
    eg_secret *s = calloc(1, sizeof *s);
    if (!s) {
        return NULL;
    }
    s->len = n;
    s->mem = n <= SLOT_SIZE ? take_slot() : map_private(n);
    if (!s->mem) {
        free(s);
        return NULL;
    }
    return s;
}

eg_secret *eg_secret_new(const void *p, size_t n) {
    eg_secret *s = reserve(n);
    if (s && n > 0) {
        memcpy(s->mem, p, n);
    }
    return s;
}

eg_secret *eg_secret_random(size_t n) {
    eg_secret *s = reserve(n);
    if (s) {
        eg_random(s->mem, n);
    }
    return s;
}

void eg_secret_free(eg_secret *s) {
    if (!s) {
        return;
    }
    if (s->len <= SLOT_SIZE) {
        give_slot(s->mem);
    } else {
        eg_cleanse(s->mem, s->len);
        munmap(s->mem, s->len);
    }
    free(s);
}

eg_bytes eg_secret_bytes(const eg_secret *s) {
    return (eg_bytes){s->mem, s->len};
}

bool eg_secret_eq(const eg_secret *s, eg_bytes other) {
    return s->len == other.len && eg_ct_eq(s->mem, other.ptr, s->len);
}

void eg_cleanse(void *p, size_t n) {
    if (n > 0) {
        explicit_bzero(p, n); /* OpenSSL's goes byte by byte and word by word: a tenth of the speed */
    }
}
