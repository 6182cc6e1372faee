/* Lists of requests that wait for a fetch. */
#include "waiters.h"

#include <stdlib.h>

struct eg_waiter {
    void (*later)(void *);
    void *ctx;
    eg_waiter *next;
};

eg_err eg_waiters_add(eg_waiter **list, size_t *count, void (*later)(void *), void *ctx) {
    if (!later) {
        return EG_OK;
    }
    if (*count >= EG_WAITERS_MAX) {
        return EG_ERR_UNAVAILABLE;
    }
    eg_waiter *w = malloc(sizeof *w);
    if (!w) {
        return EG_ERR_NO_MEMORY;
    }
    *w = (eg_waiter){later, ctx, *list};
    *list = w;
    ++*count;
    return EG_OK;
}

/* The last that came is first in a list. */
static eg_waiter *turned(eg_waiter *list) {
    eg_waiter *out = NULL;
    while (list) {
        eg_waiter *next = list->next;
        list->next = out;
        out = list;
        list = next;
    }
    return out;
}

size_t eg_waiters_call(eg_waiter *list) {
    size_t called = 0;
    list = turned(list);
    while (list) {
        eg_waiter *next = list->next;
        list->later(list->ctx);
        free(list);
        list = next;
        called++;
    }
    return called;
}
