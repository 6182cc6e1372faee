/* The policy in force: the store's, or the one that lies in the directory, which is reloaded on change; the old one stays when the new is refused. */
#ifndef EMBERGATE_POLICY_WATCH_H
#define EMBERGATE_POLICY_WATCH_H

#include <embergate/clock.h>
#include <embergate/policy_store.h>

typedef struct eg_policy_watch eg_policy_watch;

typedef struct eg_policy_watch_options {
    const char *dir;             /* NULL: the store's policies are in force, and nothing is watched */
    eg_policy_store *store;      /* borrowed; takes every directory that is in force over as a version. NULL: nobody does */
    const eg_clock *clock;
    bool separate_duties;        /* of a directory; the store's policies say it themselves */
    unsigned poll_ms;   /* 0 = 200 */
} eg_policy_watch_options;

/* The first load must succeed. Versions are the store's; without one they begin at the clock's seconds and go up by one with each change. Logs "policy_loaded" and "policy_refused". */
eg_err eg_policy_watch_start(const eg_policy_watch_options *o, eg_policy_watch **ret, eg_problem *p) EG_MUST_CHECK;
void eg_policy_watch_stop(eg_policy_watch *w);   /* NULL is harmless */
/* The policy in force; a reference for the caller. Any thread. */
eg_policy *eg_policy_watch_get(eg_policy_watch *w);
/* Looks at the directory now, as it lies there when this is called, and waits until what was found is in force; no more than `wait_ms`. The refusal with *p, or EG_ERR_TIMEOUT. Any thread. */
eg_err eg_policy_watch_look(eg_policy_watch *w, unsigned wait_ms, eg_problem *p) EG_MUST_CHECK;
/* What is wrong with the directory as it lies there now: EG_OK, or the refusal of the last attempt with *p (may be NULL). */
eg_err eg_policy_watch_state(eg_policy_watch *w, eg_problem *p);

#endif
