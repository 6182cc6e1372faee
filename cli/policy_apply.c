/* `embergate policy apply`, `export`, `assign` and `unassign`: from files to the store, and back. */
#include "policy_place.h"

#include <embergate/durable_file.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX (4u << 20)

/* Documents that are to be put, and the ids that they go by. */
typedef struct gathering {
    json_t *puts;
    json_t *ids;      /* "{folder} {id in lower case}" → the file that it came from */
} gathering;

static eg_err key_of(eg_policy_kind kind, const char *file, eg_str text, eg_buf *ret, eg_problem *p) {
    const eg_policy_document d = {kind, file, text, NULL};
    EG_TRY(eg_buf_addf(ret, "%s ", eg_policy_folders[kind]));
    EG_TRY(eg_policy_document_id(&d, ret, p));
    for (size_t i = 0; i < ret->len; i++) {
        ret->ptr[i] = (char)(ret->ptr[i] >= 'A' && ret->ptr[i] <= 'Z' ? ret->ptr[i] + ('a' - 'A') : ret->ptr[i]);
    }
    return EG_OK;
}

static eg_err take(void *ctx, eg_policy_kind kind, const char *file, eg_str text, eg_problem *p) {
    gathering *g = ctx;
    EG_CLEANUP(eg_buf_done) eg_buf key;
    json_t *v = NULL;
    eg_buf_init(&key, EG_POLICY_ID_MAX + 64);
    EG_TRY(key_of(kind, file, text, &key, p));
    const char *other = json_string_value(json_object_get(g->ids, key.ptr));
    if (other) {
        (void)eg_fail(p, EG_ERR_POLICY_INVALID, "This document is also in %s.", other);
        return eg_fail_at(p, "%s: %s", file, key.ptr);
    }
    EG_TRY(eg_json_parse(text, FILE_MAX, &v, p));
    json_object_set_new(g->ids, key.ptr, json_string(file));
    return json_array_append_new(g->puts, json_pack("{s:s, s:s, s:o}", "type", eg_policy_folders[kind], "name", file, "document", v)) == 0 ? EG_OK : EG_ERR_NO_MEMORY;
}

/* The kind by the folder that the file lies in, else by the type of what it holds. */
static eg_err kind_of(const char *path, eg_str text, eg_policy_kind *ret, eg_problem *p) {
    const char *slash = strrchr(path, '/'), *before = slash;
    while (before && before > path && before[-1] != '/') {
        before--;
    }
    if (slash && eg_policy_kind_of((eg_str){before, (size_t)(slash - before)}, ret) == EG_OK) {
        return EG_OK;
    }
    EG_JSON_AUTO v = NULL;
    eg_problem why = {0};
    if (eg_json_parse(text, FILE_MAX, &v, &why) != EG_OK) {
        (void)eg_fail(p, EG_ERR_POLICY_INVALID, "%s", why.message);
        return eg_fail_at(p, "%s", path);
    }
    const json_t *list = json_is_array(v) ? v : json_object_get(v, "value");
    const eg_str type = eg_json_str(json_is_array(list) ? json_array_get(list, 0) : v, "type");
    for (eg_policy_kind k = 0; k < EG_POLICY_KIND_COUNT; k++) {
        if (eg_str_ieq(type, eg_str_of(eg_policy_types[k]))) {
            *ret = k;
            return EG_OK;
        }
    }
    (void)eg_fail(p, EG_ERR_POLICY_INVALID, "What this is can't be told: it needs a \"type\", or to lie in a folder such as roleAssignments.");
    return eg_fail_at(p, "%s", path);
}

static eg_err take_file(gathering *g, const char *path, eg_problem *p) {
    EG_CLEANUP(eg_buf_done) eg_buf text;
    eg_policy_kind kind = 0;
    eg_buf_init(&text, FILE_MAX);
    if (eg_file_read(AT_FDCWD, path, FILE_MAX, &text, NULL) != EG_OK) {
        return eg_fail(p, EG_ERR_INVALID, "'%s' can't be read, or has more than 4 MiB", path);
    }
    EG_TRY(kind_of(path, eg_buf_str(&text), &kind, p));
    return eg_policy_read_text(kind, path, eg_buf_str(&text), (eg_policy_sink){take, g}, p);
}

/* Whatever the store has and the directory hasn't goes. */
static eg_err add_deletes(const gathering *g, const json_t *documents, json_t *deletes, eg_problem *p) {
    for (size_t i = 0; i < json_array_size(documents); i++) {
        const json_t *v = json_array_get(documents, i);
        EG_CLEANUP(eg_buf_done) eg_buf key, text;
        eg_policy_kind kind = 0;
        eg_buf_init(&key, EG_POLICY_ID_MAX + 64);
        eg_buf_init(&text, FILE_MAX);
        EG_TRY(eg_policy_kind_of(eg_json_str(v, "type"), &kind));
        EG_TRY(eg_json_write(json_object_get(v, "document"), &text));
        EG_TRY(key_of(kind, eg_policy_folders[kind], eg_buf_str(&text), &key, p));
        if (!json_object_get(g->ids, key.ptr)) {
            const char *id = strchr(key.ptr, ' ') + 1;
            json_array_append_new(deletes, json_pack("{s:s, s:s}", "type", eg_policy_folders[kind], "id", id));
        }
    }
    return EG_OK;
}

static bool is_dir(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

eg_err eg_cli_policy_apply(const eg_policy_orders *o, eg_problem *p) {
    EG_JSON_AUTO puts = json_array();
    EG_JSON_AUTO ids = json_object();
    EG_JSON_AUTO deletes = json_array();
    gathering g = {puts, ids};
    if (!o->operands[0]) {
        return eg_fail(p, EG_ERR_INVALID, "a directory or files are owed after apply");
    }
    if (is_dir(o->operands[0])) {
        EG_CLEANUP(eg_policy_unref_p) eg_policy *checked = NULL;
        EG_JSON_AUTO in = json_object();
        EG_JSON_AUTO now = NULL;
        if (o->operands[1]) {
            return eg_fail(p, EG_ERR_INVALID, "one directory is applied at a time: it is all that there will be");
        }
        const eg_err e = eg_policy_load(o->operands[0], 1, &checked, p);
        if (e != EG_OK) {
            eg_policy_line(o->operands[0], p);
            return e;
        }
        EG_TRY(eg_policy_read_dir(o->operands[0], (eg_policy_sink){take, &g}, p));
        EG_TRY(eg_policy_place_ask(o->place, "documents", in, &now, p));
        EG_TRY(add_deletes(&g, json_object_get(now, "documents"), deletes, p));
    }
    for (size_t i = 0; !is_dir(o->operands[0]) && o->operands[i]; i++) {
        EG_TRY(take_file(&g, o->operands[i], p));
    }
    EG_JSON_AUTO change = json_pack("{s:O, s:O}", "puts", puts, "deletes", deletes);
    return eg_cli_policy_send(o, "change", change, p);
}

/* A file's name from a document's: whatever could be anything but a name becomes an underscore. */
static void file_name(const json_t *document, size_t index, char ret[200]) {
    const eg_str name = eg_json_str(document, "name");
    size_t n = 0;
    for (; n < name.len && n < 100; n++) {
        const char c = name.ptr[n];
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
        ret[n] = plain ? c : '_';
    }
    ret[n] = '\0';
    (void)snprintf(ret + n, 200 - n, index ? "-%zu.json" : ".json", index);
}

static eg_err write_document(const char *dir, const json_t *v, eg_problem *p) {
    char path[1400], name[200];
    const eg_str folder = eg_json_str(v, "type");
    const json_t *document = json_object_get(v, "document");
    eg_policy_kind kind = 0;
    EG_TRY(eg_policy_kind_of(folder, &kind));
    (void)snprintf(path, sizeof path, "%s/%s", dir, eg_policy_folders[kind]);
    EG_TRY(eg_dir_make(path, 0755, p));
    for (size_t i = 0; i < 1000; i++) {
        file_name(document, i, name);
        (void)snprintf(path, sizeof path, "%s/%s/%s", dir, eg_policy_folders[kind], name);
        if (access(path, F_OK) != 0) {
            break;
        }
    }
    char *text = json_dumps(document, JSON_INDENT(2));
    const eg_err e = text ? eg_file_replace(AT_FDCWD, path, 0644, eg_str_bytes(eg_str_of(text)), p) : EG_ERR_NO_MEMORY;
    free(text);
    return e;
}

eg_err eg_cli_policy_export(const eg_policy_orders *o, eg_problem *p) {
    EG_JSON_AUTO in = json_object();
    EG_JSON_AUTO now = NULL;
    const char *dir = o->operands[0];
    if (!dir || o->operands[1]) {
        return eg_fail(p, EG_ERR_INVALID, "one directory is owed after export");
    }
    if (access(dir, F_OK) == 0 && rmdir(dir) != 0) {
        return eg_fail(p, EG_ERR_EXISTS, "'%s' is there and not empty: export never writes over anything", dir);
    }
    EG_TRY(eg_dir_make(dir, 0755, p));
    EG_TRY(eg_policy_place_ask(o->place, "documents", in, &now, p));
    const json_t *list = json_object_get(now, "documents");
    for (size_t i = 0; i < json_array_size(list); i++) {
        EG_TRY(write_document(dir, json_array_get(list, i), p));
    }
    printf("wrote %zu documents of version %lld to %s\n", json_array_size(list), (long long)json_integer_value(json_object_get(now, "version")), dir);
    return EG_OK;
}

eg_err eg_cli_policy_assign_in(const eg_policy_orders *o, bool add, eg_problem *p) {
    EG_CLEANUP(eg_policy_unref_p) eg_policy *pol = NULL;
    EG_CLEANUP(eg_buf_done) eg_buf text, id;
    EG_JSON_AUTO document = NULL;
    eg_buf_init(&text, 65536);
    eg_buf_init(&id, EG_POLICY_ID_MAX + 1);
    EG_JSON_AUTO now = NULL;
    EG_TRY(eg_policy_place_load(o->place, &pol, &now, p));
    EG_TRY(eg_policy_grant_text(pol, o->grant, &text, p));
    const eg_policy_document d = {EG_POLICY_ASSIGNMENTS, "the assignment", eg_buf_str(&text), NULL};
    EG_TRY(eg_policy_document_id(&d, &id, p));
    EG_TRY(eg_json_parse(eg_buf_str(&text), FILE_MAX, &document, p));
    EG_TRY(add ? eg_policy_place_try(now, EG_POLICY_ASSIGNMENTS, document, p) : EG_OK);
    EG_JSON_AUTO change = add ? json_pack("{s:[{s:s, s:O}]}", "puts", "type", "roleAssignments", "document", document)
                              : json_pack("{s:[{s:s, s:s}]}", "deletes", "type", "roleAssignments", "id", id.ptr);
    return change ? eg_cli_policy_send(o, "change", change, p) : EG_ERR_NO_MEMORY;
}
