/* The operator's log: builds one bounded line and writes it with one call. */
#include <embergate/log.h>

#include <embergate/clock.h>

#include "utf8.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define LINE_MAX_BYTES ((size_t)16384)
#define VALUE_MAX_BYTES ((size_t)1024)
#define LINES_PER_SECOND 2000u

/* Exception to "no mutable globals": a process has one log, set once before threads start; the rest is the rate bound. */
static struct {
    pthread_mutex_t lock;
    const char *process;
    eg_log_level least;
    int fd;
    int64_t second;
    unsigned lines;
    unsigned long dropped;
} log_state = {.lock = PTHREAD_MUTEX_INITIALIZER, .process = "embergate", .least = EG_LOG_INFO, .fd = STDERR_FILENO};

static const char *const level_names[] = {"debug", "info", "warn", "error"};

typedef struct line {
    char text[LINE_MAX_BYTES];
    size_t len;
} line;

/* start() begins it: the compiler would clear all 16 KiB for each line. */
#define UNCLEARED __attribute__((uninitialized))

/* Room is kept for the end of the object, so that a full line is still whole JSON. */
static bool put(line *l, const char *p, size_t n) {
    if (n > sizeof l->text - 4 - l->len) {
        return false;
    }
    memcpy(l->text + l->len, p, n);
    l->len += n;
    return true;
}

/* How many bytes from p on need no escape: almost always all. */
static size_t plain_run(const char *p, size_t n) {
    size_t i = 0;
    while (i < n && p[i] >= ' ' && p[i] < 0x7f && p[i] != '"' && p[i] != '\\') {
        i++;
    }
    return i;
}

static bool put_escaped(line *l, const char *p, size_t n) {
    for (size_t i = 0; i < n;) {
        size_t run = plain_run(p + i, n - i);
        if (run > 0) {
            if (!put(l, p + i, run)) {
                return false;
            }
            i += run;
            continue;
        }
        uint32_t code = 0;
        size_t step = eg_utf8_sequence(p + i, n - i, &code);
        char escape[8];
        bool ok;
        if (step == 0) {
            ok = put(l, "\\ufffd", 6);
        } else if (code == '"' || code == '\\') {
            escape[0] = '\\';
            escape[1] = (char)code;
            ok = put(l, escape, 2);
        } else if (eg_utf8_unsafe(code)) {
            snprintf(escape, sizeof escape, "\\u%04x", (unsigned)(code & 0xffff));
            ok = put(l, escape, 6);
        } else {
            ok = put(l, p + i, step);
        }
        if (!ok) {
            return false;
        }
        i += step == 0 ? 1 : step;
    }
    return true;
}

/* A pair that doesn't fit is left out whole. */
static void put_pair(line *l, const char *name, const char *value) {
    size_t mark = l->len;
    size_t n = value ? strnlen(value, VALUE_MAX_BYTES + 1) : 0;
    bool cut = n > VALUE_MAX_BYTES;
    bool ok = put(l, l->len > 1 ? ",\"" : "\"", l->len > 1 ? 2 : 1) && put_escaped(l, name, strnlen(name, 64)) &&
              put(l, "\":\"", 3) && put_escaped(l, value ? value : "", cut ? VALUE_MAX_BYTES : n) &&
              (!cut || put(l, "…", strlen("…"))) && put(l, "\"", 1);
    if (!ok) {
        l->len = mark;
    }
}

static void start(line *l, eg_log_level level, const char *event) {
    char time[EG_RFC3339_LEN];
    eg_time_rfc3339(eg_wall_ns(&eg_clock_system), time);
    l->len = 0;
    put(l, "{", 1);
    put_pair(l, "time", time);
    put_pair(l, "level", level_names[level]);
    put_pair(l, "process", log_state.process);
    put_pair(l, "event", event);
}

static void finish(line *l) {
    memcpy(l->text + l->len, "}\n", 2);
    /* One call a line, so that processes that share the descriptor don't mix. Nobody can be told that it failed. */
    ssize_t n = write(log_state.fd, l->text, l->len + 2);
    (void)n;
}

/* False when this second is full. *ret_dropped is what earlier seconds left out and nobody said yet. */
static bool admit(unsigned long *ret_dropped) {
    int64_t second = eg_mono_ns(&eg_clock_system) / 1000000000;
    pthread_mutex_lock(&log_state.lock);
    *ret_dropped = 0;
    if (second != log_state.second) {
        log_state.second = second;
        log_state.lines = 0;
        *ret_dropped = log_state.dropped;
        log_state.dropped = 0;
    }
    bool ok = log_state.lines < LINES_PER_SECOND;
    if (ok) {
        log_state.lines++;
    } else {
        log_state.dropped++;
    }
    pthread_mutex_unlock(&log_state.lock);
    return ok;
}

static __attribute__((noinline)) void say_dropped(unsigned long dropped) {
    line l UNCLEARED;
    char count[24];
    snprintf(count, sizeof count, "%lu", dropped);
    start(&l, EG_LOG_WARN, "log lines left out");
    put_pair(&l, "count", count);
    finish(&l);
}

bool eg_log_admits(eg_log_level level) {
    unsigned long dropped = 0;
    if (level < log_state.least || (unsigned)level > EG_LOG_ERROR || !admit(&dropped)) {
        return false;
    }
    if (dropped > 0) {
        say_dropped(dropped);
    }
    return true;
}

void eg_log_init(const char *process, eg_log_level least, int fd) {
    log_state.process = process;
    log_state.least = least;
    log_state.fd = fd;
}

/* Apart, so that a line that is left out costs no buffer: the compiler clears it on entry. */
static __attribute__((noinline)) void write_line(eg_log_level level, const char *event, va_list args) {
    line l UNCLEARED;
    start(&l, level, event);
    for (const char *name = va_arg(args, const char *); name; name = va_arg(args, const char *)) {
        put_pair(&l, name, va_arg(args, const char *));
    }
    finish(&l);
}

void eg_log(eg_log_level level, const char *event, ...) {
    if (!eg_log_admits(level)) {
        return;
    }
    va_list args;
    va_start(args, event);
    write_line(level, event, args);
    va_end(args);
}

void eg_log_admitted(eg_log_level level, const char *event, ...) {
    va_list args;
    va_start(args, event);
    write_line(level, event, args);
    va_end(args);
}

void eg_log_problem(eg_log_level level, const char *event, const eg_problem *p) {
    if (!eg_log_admits(level)) {
        return;
    }
    line l UNCLEARED;
    start(&l, level, event);
    put_pair(&l, "code", eg_err_code(p->code));
    put_pair(&l, "message", p->message);
    if (p->where[0]) {
        put_pair(&l, "where", p->where);
    }
    if (p->hint[0]) {
        put_pair(&l, "hint", p->hint);
    }
    finish(&l);
}
