/* The counters of the process and their Prometheus text. */
#include <embergate/metrics.h>

#include <inttypes.h>
#include <stdatomic.h>

/* Exception to "no mutable globals": counters are added to from everywhere and decide nothing. */
static _Atomic int64_t values[EG_METRIC_COUNT];

static const struct {
    const char *name;
    const char *type;
    const char *help;
} rows[EG_METRIC_COUNT] = {
#define X(id, name, type, help) [EG_METRIC_##id] = {name, type, help},
    EG_METRIC_LIST(X)
#undef X
};

void eg_metric_add(eg_metric m, int64_t n) {
    atomic_fetch_add_explicit(&values[m], n, memory_order_relaxed);
}

void eg_metric_set(eg_metric m, int64_t v) {
    atomic_store_explicit(&values[m], v, memory_order_relaxed);
}

int64_t eg_metric_get(eg_metric m) {
    return atomic_load_explicit(&values[m], memory_order_relaxed);
}

eg_err eg_metrics_render(eg_buf *ret) {
    for (int i = 0; i < EG_METRIC_COUNT; i++) {
        EG_TRY(eg_buf_addf(ret, "# HELP %s %s\n# TYPE %s %s\n%s %" PRId64 "\n", rows[i].name, rows[i].help, rows[i].name,
                           rows[i].type, rows[i].name, eg_metric_get((eg_metric)i)));
    }
    return EG_OK;
}
