/* The time-outs of a worker's connections: one list per kind of wait, in order, because a kind has one length. */
#ifndef EMBERGATE_DOOR_DEADLINE_H
#define EMBERGATE_DOOR_DEADLINE_H

#include "door_limits.h"

typedef enum eg_wait {
    EG_WAIT_NONE = 0, /* for the app, which has bounds of its own */
    EG_WAIT_HANDSHAKE,
    EG_WAIT_IDLE,
    EG_WAIT_HEAD,
    EG_WAIT_BODY,
    EG_WAIT_WRITE,
    EG_WAIT_LINGER,
    EG_WAIT_COUNT
} eg_wait;

typedef struct eg_deadline {
    struct eg_deadline *prev, *next;
    int64_t at_ms;
    eg_wait wait;
} eg_deadline;

typedef struct eg_deadlines {
    eg_deadline lists[EG_WAIT_COUNT]; /* circular, with the head as sentinel */
    uint32_t length_ms[EG_WAIT_COUNT];
} eg_deadlines;

void eg_deadlines_init(eg_deadlines *d, const eg_door_limits *limits);
/* Moves the deadline to the end of its kind; EG_WAIT_NONE takes it out. A zeroed deadline is out. */
void eg_deadline_set(eg_deadlines *d, eg_deadline *x, eg_wait wait, int64_t now_ms);
/* Milliseconds until the first one; -1 when there is none. */
int eg_deadlines_next(const eg_deadlines *d, int64_t now_ms);
/* Takes out one that has passed and leaves its kind in x->wait; NULL when there is none. */
eg_deadline *eg_deadlines_expired(eg_deadlines *d, int64_t now_ms);

#endif
