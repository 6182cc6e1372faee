/* Finds the line of a policy file that a refusal's key stands in: jansson keeps no places, and a person wants one. */
#include <embergate/durable_file.h>
#include <embergate/policy.h>
#include <fcntl.h>
#include <stdio.h>

#define FILE_MAX (4u << 20)

/* The text is valid JSON: it was parsed before. Every step stays within it all the same. */
typedef struct place {
    eg_str text;
    size_t at, found;     /* found: where the deepest key that is there begins */
} place;

static char here(const place *w) { return w->at < w->text.len ? w->text.ptr[w->at] : '\0'; }

static void skip_blanks(place *w) {
    while (here(w) == ' ' || here(w) == '\n' || here(w) == '\t' || here(w) == '\r') {
        w->at++;
    }
}

static eg_str take_string(place *w) {
    const size_t from = ++w->at;
    while (w->at < w->text.len && w->text.ptr[w->at] != '"') {
        w->at += w->text.ptr[w->at] == '\\' ? 2 : 1;
    }
    const size_t to = w->at < w->text.len ? w->at : w->text.len;
    w->at = to + 1;
    return (eg_str){w->text.ptr + from, to - from};
}

static void skip_value(place *w) {
    size_t depth = 0;
    do {
        const char c = here(w);
        if (c == '"') {
            (void)take_string(w);
            continue;
        }
        depth += c == '{' || c == '[';
        if (c == '}' || c == ']') {
            if (depth == 0) {
                return;
            }
            depth--;
        } else if (depth == 0 && (c == ',' || c == '\0')) {
            return;
        }
        w->at++;
    } while (w->at < w->text.len && (depth > 0 || (here(w) != ',' && here(w) != '}' && here(w) != ']')));
}

static bool enter_member(place *w, eg_str key) {
    if (here(w) != '{') {
        return false;
    }
    for (w->at++;; w->at++) {
        skip_blanks(w);
        const size_t begins = w->at;
        if (here(w) != '"') {
            return false;
        }
        const bool mine = eg_str_eq(take_string(w), key);
        skip_blanks(w);
        w->at++; /* the colon */
        skip_blanks(w);
        if (mine) {
            w->found = begins;
            return true;
        }
        skip_value(w);
        skip_blanks(w);
        if (here(w) != ',') {
            return false;
        }
    }
}

static bool enter_element(place *w, uint64_t index) {
    if (here(w) != '[') {
        return false;
    }
    w->at++;
    for (uint64_t i = 0;; i++) {
        skip_blanks(w);
        if (i == index) {
            w->found = w->at;
            return w->at < w->text.len;
        }
        skip_value(w);
        skip_blanks(w);
        if (here(w) != ',') {
            return false;
        }
        w->at++;
    }
}

/* path: "value[3].properties.principalId". The line of what is there of it, from 1. */
static size_t line_of(eg_str text, eg_str path) {
    place w = {.text = text};
    skip_blanks(&w);
    while (path.len > 0) {
        size_t n = 0;
        bool there;
        if (path.ptr[0] == '[') {
            uint64_t index = 0;
            while (n < path.len && path.ptr[n] != ']') {
                n++;
            }
            there = eg_str_u64((eg_str){path.ptr + 1, n - 1}, FILE_MAX, &index) == EG_OK && enter_element(&w, index);
            n += n < path.len;
        } else {
            while (n < path.len && path.ptr[n] != '.' && path.ptr[n] != '[') {
                n++;
            }
            there = enter_member(&w, (eg_str){path.ptr, n});
        }
        if (!there) {
            break;
        }
        n += n < path.len && path.ptr[n] == '.';
        path = (eg_str){path.ptr + n, path.len - n};
    }
    size_t line = 1;
    for (size_t i = 0; i < w.found && i < text.len; i++) {
        line += text.ptr[i] == '\n';
    }
    return line;
}

void eg_policy_line(const char *dir, eg_problem *p) {
    char path[1400], where[sizeof p->where];
    EG_CLEANUP(eg_buf_done) eg_buf text;
    const char *colon = strstr(p->where, ": ");
    eg_buf_init(&text, FILE_MAX);
    if (!colon || colon[2] == '\0' || p->code != EG_ERR_POLICY_INVALID) { /* of what is no JSON the message has the line */
        return;
    }
    (void)snprintf(path, sizeof path, "%s/%.*s", dir, (int)(colon - p->where), p->where);
    if (eg_file_read(AT_FDCWD, path, FILE_MAX, &text, NULL) != EG_OK) {
        return;
    }
    (void)snprintf(where, sizeof where, "%.*s:%zu: %.100s", (int)(colon - p->where), p->where, line_of(eg_buf_str(&text), eg_str_of(colon + 2)), colon + 2);
    (void)eg_fail_at(p, "%s", where);
}
