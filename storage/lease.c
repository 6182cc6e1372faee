/* The states of a lease, and what each action does in each of them. */
#include "lease.h"

#include <embergate/encoding.h>

#define SECOND ((int64_t)1000000000)
#define FLAG_HELD 1
#define FLAG_BROKEN 2

static eg_err id_mismatch(eg_problem *p) {
    return eg_fail(p, EG_ERR_LEASE_OTHER, "The lease ID specified did not match the lease ID for the resource with the specified lease operation.");
}

static eg_err none(eg_problem *p) {
    return eg_fail(p, EG_ERR_LEASE_NONE, "There is currently no lease on the resource.");
}

eg_lease_state eg_lease_state_at(const eg_lease *l, int64_t now_ns) {
    if (!l->held) {
        return EG_LEASE_AVAILABLE;
    }
    if (l->broken) {
        return now_ns < l->until_ns ? EG_LEASE_BREAKING : EG_LEASE_BROKEN;
    }
    return l->duration_s == EG_LEASE_INFINITE || now_ns < l->until_ns ? EG_LEASE_LEASED : EG_LEASE_EXPIRED;
}

bool eg_lease_locked(const eg_lease *l, int64_t now_ns) {
    const eg_lease_state s = eg_lease_state_at(l, now_ns);
    return s == EG_LEASE_LEASED || s == EG_LEASE_BREAKING;
}

void eg_lease_encode(const eg_lease *l, uint8_t ret[EG_LEASE_ROW_LEN]) {
    ret[0] = 1;
    ret[1] = (uint8_t)((l->held ? FLAG_HELD : 0) | (l->broken ? FLAG_BROKEN : 0));
    memcpy(ret + 2, l->id.b, sizeof l->id.b);
    eg_put_u32(ret + 18, l->duration_s);
    eg_put_u64(ret + 22, (uint64_t)l->until_ns);
}

eg_err eg_lease_decode(eg_bytes attr, eg_lease *ret) {
    if (attr.len == 0) {
        *ret = (eg_lease){0};
        return EG_OK;
    }
    if (attr.len != EG_LEASE_ROW_LEN || attr.ptr[0] != 1 || attr.ptr[1] > (FLAG_HELD | FLAG_BROKEN)) {
        return EG_ERR_CORRUPT;
    }
    eg_lease l = {.held = attr.ptr[1] & FLAG_HELD, .broken = attr.ptr[1] & FLAG_BROKEN};
    memcpy(l.id.b, attr.ptr + 2, sizeof l.id.b);
    l.duration_s = eg_get_u32(attr.ptr + 18);
    l.until_ns = (int64_t)eg_get_u64(attr.ptr + 22);
    *ret = l;
    return EG_OK;
}

eg_err eg_lease_id_parse(eg_str text, eg_id *ret) {
    char digits[32];
    size_t n = 0;
    if (text.len >= 2 && text.ptr[0] == '{' && text.ptr[text.len - 1] == '}') {
        text = (eg_str){text.ptr + 1, text.len - 2};
    }
    const bool hyphens = text.len == 36;
    if (!hyphens && text.len != 32) {
        return EG_ERR_HTTP_HEADER;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (hyphens && (i == 8 || i == 13 || i == 18 || i == 23)) {
            if (text.ptr[i] != '-') {
                return EG_ERR_HTTP_HEADER;
            }
        } else if (n < sizeof digits) {
            digits[n++] = text.ptr[i];
        }
    }
    size_t got = 0;
    eg_id id;
    if (n != sizeof digits || eg_unhex((eg_str){digits, n}, id.b, sizeof id.b, &got) != EG_OK || got != sizeof id.b) {
        return EG_ERR_HTTP_HEADER;
    }
    *ret = id;
    return EG_OK;
}

void eg_lease_id_text(const eg_id *id, char ret[EG_UUID_LEN]) {
    char hex[2 * sizeof id->b + 1];
    eg_hex(eg_id_bytes(id), hex);
    size_t at = 0;
    for (size_t i = 0; i < 32; i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20) {
            ret[at++] = '-';
        }
        ret[at++] = hex[i];
    }
    ret[at] = '\0';
}

static void hold(eg_lease *l, const eg_id *id, uint32_t duration_s, int64_t now_ns) {
    *l = (eg_lease){.held = true, .id = *id, .duration_s = duration_s};
    l->until_ns = duration_s == EG_LEASE_INFINITE ? 0 : now_ns + duration_s * SECOND;
}

static eg_err acquire(eg_lease *l, const eg_lease_ask *ask, eg_lease_state s, int64_t now_ns, eg_problem *p) {
    const bool same = eg_id_eq(&l->id, &ask->proposed);
    if (s == EG_LEASE_BREAKING && same) {
        return eg_fail(p, EG_ERR_LEASE_BREAKING_ACQUIRE, "The lease ID matched, but the lease is currently in breaking state and cannot be acquired until it is broken.");
    }
    if (s == EG_LEASE_BREAKING || (s == EG_LEASE_LEASED && !same)) {
        return eg_fail(p, EG_ERR_LEASE_PRESENT, "There is already a lease present.");
    }
    hold(l, &ask->proposed, ask->duration_s, now_ns);
    return EG_OK;
}

static eg_err renew(eg_lease *l, const eg_lease_ask *ask, eg_lease_state s, int64_t now_ns, eg_problem *p) {
    if (s == EG_LEASE_AVAILABLE || !eg_id_eq(&l->id, &ask->id)) {
        return id_mismatch(p);
    }
    if (s == EG_LEASE_BREAKING || s == EG_LEASE_BROKEN) {
        return eg_fail(p, EG_ERR_LEASE_BROKEN_RENEW, "The lease ID matched, but the lease has been broken explicitly and cannot be renewed.");
    }
    hold(l, &ask->id, l->duration_s, now_ns);
    return EG_OK;
}

static eg_err change(eg_lease *l, const eg_lease_ask *ask, eg_lease_state s, eg_problem *p) {
    if (s == EG_LEASE_AVAILABLE || s == EG_LEASE_EXPIRED || s == EG_LEASE_BROKEN) {
        return none(p);
    }
    /* Also the new id fits: the answer to the first request was lost. */
    if (!eg_id_eq(&l->id, &ask->id) && !eg_id_eq(&l->id, &ask->proposed)) {
        return id_mismatch(p);
    }
    if (s == EG_LEASE_BREAKING) {
        return eg_fail(p, EG_ERR_LEASE_BREAKING_CHANGE, "The lease ID matched, but the lease is currently in breaking state and cannot be changed.");
    }
    l->id = ask->proposed;
    return EG_OK;
}

static eg_err release(eg_lease *l, const eg_lease_ask *ask, eg_lease_state s, eg_problem *p) {
    if (s == EG_LEASE_AVAILABLE || !eg_id_eq(&l->id, &ask->id)) {
        return id_mismatch(p);
    }
    *l = (eg_lease){0};
    return EG_OK;
}

static eg_err break_it(eg_lease *l, const eg_lease_ask *ask, eg_lease_state s, int64_t now_ns, eg_problem *p) {
    if (s == EG_LEASE_AVAILABLE) {
        return none(p);
    }
    int64_t until = now_ns;
    if (s == EG_LEASE_BREAKING || (s == EG_LEASE_LEASED && l->duration_s != EG_LEASE_INFINITE)) {
        until = l->until_ns; /* never longer than it would have been locked anyway */
        if (ask->has_break && now_ns + ask->break_s * SECOND < until) {
            until = now_ns + ask->break_s * SECOND;
        }
    } else if (s == EG_LEASE_LEASED && ask->has_break) {
        until = now_ns + ask->break_s * SECOND;
    }
    l->broken = true;
    l->until_ns = until;
    return EG_OK;
}

eg_err eg_lease_act(eg_lease *l, const eg_lease_ask *ask, int64_t now_ns, uint32_t *ret_remaining_s, eg_problem *p) {
    const eg_lease_state s = eg_lease_state_at(l, now_ns);
    switch (ask->action) {
    case EG_LEASE_ACT_ACQUIRE:
        return acquire(l, ask, s, now_ns, p);
    case EG_LEASE_ACT_RENEW:
        return renew(l, ask, s, now_ns, p);
    case EG_LEASE_ACT_CHANGE:
        return change(l, ask, s, p);
    case EG_LEASE_ACT_RELEASE:
        return release(l, ask, s, p);
    case EG_LEASE_ACT_BREAK:
        EG_TRY(break_it(l, ask, s, now_ns, p));
        *ret_remaining_s = l->until_ns > now_ns ? (uint32_t)((l->until_ns - now_ns + SECOND - 1) / SECOND) : 0;
        return EG_OK;
    case EG_LEASE_ACT_NONE:
    case EG_LEASE_ACT_ACQUIRE_RELEASE: /* the caller does one, then the other */
        break;
    }
    return eg_fail(p, EG_ERR_HTTP_HEADER, "The header x-ms-lease-action names no action of a lease.");
}

static eg_err mismatch(eg_lease_of of, eg_problem *p) {
    return eg_fail(p, of == EG_LEASE_OF_CONTAINER ? EG_ERR_LEASE_ID_MISMATCH_CONTAINER : EG_ERR_LEASE_ID_MISMATCH,
        "The lease ID specified did not match the lease ID for the resource.");
}

eg_err eg_lease_check_read(const eg_lease *l, const eg_id *id, int64_t now_ns, eg_lease_of of, eg_problem *p) {
    if (!id) {
        return EG_OK;
    }
    const eg_lease_state s = eg_lease_state_at(l, now_ns);
    if (s == EG_LEASE_AVAILABLE) {
        return eg_fail(p, of == EG_LEASE_OF_CONTAINER ? EG_ERR_LEASE_NOT_PRESENT_CONTAINER : EG_ERR_LEASE_NOT_PRESENT,
            "There is currently no lease on the resource.");
    }
    if (!eg_id_eq(&l->id, id)) {
        return mismatch(of, p);
    }
    if (s == EG_LEASE_EXPIRED || s == EG_LEASE_BROKEN) {
        return eg_fail(p, EG_ERR_LEASE_LOST, "A lease ID was specified, but the lease for the resource has expired.");
    }
    return EG_OK;
}

eg_err eg_lease_check_write(const eg_lease *l, const eg_id *id, int64_t now_ns, eg_lease_of of, eg_problem *p) {
    if (!id && eg_lease_locked(l, now_ns)) {
        return eg_fail(p, EG_ERR_LEASE_ID_MISSING, "There is currently a lease on the resource and no lease ID was specified in the request.");
    }
    return eg_lease_check_read(l, id, now_ns, of, p);
}

const char *eg_lease_state_text(eg_lease_state s) {
    static const char *const words[] = {"available", "leased", "expired", "breaking", "broken"};
    return words[s];
}

const char *eg_lease_status_text(eg_lease_state s) { return s == EG_LEASE_LEASED || s == EG_LEASE_BREAKING ? "locked" : "unlocked"; }

const char *eg_lease_duration_text(const eg_lease *l, eg_lease_state s) {
    return s != EG_LEASE_LEASED ? NULL : l->duration_s == EG_LEASE_INFINITE ? "infinite" : "fixed";
}
