/* Reads a YAML file into an eg_config, row by row of the schema. */
#include "config_load.h"

#include <embergate/durable_file.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

#define ARENA_MAX ((size_t)16 << 20)

/* The entry that is being read: "clusters[2]", and where it stands. */
typedef struct place {
    eg_config_source *s;
    yaml_document_t *doc;
    size_t section;
    size_t index;
    char path[64];
} place;

eg_err eg_config_fail(const eg_config_source *s, size_t line, const char *fmt, ...) {
    char text[sizeof s->problem->message];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    eg_fail(s->problem, EG_ERR_CONFIG, "%s", n < 0 ? "invalid" : text);
    return eg_fail_at(s->problem, "%s:%zu", s->name, line);
}

static size_t line_of(const yaml_node_t *n) { return n->start_mark.line + 1; }

static eg_str scalar(const yaml_node_t *n) {
    return eg_bytes_str((eg_bytes){n->data.scalar.value, n->data.scalar.length});
}

static bool is_plain(const yaml_node_t *n) { return n->data.scalar.style == YAML_PLAIN_SCALAR_STYLE; }

/* What stood there, for the message: short. */
static eg_str found(const yaml_node_t *n) {
    if (n->type != YAML_SCALAR_NODE) {
        return n->type == YAML_SEQUENCE_NODE ? EG_LIT("a list") : EG_LIT("a mapping");
    }
    eg_str v = scalar(n);
    return (eg_str){v.ptr, v.len < 64 ? v.len : 64};
}

static eg_err wrong(const place *p, const eg_config_row *row, const yaml_node_t *n, const char *expected) {
    bool text = n->type == YAML_SCALAR_NODE;
    eg_str what = found(n);
    return eg_config_fail(p->s, line_of(n), "%s%s: expected %s, found %s%.*s%s.", p->path, row->key, expected, text ? "\"" : "", EG_FMT(what),
                          text ? "\"" : "");
}

static bool is_list(const eg_config_row *row) { return row->type == EG_CONFIG_TEXT_LIST || row->type == EG_CONFIG_PATH_LIST; }

static eg_err read_text_list(const place *p, const eg_config_row *row, void *owner, const yaml_node_t *n) {
    if (n->type != YAML_SEQUENCE_NODE) {
        return wrong(p, row, n, "a list");
    }
    size_t count = (size_t)(n->data.sequence.items.top - n->data.sequence.items.start);
    if (count > EG_CONFIG_LIST_MAX || (!row->dflt && count == 0)) {
        return eg_config_fail(p->s, line_of(n), "%s%s: expected from %d to %d entries, found %zu.", p->path, row->key, row->dflt ? 0 : 1,
                              EG_CONFIG_LIST_MAX, count);
    }
    const char **list = eg_arena_alloc(p->s->arena, (count + 1) * sizeof *list);
    if (!list) {
        return EG_ERR_NO_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        const yaml_node_t *item = yaml_document_get_node(p->doc, n->data.sequence.items.start[i]);
        const char *expected = "a text";
        if (item->type != YAML_SCALAR_NODE) {
            return wrong(p, row, item, expected);
        }
        eg_err e = eg_config_list_text(p->s, row, scalar(item), &list[i], &expected);
        if (e != EG_OK) {
            return e == EG_ERR_CONFIG ? wrong(p, row, item, expected) : e;
        }
    }
    return eg_config_set_list(row, owner, list);
}

static eg_err read_value(const place *p, const eg_config_row *row, void *owner, const yaml_node_t *n) {
    if (is_list(row)) {
        return read_text_list(p, row, owner, n);
    }
    const char *expected = "a single value";
    if (n->type != YAML_SCALAR_NODE) {
        return wrong(p, row, n, expected);
    }
    eg_err e = eg_config_set(p->s, row, owner, scalar(n), is_plain(n), &expected);
    return e == EG_ERR_CONFIG ? wrong(p, row, n, expected) : e;
}

static eg_err apply_default(const place *p, const eg_config_row *row, void *owner, size_t line) {
    static const char *const empty[] = {NULL};
    const char *expected = "";
    if (!row->dflt) {
        return eg_config_fail(p->s, line, "%s%s is missing; expected %s.", p->path, row->key,
                              row->check ? row->check->expected : "a whole number");
    }
    if (is_list(row)) {
        return eg_config_set_list(row, owner, empty);
    }
    bool plain = row->type != EG_CONFIG_TEXT && row->type != EG_CONFIG_PATH;
    return eg_config_set(p->s, row, owner, eg_str_of(row->dflt), plain, &expected);
}

static eg_err unknown_key(const place *p, const yaml_node_t *key) {
    char names[sizeof p->s->problem->message] = "";
    size_t used = 0;
    const eg_config_section *sec = &eg_config_sections[p->section];
    size_t total = sec->row_count + (p->section == 0 ? EG_CONFIG_SECTIONS - 1 : 0);
    for (size_t i = 0; i < total && used < sizeof names; i++) {
        const char *name = i < sec->row_count ? sec->rows[i].key : eg_config_sections[i - sec->row_count + 1].name;
        int n = snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", name);
        used += n > 0 ? (size_t)n : 0;
    }
    eg_str what = found(key);
    return eg_config_fail(p->s, line_of(key), "%s%.*s: there is no such key; expected one of %s.", p->path, EG_FMT(what), names);
}

/* The section's row, or the section at the top level, that a key names; -1 = none. Sections follow the rows. */
static int find_key(size_t section, eg_str key) {
    const eg_config_section *sec = &eg_config_sections[section];
    for (size_t i = 0; i < sec->row_count; i++) {
        if (eg_str_is(key, sec->rows[i].key)) {
            return (int)i;
        }
    }
    for (size_t i = 1; section == 0 && i < EG_CONFIG_SECTIONS; i++) {
        if (eg_str_is(key, eg_config_sections[i].name)) {
            return (int)(sec->row_count + i - 1);
        }
    }
    return -1;
}

/* Sorts the pairs of a mapping by what they name: ret[i] is the value's node, NULL where the file has none. */
static eg_err collect(const place *p, const yaml_node_t *map, const yaml_node_t **ret) {
    if (map->type != YAML_MAPPING_NODE) {
        eg_str what = found(map);
        return eg_config_fail(p->s, line_of(map), "%.*s: expected a mapping of keys to values, found %.*s.",
                              p->path[0] ? (int)strlen(p->path) - 1 : 8, p->path[0] ? p->path : "The file", EG_FMT(what));
    }
    for (yaml_node_pair_t *pair = map->data.mapping.pairs.start; pair < map->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = yaml_document_get_node(p->doc, pair->key);
        int at = key->type == YAML_SCALAR_NODE ? find_key(p->section, scalar(key)) : -1;
        if (at < 0) {
            return unknown_key(p, key);
        }
        if (ret[at]) {
            eg_str what = found(key);
            return eg_config_fail(p->s, line_of(key), "%s%.*s is given twice; expected once.", p->path, EG_FMT(what));
        }
        ret[at] = yaml_document_get_node(p->doc, pair->value);
    }
    return EG_OK;
}

/* The rows of one entry, or of a section that is no list. */
static eg_err read_rows(const place *p, void *owner, const yaml_node_t *const *values, size_t line) {
    const eg_config_section *sec = &eg_config_sections[p->section];
    for (size_t i = 0; i < sec->row_count; i++) {
        p->s->lines[p->section][p->index * sec->row_count + i] = (unsigned)(values[i] ? line_of(values[i]) : line);
        EG_TRY(values[i] ? read_value(p, &sec->rows[i], owner, values[i]) : apply_default(p, &sec->rows[i], owner, line));
    }
    return EG_OK;
}

static eg_err make_lines(eg_config_source *s, size_t section, size_t entries) {
    size_t n = entries * eg_config_sections[section].row_count;
    s->lines[section] = eg_arena_alloc(s->arena, (n + 1) * sizeof(unsigned));
    return s->lines[section] ? EG_OK : EG_ERR_NO_MEMORY;
}

static eg_err read_map_section(place *p, const yaml_node_t *n, size_t line) {
    const yaml_node_t *values[EG_CONFIG_ROWS_MAX] = {NULL};
    snprintf(p->path, sizeof p->path, "%s.", eg_config_sections[p->section].name);
    EG_TRY(make_lines(p->s, p->section, 1));
    if (n) {
        EG_TRY(collect(p, n, values));
    }
    return read_rows(p, p->s->config, values, line);
}

static eg_err read_list_section(place *p, const yaml_node_t *n, size_t line) {
    const eg_config_section *sec = &eg_config_sections[p->section];
    if (n && n->type != YAML_SEQUENCE_NODE) {
        eg_str what = found(n);
        return eg_config_fail(p->s, line_of(n), "%s: expected a list, found %.*s.", sec->name, EG_FMT(what));
    }
    size_t count = n ? (size_t)(n->data.sequence.items.top - n->data.sequence.items.start) : 0;
    if (count < sec->min || count > sec->max) {
        return eg_config_fail(p->s, n ? line_of(n) : line, "%s: expected from %zu to %zu entries, found %zu.", sec->name, sec->min, sec->max, count);
    }
    char *entries = eg_arena_alloc(p->s->arena, (count + 1) * sec->size);
    if (!entries) {
        return EG_ERR_NO_MEMORY;
    }
    EG_TRY(make_lines(p->s, p->section, count));
    for (p->index = 0; p->index < count; p->index++) {
        const yaml_node_t *item = yaml_document_get_node(p->doc, n->data.sequence.items.start[p->index]);
        const yaml_node_t *values[EG_CONFIG_ROWS_MAX] = {NULL};
        snprintf(p->path, sizeof p->path, "%s[%zu].", sec->name, p->index);
        EG_TRY(collect(p, item, values));
        EG_TRY(read_rows(p, entries + p->index * sec->size, values, line_of(item)));
    }
    memcpy((char *)p->s->config + sec->list_offset, &entries, sizeof entries);
    memcpy((char *)p->s->config + sec->count_offset, &count, sizeof count);
    return EG_OK;
}

static eg_err read_document(eg_config_source *s, yaml_document_t *doc) {
    const yaml_node_t *root = yaml_document_get_root_node(doc);
    const yaml_node_t *values[EG_CONFIG_ROWS_MAX + EG_CONFIG_SECTIONS] = {NULL};
    if (!root) {
        return eg_config_fail(s, 1, "The file is empty; expected at least state_dir, public_url, listeners and tenants.");
    }
    place top = {.s = s, .doc = doc};
    EG_TRY(make_lines(s, 0, 1));
    EG_TRY(collect(&top, root, values));
    EG_TRY(read_rows(&top, s->config, values, line_of(root)));
    for (size_t i = 1; i < EG_CONFIG_SECTIONS; i++) {
        place p = {.s = s, .doc = doc, .section = i};
        const yaml_node_t *n = values[eg_config_sections[0].row_count + i - 1];
        EG_TRY(eg_config_sections[i].list ? read_list_section(&p, n, line_of(root)) : read_map_section(&p, n, n ? line_of(n) : line_of(root)));
    }
    return EG_OK;
}

static eg_err read_yaml(eg_config_source *s, eg_str yaml) {
    yaml_parser_t parser;
    yaml_document_t doc;
    if (!yaml_parser_initialize(&parser)) {
        return EG_ERR_NO_MEMORY;
    }
    eg_bytes text = eg_str_bytes(yaml);
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, text.ptr, text.len);
    eg_err e = EG_OK;
    if (!yaml_parser_load(&parser, &doc)) {
        e = eg_config_fail(s, parser.problem_mark.line + 1, "The file is not valid YAML: %s.", parser.problem ? parser.problem : "it cannot be read");
    } else {
        e = read_document(s, &doc);
        yaml_document_delete(&doc);
    }
    yaml_parser_delete(&parser);
    return e;
}

/* What "" stands for in the paths that have a place of their own in state_dir. */
static eg_err fill_paths(const eg_config_source *s) {
    eg_config *c = s->config;
    const struct {
        const char **field;
        const char *name;
    } paths[] = {{&c->policies_dir, "policies"}, {&c->tls_certificate, "tls/server.pem"}, {&c->tls_key, "tls/server.key"}, {&c->tls_ca, "tls/ca.pem"}};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        if ((*paths[i].field)[0] == '\0') {
            *paths[i].field = eg_arena_printf(s->arena, "%s/%s", c->state_dir, paths[i].name).ptr;
            if (!*paths[i].field) {
                return EG_ERR_NO_MEMORY;
            }
        }
    }
    return EG_OK;
}

static eg_err parse(eg_str yaml, const char *name, const char *base, eg_config **ret, eg_problem *p) {
    eg_problem here = {0};
    eg_arena *arena = eg_arena_new(ARENA_MAX);
    eg_config *c = arena ? eg_arena_alloc(arena, sizeof *c) : NULL;
    if (!c) {
        eg_arena_free(arena);
        return eg_fail(p, EG_ERR_NO_MEMORY, "No memory for the configuration.");
    }
    c->memory = arena;
    eg_config_source s = {.name = name, .base = base, .arena = arena, .config = c, .problem = &here};
    eg_err e = yaml.len > EG_CONFIG_BYTES_MAX ? eg_config_fail(&s, 1, "The file is longer than %zu bytes.", EG_CONFIG_BYTES_MAX) : EG_OK;
    e = e ? e : eg_config_prescan(&s, yaml);
    e = e ? e : read_yaml(&s, yaml);
    e = e ? e : eg_config_check_rules(&s);
    e = e ? e : fill_paths(&s);
    if (e != EG_OK) {
        if (here.code != e) {
            eg_fail(&here, e, "The configuration cannot be read: %s.", eg_err_code(e));
        }
        if (p) {
            *p = here;
        }
        eg_config_free(c);
        return e;
    }
    *ret = c;
    return EG_OK;
}

eg_err eg_config_parse(eg_str yaml, const char *name, eg_config **ret, eg_problem *p) {
    char base[PATH_MAX];
    if (!getcwd(base, sizeof base)) {
        return eg_fail(p, EG_ERR_CONFIG, "The working directory cannot be found.");
    }
    return parse(yaml, name, base, ret, p);
}

static void free_text(char **z) { free(*z); }

eg_err eg_config_load(const char *path, eg_config **ret, eg_problem *p) {
    /* The administrator may reach the file through links; what they lead to is read, and its folder counts. */
    EG_CLEANUP(free_text) char *real = realpath(path, NULL);
    struct stat st;
    if (!real || stat(real, &st) != 0) {
        const char *why = strerrordesc_np(errno);
        eg_problem here;
        eg_problem *to = p ? p : &here;
        eg_fail(to, EG_ERR_CONFIG, "The configuration file cannot be read: %s.", why ? why : "unknown error");
        return eg_fail_at(to, "%s", path);
    }
    if ((st.st_mode & S_IWOTH) != 0) {
        eg_problem here;
        eg_problem *to = p ? p : &here;
        eg_fail(to, EG_ERR_CONFIG, "The configuration file may be written by everybody; expected mode 0644 or stricter.");
        return eg_fail_at(to, "%s", path);
    }
    eg_buf text;
    eg_buf_init(&text, EG_CONFIG_BYTES_MAX);
    eg_problem inner = {0};
    eg_err e = eg_file_read(AT_FDCWD, real, EG_CONFIG_BYTES_MAX, &text, &inner);
    if (e != EG_OK) {
        eg_buf_done(&text);
        return eg_fail(p, EG_ERR_CONFIG, "%s", inner.message);
    }
    char *slash = strrchr(real, '/');
    if (slash == real) {
        slash++;
    }
    *slash = '\0';
    e = parse(eg_buf_str(&text), path, real, ret, p);
    eg_buf_done(&text);
    return e;
}

void eg_config_free(eg_config *c) {
    if (c) {
        eg_arena_free(c->memory); /* c itself lies in it */
    }
}
