/* How other threads hand work to a worker: a queue of tasks and the eventfd that wakes it. */
#ifndef EMBERGATE_DOOR_HANDOFF_H
#define EMBERGATE_DOOR_HANDOFF_H

#include <embergate/err.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

/* Lives in its owner's memory; is in the queue at most once at a time. */
typedef struct eg_task {
    struct eg_task *next;
    void (*run)(void *arg);
    void *arg;
    atomic_bool queued;
} eg_task;

typedef struct eg_handoff {
    pthread_mutex_t lock;
    eg_task *first;
    eg_task **last;
    int event_fd;
    pthread_t owner;       /* set by the worker before it serves */
    atomic_bool has_owner;
    atomic_bool sleeps;    /* the owner waits, or is about to: only then a push must wake it */
} eg_handoff;

eg_err eg_handoff_init(eg_handoff *h) EG_MUST_CHECK;
void eg_handoff_done(eg_handoff *h);
/* Any thread, in order. Does nothing when the task waits already. */
void eg_handoff_push(eg_handoff *h, eg_task *t);
/* The owner: runs what is queued; true when there was something. */
bool eg_handoff_run(eg_handoff *h);
/* The owner, before it waits: true when there is nothing in the queue, and each push from now on writes the event. */
bool eg_handoff_sleep(eg_handoff *h);
void eg_handoff_awake(eg_handoff *h);       /* after it waited */
void eg_handoff_drain_event(eg_handoff *h); /* after epoll reported event_fd */
void eg_handoff_wake(eg_handoff *h);
bool eg_handoff_is_owner(eg_handoff *h);    /* the calling thread is the one that serves it */

#endif
