/* Follows a batch: polls its state, prints what is new in its log, and tells what it used. */
#include "follow.h"

#include <time.h>
#include <unistd.h>

#define POLL_MILLISECONDS 400
#define LOG_PAGE 100

typedef struct follower {
    const char *path;
    int64_t id;
    bool live;
    bool terminal;     /* a progress line that is rewritten makes sense */
    int64_t next_line; /* first log line not yet shown */
    char state[32];
    time_t started;
} follower;

static bool is_final(const char *state) {
    static const char *const finals[] = {"success", "dead", "killed", "error"};
    for (size_t i = 0; i < sizeof finals / sizeof finals[0]; i++) {
        if (strcmp(state, finals[i]) == 0) {
            return true;
        }
    }
    return false;
}

static void clear_progress(const follower *f) {
    if (f->terminal) {
        fputs("\r\033[K", stderr);
    }
}

/* Spark's own log lines (timestamps and INFO) are for `embergate jobs log`; a person who waits sees what the job prints, warnings
 * and errors. */
static bool worth_showing(eg_str line) {
    return line.ptr && line.len > 0 && !memmem(line.ptr, line.len, " INFO ", 6) && !memmem(line.ptr, line.len, " WARN ", 6) &&
           !eg_str_starts(line, "WARNING: ") && !eg_str_starts(line, "stdout: ");
}

size_t eg_cli_log_lines(const json_t *page) {
    size_t n = json_array_size(page);
    const char *last = n > 0 ? json_string_value(json_array_get(page, n - 1)) : NULL;
    return last && strcmp(last, "\nstderr: ") == 0 ? n - 1 : n;
}

static eg_err show_log(follower *f, eg_problem *p) {
    for (;;) {
        char path[512];
        (void)snprintf(path, sizeof path, "%s/%lld/log?from=%lld&size=%d", f->path, (long long)f->id, (long long)f->next_line, LOG_PAGE);
        EG_JSON_AUTO v = NULL;
        EG_TRY(eg_cli_get_json(path, &v, p));
        const json_t *lines = json_object_get(v, "log");
        int64_t total = json_integer_value(json_object_get(v, "total"));
        size_t n = eg_cli_log_lines(lines);
        for (size_t i = 0; i < n; i++) {
            const json_t *line = json_array_get(lines, i);
            eg_str text = {json_string_value(line), json_string_length(line)};
            if (worth_showing(text)) {
                clear_progress(f);
                fputs("  | ", stderr);
                eg_cli_put_inert(stderr, text);
                fputc('\n', stderr);
            }
        }
        f->next_line += (int64_t)n;
        if (n == 0 || f->next_line >= total) {
            return EG_OK;
        }
    }
}

static void show_state(follower *f, const char *state) {
    long seconds = (long)(time(NULL) - f->started);
    if (strcmp(state, f->state) != 0) {
        clear_progress(f);
        fprintf(stderr, "batch %lld: %s (%ld s)\n", (long long)f->id, state, seconds);
        (void)snprintf(f->state, sizeof f->state, "%s", state);
    } else if (f->terminal) {
        static const char turn[] = "|/-\\";
        fprintf(stderr, "\r\033[K%c batch %lld %s, %ld s", turn[seconds % 4], (long long)f->id, state, seconds);
        fflush(stderr);
    }
}

void eg_cli_print_usage(FILE *to, const json_t *batch) {
    const json_t *usage = json_object_get(json_object_get(batch, "embergate"), "usage");
    if (usage) {
        fprintf(to, "used: %.1f core-seconds, %.1f GiB-seconds of memory, %.2f MiB read, %.2f MiB written\n",
                json_number_value(json_object_get(usage, "coreSeconds")),
                json_number_value(json_object_get(usage, "memoryMiBSeconds")) / 1024,
                json_number_value(json_object_get(usage, "bytesRead")) / 1048576,
                json_number_value(json_object_get(usage, "bytesWritten")) / 1048576);
    }
}

eg_err eg_cli_follow(const char *path, int64_t id, bool live, bool json, int *ret_exit, eg_problem *p) {
    follower f = {.path = path, .id = id, .live = live, .terminal = live && isatty(STDERR_FILENO), .started = time(NULL)};
    char one[300];
    (void)snprintf(one, sizeof one, "%s/%lld", path, (long long)id);
    for (;;) {
        EG_JSON_AUTO batch = NULL;
        EG_TRY(eg_cli_get_json(one, &batch, p));
        const char *state = json_string_value(json_object_get(batch, "state"));
        if (!state) {
            return eg_fail(p, EG_ERR_UNAVAILABLE, "the gateway told no state");
        }
        if (live) {
            EG_TRY(show_log(&f, p));
            show_state(&f, state);
        }
        if (is_final(state)) {
            clear_progress(&f);
            *ret_exit = strcmp(state, "success") == 0 ? EG_EXIT_OK : EG_EXIT_FAILED;
            if (json) {
                eg_cli_print_json(batch);
            } else {
                eg_cli_print_usage(live ? stderr : stdout, batch);
            }
            return EG_OK;
        }
        struct timespec pause = {0, POLL_MILLISECONDS * 1000000L};
        nanosleep(&pause, NULL);
    }
}
