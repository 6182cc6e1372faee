/* The time-outs of a worker's connections. */
#include "deadline.h"

#include <limits.h>
#include <stddef.h>

void eg_deadlines_init(eg_deadlines *d, const eg_door_limits *limits) {
    *d = (eg_deadlines){.length_ms = {
                            [EG_WAIT_HANDSHAKE] = limits->handshake_ms,
                            [EG_WAIT_IDLE] = limits->idle_ms,
                            [EG_WAIT_HEAD] = limits->head_ms,
                            [EG_WAIT_BODY] = limits->body_ms,
                            [EG_WAIT_WRITE] = limits->write_ms,
                            [EG_WAIT_LINGER] = limits->linger_ms,
                        }};
    for (int i = 0; i < EG_WAIT_COUNT; i++) {
        d->lists[i].prev = d->lists[i].next = &d->lists[i];
    }
}

static void take_out(eg_deadline *x) {
    if (x->next != NULL) {
        x->prev->next = x->next;
        x->next->prev = x->prev;
        x->prev = x->next = NULL;
    }
}

void eg_deadline_set(eg_deadlines *d, eg_deadline *x, eg_wait wait, int64_t now_ms) {
    take_out(x);
    x->wait = wait;
    if (wait == EG_WAIT_NONE) {
        return;
    }
    eg_deadline *list = &d->lists[wait];
    x->at_ms = now_ms + d->length_ms[wait];
    x->prev = list->prev;
    x->next = list;
    list->prev->next = x;
    list->prev = x;
}

int eg_deadlines_next(const eg_deadlines *d, int64_t now_ms) {
    int64_t first = INT_MAX;
    for (int i = 1; i < EG_WAIT_COUNT; i++) {
        const eg_deadline *list = &d->lists[i];
        if (list->next != list && list->next->at_ms - now_ms < first) {
            first = list->next->at_ms - now_ms;
        }
    }
    return first == INT_MAX ? -1 : first < 0 ? 0 : (int)first;
}

eg_deadline *eg_deadlines_expired(eg_deadlines *d, int64_t now_ms) {
    for (int i = 1; i < EG_WAIT_COUNT; i++) {
        eg_deadline *x = d->lists[i].next;
        if (x != &d->lists[i] && x->at_ms <= now_ms) {
            take_out(x);
            return x;
        }
    }
    return NULL;
}
