/* Livy's JSON of batches. */
#include "livy.h"

#include "batch_settle.h"

eg_livy_page eg_livy_page_of(uint64_t driver_lines, int64_t from, int64_t size) {
    eg_livy_page p = {.total = driver_lines + 2};
    uint64_t want = size < 0 ? p.total : (uint64_t)size;
    p.from = from < 0 ? (want < p.total ? p.total - want : 0) : (uint64_t)from;
    uint64_t end = p.from >= p.total ? p.from : want < p.total - p.from ? p.from + want : p.total;
    p.stdout_mark = p.from == 0 && end > 0;
    p.stderr_mark = p.from < p.total && end == p.total && end > p.from;
    /* Driver line n stands at n + 1. */
    uint64_t first = p.from < 1 ? 1 : p.from, last = end < p.total ? end : p.total - 1;
    p.first = first - 1;
    p.count = last > first ? last - first : 0;
    return p;
}

static json_t *text_or_null(const char *s) {
    return s && s[0] ? json_string(s) : json_null();
}

static double seconds(uint64_t ms) {
    return (double)((ms * 8 + 500) / 1000) / 8.0;
}

json_t *eg_livy_usage_json(const eg_batch_usage *u) {
    return json_pack("{s:f,s:f,s:I,s:I}", "coreSeconds", seconds(u->core_ms), "memoryMiBSeconds", seconds(u->memory_mib_ms),
                     "bytesRead", (json_int_t)u->bytes_read, "bytesWritten", (json_int_t)u->bytes_written);
}

static json_t *time_or_null(int64_t ns) {
    char text[EG_RFC3339_LEN];
    if (ns == 0) {
        return json_null();
    }
    eg_time_rfc3339(ns, text);
    return json_string(text);
}

json_t *eg_livy_batch_json(const eg_batch *b, const char *owner, const char *proxy_user, json_t *log, const eg_batch_usage *usage) {
    if (!log) {
        log = json_pack("[s,s]", "stdout: ", "\nstderr: ");
    }
    bool ended = eg_batch_state_final(b->state);
    json_t *ours = json_pack("{s:s,s:s,s:o,s:o,s:o,s:o,s:o,s:o}", "cluster", b->cluster, "ownerObjectId", b->owner, "created", time_or_null(b->created_ns),
                             "started", time_or_null(b->started_ns), "ended", time_or_null(b->ended_ns),
                             "exitCode", ended ? json_integer(b->exit_code) : json_null(), "why", text_or_null(b->why), "usage", eg_livy_usage_json(usage));
    return json_pack("{s:I,s:o,s:o,s:o,s:s,s:o,s:{s:n,s:n,s:n},s:o,s:o}", "id", (json_int_t)b->id, "name", text_or_null(b->name), "owner", text_or_null(owner),
                     "proxyUser", text_or_null(proxy_user), "state", eg_batch_state_name(b->state), "appId", text_or_null(b->app_id),
                     "appInfo", "driverLogUrl", "sparkUiUrl", "executorLogUrls", "log", log, "embergate", ours);
}

eg_batch_usage eg_livy_usage_now(eg_compute *c, const eg_batch *b) {
    eg_batch_usage u = b->usage;
    if (eg_batch_state_final(b->state)) {
        return u;
    }
    char job[80];
    eg_batch_job(b, job);
    (void)eg_live_jobs_sums(c->jobs, eg_str_of(job), &u.bytes_read, &u.bytes_written);
    int64_t now = eg_wall_ns(c->o.clock);
    uint64_t read = u.bytes_read, written = u.bytes_written;
    uint64_t wall_ms = b->started_ns && now > b->started_ns ? (uint64_t)(now - b->started_ns) / 1000000 : 0;
    eg_batch_settle_sums(&b->shape, wall_ms, 0, &u);
    u.bytes_read = read;
    u.bytes_written = written;
    return u;
}
