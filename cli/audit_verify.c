/* `embergate audit verify`: proves a log's folder whole, or names what is damaged, without asking a server. */
#include "cli.h"

#include <embergate/audit.h>
#include <getopt.h>
#include <inttypes.h>

static void print_json(const eg_audit_verdict *v, bool whole, const char *key, const eg_problem *p) {
    json_t *out = json_pack("{s:b,s:I,s:s,s:s}", "whole", whole, "size", (json_int_t)v->size, "root", v->root, "key", key ? "given" : "the folder's own");
    if (v->damaged != UINT64_MAX) {
        json_object_set_new(out, "damaged", json_integer((json_int_t)v->damaged));
        json_object_set_new(out, "what", json_string(v->damaged_what));
    } else if (p->message[0]) {
        json_object_set_new(out, "what", json_string(p->message));
        json_object_set_new(out, "where", json_string(p->where));
    }
    eg_cli_print_json(out);
    json_decref(out);
}

static void print_words(const char *dir, const eg_audit_verdict *v, const char *key) {
    if (v->damaged != UINT64_MAX) {
        printf("damaged: ");
        eg_cli_put_inert(stdout, eg_str_of(v->damaged_what));
        printf("\n  of %" PRIu64 " records beneath ", v->size);
        eg_cli_put_inert(stdout, eg_str_of(dir));
        putchar('\n');
        return;
    }
    printf("whole: %" PRIu64 " records, root %s\n", v->size, v->root);
    if (!key) {
        printf("  Checked with the folder's own vkey, which proves less: pass --key with one that you got elsewhere.\n");
    }
}

int eg_cli_audit_verify(int argc, char **argv) {
    static const struct option longs[] = {{"key", required_argument, NULL, 'k'}, {"json", no_argument, NULL, 'J'}, {NULL, 0, NULL, 0}};
    const char *key = NULL;
    bool json = false;
    optind = 1;
    for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
        switch (c) {
        case 'k': key = optarg; break;
        case 'J': json = true; break;
        default: return eg_cli_usage("audit", "an option is unknown or lacks its value");
        }
    }
    if (optind + 1 != argc) {
        return eg_cli_usage("audit", "which log? Name one folder.");
    }
    eg_audit_verdict v = {.damaged = UINT64_MAX};
    eg_problem p = {0};
    eg_err e = eg_audit_verify(argv[optind], key, &v, &p);
    bool whole = e == EG_OK && v.damaged == UINT64_MAX;
    if (e == EG_OK || e == EG_ERR_CORRUPT) {
        if (json) {
            print_json(&v, whole, key, &p);
        } else if (e == EG_OK) {
            print_words(argv[optind], &v, key);
        }
    }
    if (e != EG_OK && !(json && e == EG_ERR_CORRUPT)) {
        int status = eg_cli_complain(&p);
        return e == EG_ERR_INVALID || e == EG_ERR_NOT_FOUND ? EG_EXIT_USAGE : status;
    }
    return whole ? EG_EXIT_OK : EG_EXIT_FAILED;
}
