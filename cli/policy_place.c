/* Asks for policies wherever they are kept, and says what came of a change. */
#include "policy_place.h"

#include <embergate/policy_desk.h>
#include <stdlib.h>
#include <unistd.h>

static bool may_open(const char *state_dir) {
    char path[700];
    (void)snprintf(path, sizeof path, "%s/gateway/db/data.mdb", state_dir);
    return *state_dir && access(path, R_OK | W_OK) == 0;
}

eg_err eg_policy_place_ask(const eg_policy_place *w, const char *verb, const json_t *in, json_t **ret, eg_problem *p) {
    char path[256];
    if (may_open(w->state_dir)) {
        const eg_err e = eg_policy_desk_offline(w->state_dir, verb, in, ret, p);
        if (e != EG_ERR_LOCKED) {
            return e;
        }
    }
    if (!w->subscription[0]) {
        (void)eg_fail(p, EG_ERR_INVALID, "the profile names no subscription, under which policies are administered");
        return p ? eg_fail_hint(p, "add \"subscription\" to it, or set EMBERGATE_SUBSCRIPTION") : EG_ERR_INVALID;
    }
    (void)snprintf(path, sizeof path, "/subscriptions/%s/providers/Embergate.Policies/%s", w->subscription, verb);
    return eg_cli_send_json("POST", path, in, ret, p);
}

/* The documents of an answer, kind by kind. */
typedef struct reading {
    const json_t *list;
    eg_policy_kind kind;
    size_t at;
    char *text;
    char name[160];
} reading;

static eg_err next(void *ctx, eg_policy_document *ret, eg_problem *p) {
    reading *r = ctx;
    for (; r->kind < EG_POLICY_KIND_COUNT; r->kind++, r->at = 0) {
        while (r->at < json_array_size(r->list)) {
            const json_t *v = json_array_get(r->list, r->at++), *document = json_object_get(v, "document");
            const eg_str name = eg_json_str(document, "name");
            if (!eg_str_is(eg_json_str(v, "type"), eg_policy_folders[r->kind])) {
                continue;
            }
            free(r->text);
            r->text = json_dumps(document, JSON_COMPACT);
            if (!r->text) {
                return eg_fail(p, EG_ERR_NO_MEMORY, "out of memory");
            }
            (void)snprintf(r->name, sizeof r->name, "%s/%.*s", eg_policy_folders[r->kind], (int)(name.len < 120 ? name.len : 120), name.ptr ? name.ptr : "");
            *ret = (eg_policy_document){r->kind, r->name, eg_str_of(r->text), NULL};
            return EG_OK;
        }
    }
    return EG_ERR_NOT_FOUND;
}

static eg_err load(const json_t *list, uint64_t version, eg_policy **ret, eg_problem *p) {
    reading r = {.list = list};
    const eg_policy_documents documents = {next, &r};
    const eg_err e = eg_policy_load_from(&documents, version, ret, p);
    free(r.text);
    return e;
}

eg_err eg_policy_place_try(const json_t *documents, eg_policy_kind kind, const json_t *more, eg_problem *p) {
    EG_CLEANUP(eg_policy_unref_p) eg_policy *pol = NULL;
    EG_JSON_AUTO list = json_copy((json_t *)(uintptr_t)json_object_get(documents, "documents"));
    json_array_append_new(list, json_pack("{s:s, s:O}", "type", eg_policy_folders[kind], "document", more));
    return load(list, 1, &pol, p);
}

eg_err eg_policy_place_load(const eg_policy_place *w, eg_policy **ret, json_t **ret_documents, eg_problem *p) {
    if (w->dir[0]) {
        EG_TRY(eg_policy_load(w->dir, 1, ret, p));
        eg_policy_separate_duties(*ret, w->separate_duties);
        return EG_OK;
    }
    EG_JSON_AUTO in = json_object();
    EG_JSON_AUTO all = NULL;
    EG_TRY(eg_policy_place_ask(w, "documents", in, &all, p));
    const json_int_t version = json_integer_value(json_object_get(all, "version"));
    const eg_err e = load(json_object_get(all, "documents"), (uint64_t)version, ret, p);
    if (e == EG_OK) {
        eg_policy_separate_duties(*ret, w->separate_duties || json_is_true(json_object_get(all, "separationOfDuties")));
    }
    if (e == EG_OK && ret_documents) {
        *ret_documents = json_incref(all);
    }
    return e;
}

static void tell(const eg_policy_orders *o, const json_t *answer, bool dry) {
    const eg_str words = eg_json_str(answer, "whatIf"), pending = eg_json_str(answer, "pending");
    const json_int_t changes = json_integer_value(json_object_get(answer, "changes")), version = json_integer_value(json_object_get(answer, "version"));
    if (o->json) {
        if (!dry || o->dry_run) {
            eg_cli_print_json(answer);
        }
        return;
    }
    if (dry) {
        eg_str rest = words;
        while (rest.ptr && rest.len > 0) {
            eg_cli_put_inert(stdout, eg_str_cut(&rest, '\n'));
            putchar('\n');
        }
        if (changes == 0) {
            puts("nothing changes");
        } else if (words.len == 0) {
            printf("%d document%s differ%s, and nobody gains or loses anything\n", (int)changes, changes == 1 ? "" : "s", changes == 1 ? "s" : "");
        }
    } else if (pending.len > 0) {
        printf("waits for a second person: embergate policy approve %.*s\n", EG_FMT(pending));
    } else if (changes > 0) {
        printf("version %lld is in force (%lld document%s changed)\n", (long long)version, (long long)changes, changes == 1 ? "" : "s");
    }
}

static void add(json_t *to, const char *name, const char *text) {
    if (text) {
        json_object_set_new(to, name, json_string(text));
    }
}

/* What was told is what is done: the change is bound to the version that the first answer spoke of. */
eg_err eg_cli_policy_send(const eg_policy_orders *o, const char *verb, json_t *change, eg_problem *p) {
    EG_JSON_AUTO first = NULL;
    EG_JSON_AUTO second = NULL;
    add(change, "ticket", o->ticket);
    add(change, "justification", o->justification);
    add(change, "author", o->author);
    json_object_set_new(change, "dryRun", json_true());
    EG_TRY(eg_policy_place_ask(o->place, verb, change, &first, p));
    tell(o, first, true);
    const json_int_t changes = json_integer_value(json_object_get(first, "changes")), version = json_integer_value(json_object_get(first, "version"));
    if (o->dry_run || changes == 0) {
        if (!o->dry_run && o->json) {
            eg_cli_print_json(first);
        }
        return EG_OK;
    }
    json_object_set_new(change, "dryRun", json_false());
    if (version > 1) {
        json_object_set_new(change, "expectedVersion", json_integer(version - 1));
    }
    EG_TRY(eg_policy_place_ask(o->place, verb, change, &second, p));
    tell(o, second, false);
    return EG_OK;
}
