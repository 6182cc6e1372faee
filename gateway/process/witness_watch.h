/* Shows the audit logs' checkpoints to witnesses outside, and says when one was shown more, or others, than are here. */
#ifndef EG_GATEWAY_PROCESS_WITNESS_WATCH_H
#define EG_GATEWAY_PROCESS_WITNESS_WATCH_H

#include <embergate/audit.h>
#include <embergate/clock.h>
#include <embergate/json.h>

#define EG_WITNESS_RENEW_S 3600 /* a log that doesn't grow is shown again: that nothing was set back is worth knowing of it too */

typedef struct eg_witness {
    const char *key;     /* "name+hash+base64" */
    const char *url;     /* before "/add-checkpoint" */
    const char *ca_file; /* "" = the system's */
} eg_witness;

typedef struct eg_witness_options {
    eg_audit *audit;
    const eg_clock *clock;
    const eg_witness *witnesses; /* borrowed, at most EG_WITNESSES_MAX */
    size_t count;
    unsigned period_s;
} eg_witness_options;

typedef struct eg_witness_watch eg_witness_watch;
/* Starts a thread. count 0: *ret is NULL. */
eg_err eg_witness_watch_start(const eg_witness_options *o, eg_witness_watch **ret, eg_problem *p) EG_MUST_CHECK;
/* [{name, state: "cosigns" | "away" | "conflict", why, conflicts: [{log, seen, here}]}], as of each one's last round; taken by the caller. NULL when there are no witnesses. */
json_t *eg_witness_watch_report(eg_witness_watch *w);
void eg_witness_watch_stop(eg_witness_watch *w); /* waits for an answer under way, 5 s at most; NULL is fine */

#endif
