/* `embergate audit verify`: proves a log's folder whole, or names what is damaged, without asking a server. */
#include "cli.h"

#include <embergate/audit.h>
#include <embergate/clock.h>
#include <getopt.h>
#include <inttypes.h>

typedef struct asked {
    const char *dir;
    const char *key;
    const char *witnesses[EG_WITNESSES_MAX];
    size_t witness_count;
    bool json;
} asked;

typedef struct found {
    eg_audit_verdict verdict;
    eg_witness_seen seen[EG_WITNESSES_MAX];
} found;

/* Of a key "name+hash+base64". */
static eg_str name_of(const char *key) {
    eg_str rest = eg_str_of(key);
    return eg_str_cut(&rest, '+');
}

static json_t *witnessed_json(const asked *a, const found *f) {
    json_t *all = json_array();
    for (size_t i = 0; i < a->witness_count && f->seen[i].size > 0; i++) {
        const eg_str name = name_of(a->witnesses[i]);
        char time[EG_RFC3339_LEN];
        eg_time_rfc3339(f->seen[i].time_s * INT64_C(1000000000), time);
        json_array_append_new(all, json_pack("{s:s%,s:I,s:s}", "name", name.ptr, name.len, "size", (json_int_t)f->seen[i].size, "time", time));
    }
    return all;
}

static void print_json(const asked *a, const found *f, bool whole, const eg_problem *p) {
    const eg_audit_verdict *v = &f->verdict;
    json_t *out = json_pack("{s:b,s:I,s:s,s:s}", "whole", whole, "size", (json_int_t)v->size, "root", v->root, "key", a->key ? "given" : "the folder's own");
    if (v->damaged != UINT64_MAX) {
        json_object_set_new(out, "damaged", json_integer((json_int_t)v->damaged));
        json_object_set_new(out, "what", json_string(v->damaged_what));
    } else if (p->message[0]) {
        json_object_set_new(out, "what", json_string(p->message));
        json_object_set_new(out, "where", json_string(p->where));
    } else if (a->witness_count > 0) {
        json_object_set_new(out, "witnessed", witnessed_json(a, f));
    }
    eg_cli_print_json(out);
    json_decref(out);
}

static void print_words(const asked *a, const found *f) {
    const eg_audit_verdict *v = &f->verdict;
    if (v->damaged != UINT64_MAX) {
        printf("damaged: ");
        eg_cli_put_inert(stdout, eg_str_of(v->damaged_what));
        printf("\n  of %" PRIu64 " records beneath ", v->size);
        eg_cli_put_inert(stdout, eg_str_of(a->dir));
        putchar('\n');
        return;
    }
    printf("whole: %" PRIu64 " records, root %s\n", v->size, v->root);
    for (size_t i = 0; i < a->witness_count; i++) {
        char time[EG_RFC3339_LEN];
        eg_time_rfc3339(f->seen[i].time_s * INT64_C(1000000000), time);
        printf("  witnessed by ");
        eg_cli_put_inert(stdout, name_of(a->witnesses[i]));
        printf(" at %s: %" PRIu64 " records\n", time, f->seen[i].size);
    }
    if (!a->key) {
        printf("  Checked with the folder's own vkey, which proves less: pass --key with one that you got elsewhere.\n");
    }
}

static bool read_options(int argc, char **argv, asked *ret) {
    static const struct option longs[] = {{"key", required_argument, NULL, 'k'}, {"witness", required_argument, NULL, 'w'}, {"json", no_argument, NULL, 'J'}, {NULL, 0, NULL, 0}};
    optind = 1;
    for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        switch (c) {
        case 'k': ret->key = optarg; break;
        case 'J': ret->json = true; break;
        case 'w':
            if (ret->witness_count == EG_WITNESSES_MAX) {
                return false;
            }
            ret->witnesses[ret->witness_count++] = optarg;
            break;
        default: return false;
        }
    }
    return true;
}

int eg_cli_audit_verify(int argc, char **argv) {
    asked a = {.dir = NULL};
    found f = {.verdict = {.damaged = UINT64_MAX}};
    eg_problem p = {0};
    if (!read_options(argc, argv, &a)) {
        return eg_cli_usage("audit", "an option is unknown, lacks its value or is given too often");
    }
    if (optind + 1 != argc) {
        return eg_cli_usage("audit", "which log? Name one folder.");
    }
    a.dir = argv[optind];
    const eg_err e = eg_audit_verify_witnessed(a.dir, a.key, a.witnesses, a.witness_count, &f.verdict, f.seen, &p);
    const bool whole = e == EG_OK && f.verdict.damaged == UINT64_MAX;
    if (e == EG_OK || e == EG_ERR_CORRUPT) {
        if (a.json) {
            print_json(&a, &f, whole, &p);
        } else if (e == EG_OK) {
            print_words(&a, &f);
        }
    }
    if (e != EG_OK && !(a.json && e == EG_ERR_CORRUPT)) {
        const int status = eg_cli_complain(&p);
        return e == EG_ERR_INVALID || e == EG_ERR_NOT_FOUND ? EG_EXIT_USAGE : status;
    }
    return whole ? EG_EXIT_OK : EG_EXIT_FAILED;
}
