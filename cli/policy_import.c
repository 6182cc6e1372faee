/* `embergate policy import`: what az prints of an existing subscription, as documents; what doesn't translate is reported, one by one. */
#include "policy_place.h"

#include <embergate/durable_file.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define FILE_MAX (64u << 20)

typedef struct importing {
    const char *to;
    json_t *kept[8];         /* what was taken, a list a source */
    size_t taken, refused, built_in;
} importing;

static void report(importing *m, const char *file, size_t index, const char *name, const eg_problem *p) {
    m->refused++;
    printf("not taken: %s[%zu] %s: %s%s%s\n", file, index, name ? name : "", p->message, p->where[0] ? " at " : "", p->where);
}

static eg_err read_list(const char *file, json_t **ret, eg_problem *p) {
    EG_CLEANUP(eg_buf_done) eg_buf text;
    EG_JSON_AUTO v = NULL;
    eg_buf_init(&text, FILE_MAX);
    EG_TRY(eg_file_read(AT_FDCWD, file, FILE_MAX, &text, p));
    if (eg_json_parse(eg_buf_str(&text), FILE_MAX, &v, p) != EG_OK) {
        return p ? eg_fail_at(p, "%s", file) : EG_ERR_INVALID;
    }
    json_t *list = json_is_array(v) ? v : json_object_get(v, "value");
    if (!json_is_array(list)) {
        return eg_fail(p, EG_ERR_INVALID, "%s: a list is expected, as `az … list` prints it", file);
    }
    *ret = json_incref(list);
    return EG_OK;
}

/* az prints members flat that Azure's API has in "properties": those that are named go in, those that decide nothing and are az's own go away. */
static json_t *folded(const json_t *flat, const char *const *top, const char *const *dropped) {
    json_t *out = json_object(), *properties = json_object();
    const char *name;
    json_t *v;
    if (json_is_object(json_object_get(flat, "properties"))) {
        json_decref(properties);
        json_decref(out);
        return json_deep_copy(flat); /* the API's shape already */
    }
    json_object_foreach((json_t *)(uintptr_t)flat, name, v) {
        bool is_top = false, is_dropped = json_is_null(v);
        for (size_t i = 0; top[i]; i++) {
            is_top = is_top || strcmp(top[i], name) == 0;
        }
        for (size_t i = 0; dropped[i]; i++) {
            is_dropped = is_dropped || strcmp(dropped[i], name) == 0;
        }
        if (!is_dropped) {
            json_object_set(is_top ? out : properties, name, v);
        }
    }
    json_object_set_new(out, "properties", properties);
    return out;
}

static const char *const id_top[] = {"id", "name", "type", NULL};

static json_t *role_of(const json_t *flat) {
    static const char *const none[] = {NULL};
    json_t *out = folded(flat, id_top, none), *properties = json_object_get(out, "properties"), *custom = json_object_get(properties, "roleType");
    const char *type = json_string_value(custom);
    if (type && strcmp(type, "BuiltInRole") == 0) {
        json_object_set_new(out, "builtIn", json_true());
    }
    return out;
}

static json_t *assignment_of(const json_t *flat) {
    static const char *const dropped[] = {"principalName", "roleDefinitionName", "resourceGroup", NULL};
    return folded(flat, id_top, dropped);
}

static json_t *group_of(const json_t *flat) {
    static const char *const top[] = {"id", "name", "type", "location", "tags", "etag", NULL}, *const dropped[] = {"resourceGroup", "resourceGuid", "provisioningState", "subnets",
                                                                                                               "networkInterfaces", "flowLogs", "defaultSecurityRules", NULL};
    static const char *const rule_top[] = {"id", "name", "type", "etag", NULL}, *const rule_dropped[] = {"resourceGroup", "provisioningState", NULL};
    json_t *out = folded(flat, top, dropped), *properties = json_object_get(out, "properties"), *rules = json_object_get(properties, "securityRules"), *list = json_array();
    for (size_t i = 0; i < json_array_size(rules); i++) {
        json_array_append_new(list, folded(json_array_get(rules, i), rule_top, rule_dropped));
    }
    json_object_set_new(properties, "securityRules", list);
    return out;
}

/* What Azure made itself is here already, or isn't needed: thousands are. */
static json_t *rule_of(const json_t *flat) {
    static const char *const dropped[] = {"systemData", "versions", NULL};
    json_t *out = folded(flat, id_top, dropped);
    const char *type = json_string_value(json_object_get(json_object_get(out, "properties"), "policyType"));
    if (type && (strcmp(type, "BuiltIn") == 0 || strcmp(type, "Static") == 0)) {
        json_object_set_new(out, "builtIn", json_true());
    }
    return out;
}

static json_t *rule_assignment_of(const json_t *flat) {
    static const char *const top[] = {"id", "name", "type", "location", "identity", NULL}, *const dropped[] = {"systemData", "resourceGroup", NULL};
    return folded(flat, top, dropped);
}

enum { NEEDS_ROLES = 1, NEEDS_RULES = 2, NEEDS_INITIATIVES = 4 };
/* In the order of their kinds. */
static const struct {
    eg_policy_kind kind;
    size_t file;             /* offset in eg_policy_import */
    json_t *(*translate)(const json_t *flat);
    unsigned gives, needs;
} sources[] = {
    {EG_POLICY_ROLES, offsetof(eg_policy_import, roles), role_of, NEEDS_ROLES, NEEDS_ROLES},
    {EG_POLICY_ASSIGNMENTS, offsetof(eg_policy_import, assignments), assignment_of, 0, NEEDS_ROLES},
    {EG_POLICY_GROUPS, offsetof(eg_policy_import, groups), group_of, 0, 0},
    {EG_POLICY_RULES, offsetof(eg_policy_import, rules), rule_of, NEEDS_RULES, 0},
    {EG_POLICY_INITIATIVES, offsetof(eg_policy_import, initiatives), rule_of, NEEDS_INITIATIVES, NEEDS_RULES},
    {EG_POLICY_RULE_ASSIGNMENTS, offsetof(eg_policy_import, rule_assignments), rule_assignment_of, 0, NEEDS_RULES | NEEDS_INITIATIVES},
};
#define SOURCES (sizeof sources / sizeof sources[0])

/* Documents that were taken so far, and one more. */
typedef struct trial {
    json_t *const *kept;    /* one array a source */
    const json_t *one;
    size_t source, at;
    char *text;
} trial;

static eg_err next(void *ctx, eg_policy_document *ret, eg_problem *p) {
    trial *t = ctx;
    for (; t->source < SOURCES; t->source++, t->at = 0) {
        const json_t *list = t->kept[t->source];
        const size_t n = json_array_size(list);
        const bool mine = t->one && json_object_get(t->one, "kind") && json_integer_value(json_object_get(t->one, "kind")) == (json_int_t)sources[t->source].kind;
        if (t->at >= n + mine) {
            continue;
        }
        const json_t *v = t->at < n ? json_array_get(list, t->at) : json_object_get(t->one, "document");
        t->at++;
        free(t->text);
        t->text = json_dumps(v, JSON_COMPACT);
        if (!t->text) {
            return eg_fail(p, EG_ERR_NO_MEMORY, "out of memory");
        }
        *ret = (eg_policy_document){sources[t->source].kind, "it", eg_str_of(t->text), NULL};
        return EG_OK;
    }
    return EG_ERR_NOT_FOUND;
}

/* Each is tried against what it may refer to alone, so that the time of most grows with the list and not with its square. */
static eg_err fits(importing *m, size_t source, const json_t *document, eg_problem *p) {
    json_t *kept[SOURCES];
    for (size_t i = 0; i < SOURCES; i++) {
        kept[i] = (sources[i].gives & sources[source].needs) ? m->kept[i] : NULL;
    }
    EG_JSON_AUTO one = json_pack("{s:i, s:O}", "kind", (int)sources[source].kind, "document", document);
    EG_CLEANUP(eg_policy_unref_p) eg_policy *pol = NULL;
    trial t = {.kept = kept, .one = one};
    const eg_policy_documents all = {next, &t};
    const eg_err e = eg_policy_load_from(&all, 1, &pol, p);
    free(t.text);
    return e;
}

static eg_err write_all(const char *to, eg_policy_kind kind, const json_t *list, eg_problem *p) {
    char path[1400];
    if (json_array_size(list) == 0) {
        return EG_OK;
    }
    (void)snprintf(path, sizeof path, "%s/%s", to, eg_policy_folders[kind]);
    EG_TRY(eg_dir_make(path, 0755, p));
    (void)snprintf(path, sizeof path, "%s/%s/imported.json", to, eg_policy_folders[kind]);
    EG_JSON_AUTO v = json_pack("{s:O}", "value", list);
    char *text = v ? json_dumps(v, JSON_INDENT(2)) : NULL;
    const eg_err e = text ? eg_file_replace(AT_FDCWD, path, 0644, eg_str_bytes(eg_str_of(text)), p) : EG_ERR_NO_MEMORY;
    free(text);
    return e;
}

/* Whether the role of this name, which Azure has built in, is here as well. */
static eg_err is_here(const char *name, bool *ret, eg_problem *p) {
    char unused[EG_UUID_LEN];
    EG_CLEANUP(eg_policy_unref_p) eg_policy *builtin = NULL;
    json_t *const nothing[SOURCES] = {NULL};
    trial t = {.kept = nothing};
    const eg_policy_documents none = {next, &t};
    EG_TRY(eg_policy_load_from(&none, 1, &builtin, p));
    *ret = eg_policy_role_id(builtin, eg_str_of(name), unused) == EG_OK;
    return EG_OK;
}

/* true: nothing is to be written of it. */
static eg_err skip_built_in(importing *m, size_t source, json_t *document, bool *ret, eg_problem *p) {
    *ret = false;
    if (!json_object_get(document, "builtIn")) {
        return EG_OK;
    }
    json_object_del(document, "builtIn");
    if (sources[source].kind == EG_POLICY_ROLES) {
        EG_TRY(is_here(json_string_value(json_object_get(document, "name")), ret, p));
        m->taken += *ret;
        return EG_OK;
    }
    m->built_in++;
    *ret = true;
    return EG_OK;
}

static eg_err import_one(importing *m, size_t source, const char *file, eg_problem *p) {
    EG_JSON_AUTO list = NULL;
    EG_TRY(read_list(file, &list, p));
    for (size_t i = 0; i < json_array_size(list); i++) {
        EG_JSON_AUTO document = sources[source].translate(json_array_get(list, i));
        eg_problem why = {0};
        bool skip = false;
        EG_TRY(skip_built_in(m, source, document, &skip, p));
        if (skip) {
            continue;
        }
        if (fits(m, source, document, &why) != EG_OK) {
            report(m, file, i, json_string_value(json_object_get(document, "name")), &why);
            continue;
        }
        m->taken++;
        json_array_append(m->kept[source], document);
    }
    return write_all(m->to, sources[source].kind, m->kept[source], p);
}

eg_err eg_cli_policy_import(const eg_policy_import *o, int *ret_status, eg_problem *p) {
    importing m = {.to = o->to};
    if (!o->to || !(o->assignments || o->groups || o->roles || o->rules || o->initiatives || o->rule_assignments)) {
        return eg_fail(p, EG_ERR_INVALID, "--to DIR and one of --role-assignments, --nsgs, --role-definitions, --policy-definitions, --policy-set-definitions and --policy-assignments "
                       "are owed");
    }
    if (access(o->to, F_OK) == 0 && rmdir(o->to) != 0) {
        return eg_fail(p, EG_ERR_EXISTS, "'%s' is there and not empty: import never writes over anything", o->to);
    }
    EG_TRY(eg_dir_make(o->to, 0755, p));
    eg_err e = EG_OK;
    for (size_t i = 0; i < SOURCES && e == EG_OK; i++) {
        const char *file = *(const char *const *)((const char *)o + sources[i].file);
        m.kept[i] = json_array();
        e = file ? import_one(&m, i, file, p) : EG_OK;
    }
    for (size_t i = 0; i < SOURCES; i++) {
        json_decref(m.kept[i]);
    }
    EG_TRY(e);
    puts("left out of each, as it decides nothing here or is az's own: principalName, roleDefinitionName, resourceGroup, resourceGuid, provisioningState, network interfaces,\n"
         "flow logs, default rules. Which subnets a security group is bound to stands in virtualNetworks, which az lists elsewhere: write them by hand.");
    if (m.built_in > 0) {
        printf("%zu definitions and initiatives of Azure's own were left out: an assignment of one that is not built in here is among what is not taken\n", m.built_in);
    }
    printf("%zu taken, %zu not; the documents are in %s\n", m.taken, m.refused, o->to);
    *ret_status = m.refused ? EG_EXIT_FAILED : EG_EXIT_OK;
    return EG_OK;
}
