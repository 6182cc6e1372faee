/* How other threads hand work to a worker. */
#include "handoff.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

eg_err eg_handoff_init(eg_handoff *h) {
    *h = (eg_handoff){.event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
    atomic_init(&h->sleeps, true);
    if (h->event_fd < 0) {
        return eg_err_from_errno(errno);
    }
    h->last = &h->first;
    (void)pthread_mutex_init(&h->lock, NULL);
    return EG_OK;
}

void eg_handoff_done(eg_handoff *h) {
    if (h->last != NULL) {
        (void)close(h->event_fd);
        (void)pthread_mutex_destroy(&h->lock);
        h->last = NULL;
    }
}

void eg_handoff_wake(eg_handoff *h) {
    uint64_t one = 1;
    ssize_t n = write(h->event_fd, &one, sizeof one); /* EAGAIN: it is readable already */
    (void)n;
}

bool eg_handoff_is_owner(eg_handoff *h) {
    return atomic_load(&h->has_owner) && pthread_equal(h->owner, pthread_self());
}

void eg_handoff_push(eg_handoff *h, eg_task *t) {
    if (atomic_exchange(&t->queued, true)) {
        return;
    }
    (void)pthread_mutex_lock(&h->lock);
    t->next = NULL;
    *h->last = t;
    h->last = &t->next;
    /* Under the lock, as in eg_handoff_sleep: so a push either comes before the owner's look at the queue, or sees that it sleeps. */
    bool wake = atomic_exchange(&h->sleeps, false);
    (void)pthread_mutex_unlock(&h->lock);
    if (wake && !eg_handoff_is_owner(h)) {
        eg_handoff_wake(h);
    }
}

bool eg_handoff_sleep(eg_handoff *h) {
    (void)pthread_mutex_lock(&h->lock);
    bool empty = h->first == NULL;
    atomic_store(&h->sleeps, empty);
    (void)pthread_mutex_unlock(&h->lock);
    return empty;
}

void eg_handoff_awake(eg_handoff *h) {
    atomic_store(&h->sleeps, false);
}

bool eg_handoff_run(eg_handoff *h) {
    (void)pthread_mutex_lock(&h->lock);
    eg_task *t = h->first;
    h->first = NULL;
    h->last = &h->first;
    (void)pthread_mutex_unlock(&h->lock);
    bool any = t != NULL;
    while (t != NULL) {
        eg_task *next = t->next; /* running it may free it or queue it again */
        atomic_store(&t->queued, false);
        t->run(t->arg);
        t = next;
    }
    return any;
}

void eg_handoff_drain_event(eg_handoff *h) {
    uint64_t count = 0;
    ssize_t n = read(h->event_fd, &count, sizeof count);
    (void)n;
}
