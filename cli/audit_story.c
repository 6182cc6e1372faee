/* Tells in words what audit records say: who did what to what, how it ended, and which rule decided. */
#include "audit_story.h"

#include <embergate/clock.h>

#define WHO_UNKNOWN "somebody"

typedef struct phrase {
    const char *event;
    const char *verb;
    bool with_resource;
    bool with_job;
} phrase;

static const phrase phrases[] = {
    {"job.submit", "submitted", false, true},
    {"job.start", "started", false, true},
    {"job.end", "saw the end of", false, true},
    {"job.delete", "ended and deleted", false, true},
    {"job.read", "looked at", false, true},
    {"job.log.read", "read the log of", false, true},
    {"job.list", "listed jobs", false, false},
    {"identity.token.exchange", "exchanged a token", false, false},
    {"identity.token.issue", "was given an access token", false, false},
    {"storage.file.read", "read", true, false},
    {"storage.file.create", "created", true, false},
    {"storage.file.append", "wrote to", true, false},
    {"storage.file.flush", "finished writing to", true, false},
    {"storage.blob.put", "wrote", true, false},
    {"storage.account.read", "looked at the account", false, false},
    {"storage.directory.create", "created the directory", true, false},
    {"storage.directory.list", "listed", true, false},
    {"storage.path.status", "looked at", true, false},
    {"storage.path.rename", "renamed", true, false},
    {"storage.path.delete", "deleted", true, false},
    {"storage.path.set_properties", "set properties of", true, false},
    {"storage.path.set_access", "set the access of", true, false},
    {"storage.filesystem.create", "created the container", true, false},
    {"storage.filesystem.delete", "deleted the container", true, false},
    {"storage.filesystem.read", "looked at the container", true, false},
    {"audit.start", "started the audit log", false, false},
    {"audit.stop", "stopped the audit log", false, false},
    {"audit.records.read", "read audit records", false, false},
    {"request.refused", "was refused before signing in", false, false},
};

/* Controls steer terminals, direction characters reorder what is read. */
static bool unsafe(const unsigned char *p, size_t n) {
    if (n == 1) {
        return p[0] < 0x20 || p[0] == 0x7f;
    }
    if (n == 2) {
        return p[0] == 0xc2 && p[1] < 0xa0;
    }
    /* U+200E, U+200F, U+2028 to U+202E, U+2066 to U+2069 */
    return n == 3 && p[0] == 0xe2 && ((p[1] == 0x80 && ((p[2] >= 0x8e && p[2] <= 0x8f) || (p[2] >= 0xa8 && p[2] <= 0xae))) || (p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9));
}

static void put(eg_buf *b, eg_str s) {
    for (size_t i = 0; i < s.len;) {
        unsigned char lead = (unsigned char)s.ptr[i];
        size_t n = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
        n = n <= s.len - i ? n : s.len - i;
        bool ok = eg_utf8_valid((eg_str){s.ptr + i, n}) && !unsafe((const unsigned char *)s.ptr + i, n);
        n = ok ? n : 1;
        eg_buf_add(b, ok ? s.ptr + i : "?", n);
        i += n;
        while (!ok && i < s.len && ((unsigned char)s.ptr[i] & 0xc0) == 0x80) {
            i++; /* the rest of what was replaced */
        }
    }
}

static long long number(const json_t *record, const char *name) {
    return (long long)json_integer_value(json_object_get(record, name));
}

static void put_who(eg_buf *b, const json_t *record) {
    const json_t *actor = json_object_get(record, "actor");
    eg_str name = eg_json_str(actor, "name");
    eg_str oid = eg_json_str(actor, "oid");
    eg_str source = eg_json_str(record, "source");
    eg_str job = eg_json_str(record, "job");
    if (eg_str_is(eg_json_str(actor, "kind"), "job")) {
        eg_buf_adds(b, "the job ");
        put(b, job);
        eg_buf_adds(b, " of ");
    }
    if (name.len || oid.len) {
        put(b, name.len ? name : oid);
    } else {
        eg_buf_adds(b, source.len ? WHO_UNKNOWN " at " : "the server");
        put(b, source);
    }
}

/* The path matters to a reader; the account's resource id before it is the same on every line. */
static eg_str shortened(eg_str resource) {
    static const char marker[] = "/containers/";
    const char *at = resource.len ? memmem(resource.ptr, resource.len, marker, sizeof marker - 1) : NULL;
    return at ? (eg_str){at + sizeof marker - 1, resource.len - (size_t)(at - resource.ptr) - (sizeof marker - 1)} : resource;
}

static void put_what(eg_buf *b, const json_t *record) {
    eg_str event = eg_json_str(record, "event");
    const phrase *p = NULL;
    for (size_t i = 0; i < sizeof phrases / sizeof phrases[0] && !p; i++) {
        p = eg_str_is(event, phrases[i].event) ? &phrases[i] : NULL;
    }
    eg_buf_adds(b, " ");
    put(b, p ? eg_str_of(p->verb) : event);
    if (p && p->with_job && eg_json_str(record, "job").len) {
        eg_buf_adds(b, " job ");
        put(b, eg_json_str(record, "job"));
    }
    if ((!p || p->with_resource) && eg_json_str(record, "resource").len) {
        eg_buf_adds(b, " ");
        put(b, shortened(eg_json_str(record, "resource")));
    }
    if (eg_json_str(record, "on_behalf_of").len) {
        eg_buf_adds(b, " on behalf of ");
        put(b, eg_json_str(record, "on_behalf_of"));
    }
    if (eg_json_str(record, "acted_by").len) {
        eg_buf_adds(b, " through ");
        put(b, eg_json_str(record, "acted_by"));
    }
}

static void put_numbers(eg_buf *b, const json_t *record) {
    long long count = number(record, "count");
    long long bytes = number(record, "bytes");
    if (count > 0) {
        eg_buf_addf(b, ", %lld more time%s", count, count == 1 ? "" : "s");
    }
    if (bytes > 0) {
        eg_buf_addf(b, ", %lld bytes", bytes);
    }
}

static void put_end(eg_buf *b, const json_t *record) {
    const json_t *details = json_object_get(record, "details");
    eg_str state = eg_json_str(details, "state");
    if (state.len) {
        eg_buf_adds(b, ", which is ");
        put(b, state);
        if (json_is_integer(json_object_get(details, "exitCode"))) {
            eg_buf_addf(b, " with exit code %lld", number(details, "exitCode"));
        }
    }
}

static void put_outcome(eg_buf *b, const json_t *record) {
    eg_str outcome = eg_json_str(record, "outcome");
    eg_str rule = eg_json_str(record, "rule");
    eg_str error = eg_json_str(record, "error");
    eg_buf_adds(b, ": ");
    put(b, outcome.len ? outcome : EG_LIT("outcome unknown"));
    if (rule.len) {
        eg_buf_adds(b, " by ");
        put(b, rule);
    }
    if (error.len || number(record, "status") >= 400) {
        eg_buf_adds(b, " (");
        put(b, error);
        if (number(record, "status") > 0) {
            eg_buf_addf(b, "%sstatus %lld", error.len ? ", " : "", number(record, "status"));
        }
        eg_buf_adds(b, ")");
    }
}

eg_err eg_audit_story(const json_t *records, eg_buf *ret) {
    char day[11] = "";
    for (size_t i = 0; i < json_array_size(records); i++) {
        const json_t *record = json_array_get(records, i);
        eg_str time = eg_json_str(record, "time");
        int64_t ns = 0;
        if (eg_time_parse_rfc3339(time, &ns) != EG_OK) {
            time = EG_LIT("0000-00-00T--:--:--");
        }
        if (strncmp(day, time.ptr, 10) != 0) {
            memcpy(day, time.ptr, 10);
            eg_buf_addf(ret, "%s (UTC)\n", day);
        }
        eg_buf_addf(ret, "%.8s  ", time.ptr + 11);
        put_who(ret, record);
        put_what(ret, record);
        put_numbers(ret, record);
        put_end(ret, record);
        put_outcome(ret, record);
        EG_TRY(eg_buf_adds(ret, "\n"));
    }
    return ret->err;
}
