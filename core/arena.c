/* Bump allocation in chunks, with one bound and a list of what runs at the end. */
#include <embergate/arena.h>

#include <embergate/secret.h>

#include "arena_holds.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define CHUNK_SIZE ((size_t)8192)

typedef struct chunk {
    struct chunk *older;
    size_t used;
    size_t size;
    alignas(max_align_t) char data[];
} chunk;

typedef struct deferred {
    struct deferred *older;
    void (*fn)(void *);
    void *arg;
} deferred;

struct eg_arena {
    chunk *newest;
    deferred *last;
    size_t given;
    size_t max;
};

eg_arena *eg_arena_new(size_t max) {
    eg_arena *a = calloc(1, sizeof *a);
    if (a) {
        a->max = max;
    }
    return a;
}

static void run_deferred(eg_arena *a) {
    while (a->last) {
        deferred *d = a->last;
        a->last = d->older;
        d->fn(d->arg);
    }
}

void eg_arena_free(eg_arena *a) {
    if (!a) {
        return;
    }
    run_deferred(a);
    while (a->newest) {
        chunk *c = a->newest;
        a->newest = c->older;
        free(c);
    }
    free(a);
}

/* Under AddressSanitizer nothing is kept: a use after the reset is then seen. */
#if defined(__SANITIZE_ADDRESS__)
#define KEEPS_CHUNK false
#else
#define KEEPS_CHUNK true
#endif

void eg_arena_reset(eg_arena *a) {
    run_deferred(a);
    chunk *kept = NULL;
    while (a->newest) {
        chunk *c = a->newest;
        a->newest = c->older;
        if (KEEPS_CHUNK && !kept && c->size == CHUNK_SIZE) {
            kept = c;
        } else {
            free(c);
        }
    }
    if (kept) {
        eg_cleanse(kept->data, kept->used); /* what is handed out next is zeroed */
        kept->used = 0;
        kept->older = NULL;
    }
    a->newest = kept;
    a->given = 0;
}

static chunk *add_chunk(eg_arena *a, size_t n) {
    size_t size = n > CHUNK_SIZE ? n : CHUNK_SIZE;
    chunk *c = calloc(1, sizeof *c + size);
    if (!c) {
        return NULL;
    }
    c->size = size;
    if (n > CHUNK_SIZE && a->newest) {
        /* A chunk of its own goes behind the newest, which still has room. */
        c->older = a->newest->older;
        a->newest->older = c;
    } else {
        c->older = a->newest;
        a->newest = c;
    }
    return c;
}

void *eg_arena_alloc(eg_arena *a, size_t n) {
    const size_t align = alignof(max_align_t);
    if (n > a->max || n > SIZE_MAX / 2) {
        return NULL;
    }
    size_t rounded = n == 0 ? align : (n + align - 1) & ~(align - 1);
    if (n > a->max - a->given) {
        return NULL;
    }
    chunk *c = a->newest;
    if (!c || rounded > c->size - c->used) {
        c = add_chunk(a, rounded);
        if (!c) {
            return NULL;
        }
    }
    void *p = c->data + c->used;
    c->used += rounded;
    /* The last piece may be rounded past the bound; the count stops at it. */
    a->given = rounded > a->max - a->given ? a->max : a->given + rounded;
    return p;
}

eg_str eg_arena_str(eg_arena *a, eg_str s) {
    char *p = s.len == SIZE_MAX ? NULL : eg_arena_alloc(a, s.len + 1);
    if (!p) {
        return (eg_str){NULL, 0};
    }
    if (s.len > 0) {
        memcpy(p, s.ptr, s.len);
    }
    return (eg_str){p, s.len};
}

eg_str eg_arena_vprintf(eg_arena *a, const char *fmt, va_list args) {
    char small[128]; /* what fits here is formatted once */
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(small, sizeof small, fmt, args);
    char *p = n < 0 ? NULL : eg_arena_alloc(a, (size_t)n + 1);
    if (p && (size_t)n < sizeof small) {
        memcpy(p, small, (size_t)n + 1);
    } else if (p) {
        vsnprintf(p, (size_t)n + 1, fmt, again);
    }
    va_end(again);
    return p ? (eg_str){p, (size_t)n} : (eg_str){NULL, 0};
}

eg_str eg_arena_printf(eg_arena *a, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    const eg_str s = eg_arena_vprintf(a, fmt, args);
    va_end(args);
    return s;
}

eg_err eg_arena_defer(eg_arena *a, void (*fn)(void *), void *p) {
    deferred *d = eg_arena_alloc(a, sizeof *d);
    if (!d) {
        return EG_ERR_NO_MEMORY;
    }
    *d = (deferred){a->last, fn, p};
    a->last = d;
    return EG_OK;
}

bool eg_arena_holds(const eg_arena *a, eg_bytes b) {
    for (const chunk *c = a->newest; c; c = c->older) {
        uintptr_t start = (uintptr_t)c->data;
        uintptr_t p = (uintptr_t)b.ptr;
        if (p >= start && p <= start + c->used && b.len <= start + c->used - p) {
            return true;
        }
    }
    return false;
}
