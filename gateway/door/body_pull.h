/* Reads an eg_body_source ahead of its sending: one half of the buffer is filled in the pool while the other is sent, unless the source has its bytes at hand. */
#ifndef EMBERGATE_DOOR_BODY_PULL_H
#define EMBERGATE_DOOR_BODY_PULL_H

#include "handoff.h"

#include <embergate/http.h>
#include <embergate/pool.h>

typedef struct eg_pull eg_pull;

typedef struct eg_pull_options {
    eg_pool *pool;
    eg_handoff *worker;            /* where `ready` is called, after each read */
    void (*ready)(void *arg);
    void *arg;
    bool *starved;                 /* set when the pool was full: kick again soon */
} eg_pull_options;

/* Takes the source: closed by eg_pull_free, and here when there is no memory (then NULL). */
eg_pull *eg_pull_new(eg_body_source source, const eg_pull_options *o);
/* Only when eg_pull_reading is false. */
void eg_pull_free(eg_pull *p);

/* All below: on the worker. */
void eg_pull_kick(eg_pull *p);             /* reads when there is room and no read runs: here what is at hand, else in the pool */
void eg_pull_ahead(eg_pull *p);            /* the same while bytes wait to be sent; what is at hand is left until it is wanted, and then fresh in the cache */
bool eg_pull_reading(const eg_pull *p);
bool eg_pull_has_some(const eg_pull *p);   /* bytes, the end or an error */
/* What the source said before any byte that is still to be taken, also when it ended short of its size. */
eg_err eg_pull_error(const eg_pull *p);
typedef enum eg_pull_status { EG_PULL_BROKEN = 0, EG_PULL_END, EG_PULL_WAIT, EG_PULL_BYTES } eg_pull_status;
/* Bytes come before the error or the end that followed them. */
eg_pull_status eg_pull_take(eg_pull *p, void *buf, size_t cap, size_t *ret_n);
/* The same without a copy: the view stays until eg_pull_skip passed its last byte. */
eg_pull_status eg_pull_peek(const eg_pull *p, eg_bytes *ret);
void eg_pull_skip(eg_pull *p, size_t n);

#endif
