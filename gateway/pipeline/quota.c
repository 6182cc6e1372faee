/* Token buckets in one bounded table. A row is given to another only when all its buckets are full again, which is when it says nothing: whoever brings many
 * names can't make the table forget what somebody has used. Names for which there is no row share one. */
#include "quota.h"

#include <embergate/crypto.h>
#include <embergate/metrics.h>

#include <pthread.h>
#include <stdlib.h>

#define SHARDS 64
#define PROBES 16                       /* rows of a shard that a name may be in */
#define SHARD_ROWS (EG_QUOTA_ROWS / SHARDS)
#define UNIT 1000000000                 /* a bucket counts in billionths, so that a nanosecond of one a second counts */
#define RETRY_MAX_S 600

__extension__ typedef __int128 amount; /* billionths of a request or a byte */

typedef enum which { REQUESTS = 0, BYTES_IN, BYTES_OUT, BUCKETS } which;

typedef struct row {
    uint8_t key[EG_KEYED_HASH_LEN];
    int64_t at_ns;                      /* monotonic; 0 = nobody's */
    amount level[BUCKETS];            /* may be negative */
    uint8_t quota;
} row;

typedef struct shard {
    pthread_mutex_t lock;
    row rows[SHARD_ROWS];
    row shared[EG_QUOTAS_MAX];          /* for whom there was no room, a row a quota */
} shard;

struct eg_quotas {
    eg_quota quotas[EG_QUOTAS_MAX];
    size_t n;
    const eg_clock *clock;
    uint8_t seed[EG_KEYED_HASH_LEN];
    shard shards[SHARDS];
};

eg_quotas *eg_quotas_new(const eg_quota *quotas, size_t n, const eg_clock *clock) {
    eg_quotas *q = n <= EG_QUOTAS_MAX ? calloc(1, sizeof *q) : NULL;
    if (!q) {
        return NULL;
    }
    memcpy(q->quotas, quotas, n * sizeof *quotas);
    q->n = n;
    q->clock = clock;
    eg_random(q->seed, sizeof q->seed);
    for (size_t i = 0; i < SHARDS; i++) {
        (void)pthread_mutex_init(&q->shards[i].lock, NULL);
    }
    return q;
}

void eg_quotas_free(eg_quotas *q) {
    for (size_t i = 0; q && i < SHARDS; i++) {
        (void)pthread_mutex_destroy(&q->shards[i].lock);
    }
    free(q);
}

static uint64_t rate_of(const eg_quota *q, which b) { return b == REQUESTS ? q->requests : b == BYTES_IN ? q->bytes_in : q->bytes_out; }
static amount full_of(const eg_quota *q, which b) { return (amount)rate_of(q, b) * q->burst_s * UNIT; }

/* Brings a row to now. true: all its buckets are full, so that it is as good as new. */
static bool refill(const eg_quota *q, row *r, int64_t now) {
    bool all = true;
    for (which b = REQUESTS; b < BUCKETS; b++) {
        const amount level = r->level[b] + (amount)rate_of(q, b) * (now - r->at_ns), full = full_of(q, b);
        r->level[b] = level < full ? level : full;
        all = all && r->level[b] == full;
    }
    r->at_ns = now;
    return all;
}

static void begin(const eg_quota *q, row *r, int64_t now) {
    r->at_ns = now;
    for (which b = REQUESTS; b < BUCKETS; b++) {
        r->level[b] = full_of(q, b);
    }
}

static row *find(eg_quotas *q, shard *s, size_t quota, const uint8_t key[EG_KEYED_HASH_LEN], int64_t now) {
    const size_t home = eg_get_u32(key + 4);
    row *room = NULL;
    for (size_t i = 0; i < PROBES; i++) {
        row *r = &s->rows[(home + i) % SHARD_ROWS];
        if (r->at_ns != 0 && memcmp(r->key, key, sizeof r->key) == 0) {
            (void)refill(&q->quotas[quota], r, now);
            return r;
        }
        if (!room && (r->at_ns == 0 || refill(&q->quotas[r->quota], r, now))) {
            room = r;
        }
    }
    if (!room) {
        eg_metric_add(EG_METRIC_QUOTA_SHARED, 1);
        room = &s->shared[quota];
        if (room->at_ns != 0) {
            (void)refill(&q->quotas[quota], room, now);
            return room;
        }
    }
    memcpy(room->key, key, sizeof room->key);
    room->quota = (uint8_t)quota;
    begin(&q->quotas[quota], room, now);
    return room;
}

static eg_str name_of(const eg_quota_use *u, eg_quota_per per) {
    return per == EG_QUOTA_PER_TENANT ? u->tenant : per == EG_QUOTA_PER_PRINCIPAL ? u->principal : u->cluster;
}

static bool concerns(const eg_quota *q, const eg_quota_use *u) {
    const eg_str name = name_of(u, q->per);
    return name.len > 0 && (q->requests || q->bytes_in || q->bytes_out) && (!q->only[0] || eg_str_ieq(eg_str_of(q->only), name));
}

/* The row of a quota for this use, its shard locked. */
static row *open_row(eg_quotas *q, size_t quota, const eg_quota_use *u, shard **ret_shard) {
    const uint8_t number = (uint8_t)quota;
    const eg_str name = name_of(u, q->quotas[quota].per);
    const eg_bytes parts[] = {{&number, 1}, eg_str_bytes(u->tenant), {(const uint8_t *)"/", 1}, eg_str_bytes(name)}; /* an id says nothing outside its tenant */
    uint8_t key[EG_KEYED_HASH_LEN];
    eg_keyed_hash(q->seed, parts, sizeof parts / sizeof parts[0], key);
    *ret_shard = &q->shards[key[0] % SHARDS];
    pthread_mutex_lock(&(*ret_shard)->lock);
    const int64_t now = eg_mono_ns(q->clock);
    return find(q, *ret_shard, quota, key, now > 0 ? now : 1);
}

static unsigned seconds_until(const eg_quota *q, which b, amount level) {
    const amount short_of = (b == REQUESTS ? UNIT : 1) - level, rate = (amount)rate_of(q, b) * UNIT;
    const amount seconds = (short_of + rate - 1) / rate;
    return seconds < 1 ? 1 : seconds > RETRY_MAX_S ? RETRY_MAX_S : (unsigned)seconds;
}

/* A bucket of bytes lets in while anything is left. */
static bool is_empty(const eg_quota *q, const row *r, which b) { return rate_of(q, b) > 0 && r->level[b] < (b == REQUESTS ? UNIT : 1); }

static bool take_one(eg_quotas *q, size_t i, const eg_quota_use *u, bool *ret_bytes, unsigned *ret_retry_s) {
    const eg_quota *quota = &q->quotas[i];
    shard *s;
    row *r = open_row(q, i, u, &s);
    bool ok = true;
    for (which b = REQUESTS; ok && b < BUCKETS; b++) {
        if (is_empty(quota, r, b)) {
            ok = false;
            *ret_bytes = b != REQUESTS;
            *ret_retry_s = seconds_until(quota, b, r->level[b]);
        }
    }
    if (ok && quota->requests) {
        r->level[REQUESTS] -= UNIT;
    }
    pthread_mutex_unlock(&s->lock);
    return ok;
}

static void give_back(eg_quotas *q, size_t i, const eg_quota_use *u) {
    shard *s;
    row *r = open_row(q, i, u, &s);
    if (q->quotas[i].requests) {
        r->level[REQUESTS] += UNIT;
    }
    pthread_mutex_unlock(&s->lock);
}

bool eg_quotas_take(eg_quotas *q, const eg_quota_use *u, const char **ret_name, bool *ret_bytes, unsigned *ret_retry_s) {
    for (size_t i = 0; i < q->n; i++) {
        if (!concerns(&q->quotas[i], u) || take_one(q, i, u, ret_bytes, ret_retry_s)) {
            continue;
        }
        *ret_name = q->quotas[i].name;
        for (size_t k = 0; k < i; k++) {
            if (concerns(&q->quotas[k], u)) {
                give_back(q, k, u);
            }
        }
        return false;
    }
    return true;
}

void eg_quotas_spend(eg_quotas *q, const eg_quota_use *u, uint64_t bytes_in, uint64_t bytes_out) {
    for (size_t i = 0; i < q->n; i++) {
        if (concerns(&q->quotas[i], u) && (q->quotas[i].bytes_in || q->quotas[i].bytes_out)) {
            shard *s;
            row *r = open_row(q, i, u, &s);
            r->level[BYTES_IN] -= q->quotas[i].bytes_in ? (amount)bytes_in * UNIT : 0;
            r->level[BYTES_OUT] -= q->quotas[i].bytes_out ? (amount)bytes_out * UNIT : 0;
            pthread_mutex_unlock(&s->lock);
        }
    }
}
