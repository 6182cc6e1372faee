/* A lease: whether what it stands on may be written, and by whom. A pure state machine, as Azure's tables of lease states have it. */
#ifndef EG_STORAGE_LEASE_H
#define EG_STORAGE_LEASE_H

#include "store.h"

typedef enum eg_lease_state {
    EG_LEASE_AVAILABLE = 0,
    EG_LEASE_LEASED,
    EG_LEASE_EXPIRED,
    EG_LEASE_BREAKING,
    EG_LEASE_BROKEN,
} eg_lease_state;

#define EG_LEASE_INFINITE UINT32_MAX
#define EG_LEASE_SECONDS_MIN 15
#define EG_LEASE_SECONDS_MAX 60

/* All zero: available. Times are of eg_storage_forward_ns. */
typedef struct eg_lease {
    bool held;              /* leased once and not released since */
    bool broken;            /* locked until until_ns, then broken */
    eg_id id;
    uint32_t duration_s;    /* or EG_LEASE_INFINITE */
    int64_t until_ns;       /* of a broken or a fixed one */
} eg_lease;

eg_lease_state eg_lease_state_at(const eg_lease *l, int64_t now_ns);
/* Leased or breaking: writing needs its id. */
bool eg_lease_locked(const eg_lease *l, int64_t now_ns);

/* EG_ATTR_LEASE. A missing attribute is an available lease. EG_ERR_CORRUPT. */
#define EG_LEASE_ROW_LEN 30
void eg_lease_encode(const eg_lease *l, uint8_t ret[EG_LEASE_ROW_LEN]);
eg_err eg_lease_decode(eg_bytes attr, eg_lease *ret) EG_MUST_CHECK;

/* A lease id is a GUID: 32 hex digits, with or without hyphens, perhaps in braces. EG_ERR_HTTP_HEADER. */
eg_err eg_lease_id_parse(eg_str text, eg_id *ret) EG_MUST_CHECK;
void eg_lease_id_text(const eg_id *id, char ret[EG_UUID_LEN]);

typedef enum eg_lease_action {
    EG_LEASE_ACT_NONE = 0,
    EG_LEASE_ACT_ACQUIRE,
    EG_LEASE_ACT_RENEW,
    EG_LEASE_ACT_CHANGE,
    EG_LEASE_ACT_RELEASE,
    EG_LEASE_ACT_BREAK,
    EG_LEASE_ACT_ACQUIRE_RELEASE,   /* with an append or a flush: held for its time only */
} eg_lease_action;

typedef struct eg_lease_ask {
    eg_lease_action action;
    bool has_id;
    bool has_break;
    eg_id id;
    eg_id proposed;         /* of acquire (the caller makes one up when none was proposed) and change */
    uint32_t duration_s;    /* acquire: 15 to 60, or EG_LEASE_INFINITE */
    uint32_t break_s;       /* break: 0 to 60 */
} eg_lease_ask;

/* Changes *l as asked. *ret_remaining_s: after a break, how long it stays locked. EG_ERR_LEASE_* of the kind that is 409. */
eg_err eg_lease_act(eg_lease *l, const eg_lease_ask *ask, int64_t now_ns, uint32_t *ret_remaining_s, eg_problem *p) EG_MUST_CHECK;

/* Whose codes a refusal has. */
typedef enum eg_lease_of {
    EG_LEASE_OF_PATH = 0,
    EG_LEASE_OF_CONTAINER,
} eg_lease_of;

/* May somebody write who names `id` (NULL: names none)? EG_ERR_LEASE_* of the kind that is 412. */
eg_err eg_lease_check_write(const eg_lease *l, const eg_id *id, int64_t now_ns, eg_lease_of of, eg_problem *p) EG_MUST_CHECK;
/* Reading is free; who names an id must name the right one. */
eg_err eg_lease_check_read(const eg_lease *l, const eg_id *id, int64_t now_ns, eg_lease_of of, eg_problem *p) EG_MUST_CHECK;

/* Words of the headers x-ms-lease-state, -status and -duration; the last is NULL unless leased. */
const char *eg_lease_state_text(eg_lease_state s);
const char *eg_lease_status_text(eg_lease_state s);
const char *eg_lease_duration_text(const eg_lease *l, eg_lease_state s);

#endif
