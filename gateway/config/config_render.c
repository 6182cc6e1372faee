/* Writes the schema for people: a commented YAML of a configuration, and the reference page. */
#include "config_schema.h"

#include <stdio.h>

static const char *const type_names[] = {
    [EG_CONFIG_TEXT] = "text",
    [EG_CONFIG_PATH] = "path",
    [EG_CONFIG_UINT] = "number",
    [EG_CONFIG_PORT] = "number",
    [EG_CONFIG_BOOL] = "true or false",
    [EG_CONFIG_TEXT_LIST] = "list of texts",
    [EG_CONFIG_PATH_LIST] = "list of paths",
};

static bool is_list(const eg_config_row *row) { return row->type == EG_CONFIG_TEXT_LIST || row->type == EG_CONFIG_PATH_LIST; }
static bool is_number(const eg_config_row *row) { return row->type == EG_CONFIG_UINT || row->type == EG_CONFIG_PORT; }

/* What a reader of YAML 1.1 folds or refuses though it is no ASCII: controls from U+0080 (U+0085 is a line's end), U+2028, U+2029, the byte order mark,
 * U+FFFE and U+FFFF. How many bytes it has here; 0 for anything else. */
static size_t escaped_beyond_ascii(const char *z, unsigned *ret_code) {
    const unsigned char *u = (const unsigned char *)z;
    if (u[0] == 0xc2 && u[1] >= 0x80 && u[1] < 0xa0) {
        *ret_code = u[1];
        return 2;
    }
    if (u[0] == 0xe2 && u[1] == 0x80 && (u[2] == 0xa8 || u[2] == 0xa9)) {
        *ret_code = 0x2000u + (u[2] & 0x3f);
        return 3;
    }
    if (u[0] == 0xef && u[1] == 0xbb && u[2] == 0xbf) {
        *ret_code = 0xfeff;
        return 3;
    }
    if (u[0] == 0xef && u[1] == 0xbf && u[2] >= 0xbe) {
        *ret_code = 0xffc0u + (u[2] & 0x3f);
        return 3;
    }
    return 0;
}

/* YAML's double-quoted form, in which every text can be written. */
static eg_err add_quoted(eg_buf *b, const char *z) {
    EG_TRY(eg_buf_adds(b, "\""));
    for (; z && *z; z++) {
        unsigned char c = (unsigned char)*z;
        unsigned code = 0;
        const size_t n = escaped_beyond_ascii(z, &code);
        if (n > 0) {
            EG_TRY(eg_buf_addf(b, "\\u%04x", code));
            z += n - 1;
        } else if (c == '"' || c == '\\') {
            EG_TRY(eg_buf_addf(b, "\\%c", c));
        } else if (c < 0x20 || c == 0x7f) {
            EG_TRY(eg_buf_addf(b, "\\x%02x", c));
        } else {
            EG_TRY(eg_buf_add(b, z, 1));
        }
    }
    return eg_buf_adds(b, "\"");
}

static eg_err add_list(eg_buf *b, const char *const *list) {
    EG_TRY(eg_buf_adds(b, "["));
    for (size_t i = 0; list && list[i]; i++) {
        EG_TRY(eg_buf_adds(b, i ? ", " : ""));
        EG_TRY(add_quoted(b, list[i]));
    }
    return eg_buf_adds(b, "]");
}

static eg_err add_value(eg_buf *b, const eg_config_row *row, const void *owner) {
    const char *at = (const char *)owner + row->offset;
    const char *text = NULL;
    const char *const *list = NULL;
    unsigned number = 0;
    uint16_t port = 0;
    bool yes = false;
    switch (row->type) {
    case EG_CONFIG_TEXT:
    case EG_CONFIG_PATH:
        memcpy(&text, at, sizeof text);
        return add_quoted(b, text);
    case EG_CONFIG_TEXT_LIST:
    case EG_CONFIG_PATH_LIST:
        memcpy(&list, at, sizeof list);
        return add_list(b, list);
    case EG_CONFIG_UINT:
        memcpy(&number, at, sizeof number);
        return eg_buf_addf(b, "%u", number);
    case EG_CONFIG_PORT:
        memcpy(&port, at, sizeof port);
        return eg_buf_addf(b, "%u", (unsigned)port);
    case EG_CONFIG_BOOL:
        memcpy(&yes, at, sizeof yes);
        return eg_buf_adds(b, yes ? "true" : "false");
    }
    return EG_ERR_INTERNAL;
}

/* `first` goes before the first key of a list's entry, `indent` before all others. */
static eg_err add_rows(eg_buf *b, const eg_config_section *sec, const void *owner, const char *first, const char *indent, bool explained) {
    for (size_t i = 0; i < sec->row_count; i++) {
        const eg_config_row *row = &sec->rows[i];
        bool with_comment = explained && (i > 0 || first == indent);
        if (with_comment) {
            EG_TRY(eg_buf_addf(b, "%s# %s\n", indent, row->description));
        }
        EG_TRY(eg_buf_addf(b, "%s%s: ", i == 0 ? first : indent, row->key));
        EG_TRY(add_value(b, row, owner));
        EG_TRY(eg_buf_addf(b, "%s%s\n", explained && !with_comment ? "  # " : "", explained && !with_comment ? row->description : ""));
    }
    return EG_OK;
}

static eg_err add_list_section(eg_buf *b, const eg_config_section *sec, const eg_config *c) {
    const char *entries = NULL;
    size_t count = 0;
    memcpy(&entries, (const char *)c + sec->list_offset, sizeof entries);
    memcpy(&count, (const char *)c + sec->count_offset, sizeof count);
    EG_TRY(eg_buf_addf(b, "%s:%s\n", sec->name, count ? "" : " []"));
    for (size_t i = 0; i < count; i++) {
        EG_TRY(add_rows(b, sec, entries + i * sec->size, "  - ", "    ", i == 0));
    }
    return EG_OK;
}

eg_err eg_config_render(const eg_config *c, eg_buf *ret) {
    EG_TRY(eg_buf_adds(ret, "# Configuration of embergate. Every key is explained in docs/CONFIGURATION.md; an unknown key is an error.\n"
                            "# Relative paths start from this file's folder.\n\n"));
    EG_TRY(add_rows(ret, &eg_config_sections[0], c, "", "", true));
    for (size_t i = 1; i < EG_CONFIG_SECTIONS; i++) {
        const eg_config_section *sec = &eg_config_sections[i];
        EG_TRY(eg_buf_addf(ret, "\n# %s\n", sec->description));
        if (sec->list) {
            EG_TRY(add_list_section(ret, sec, c));
        } else {
            static const char indent[] = "  ";
            EG_TRY(eg_buf_addf(ret, "%s:\n", sec->name));
            EG_TRY(add_rows(ret, sec, c, indent, indent, true));
        }
    }
    return ret->err;
}

static eg_err add_default(eg_buf *b, const eg_config_row *row) {
    if (!row->dflt) {
        return eg_buf_adds(b, "required");
    }
    if (is_list(row)) {
        return eg_buf_adds(b, "`[]`");
    }
    bool quoted = row->type == EG_CONFIG_TEXT || row->type == EG_CONFIG_PATH;
    return eg_buf_addf(b, quoted ? "`\"%s\"`" : "`%s`", row->dflt);
}

static eg_err add_accepted(eg_buf *b, const eg_config_row *row) {
    if (is_number(row)) {
        return eg_buf_addf(b, "%llu to %llu%s%s", (unsigned long long)row->min, (unsigned long long)row->max, row->unit ? " " : "",
                           row->unit ? row->unit : "");
    }
    return eg_buf_adds(b, row->check ? row->check->expected : "");
}

eg_err eg_config_reference(eg_buf *ret) {
    EG_TRY(eg_buf_adds(ret,
        "# Configuration\n\n"
        "Written from the schema in gateway/config/config_schema.c; tests/unit/gateway/test_config.c checks that it is current\n"
        "(run that test's program with `--reference` to write it anew).\n\n"
        "One YAML file, at most 1 MiB. Every key is checked: an unknown or repeated key, a value of another kind or outside its\n"
        "range, an anchor, alias or tag ends the program with exit code 2 and a message that names file, line, key and what was expected.\n"
        "Relative paths start from the file's folder. A file that everybody may write is refused.\n"));
    for (size_t i = 0; i < EG_CONFIG_SECTIONS; i++) {
        const eg_config_section *sec = &eg_config_sections[i];
        EG_TRY(eg_buf_addf(ret, "\n## %s%s%s\n\n%s", i ? "`" : "", i ? sec->name : "Top level", i ? "`" : "", sec->description));
        if (sec->list) {
            EG_TRY(eg_buf_addf(ret, " A list of %zu to %zu entries.", sec->min, sec->max));
        }
        EG_TRY(eg_buf_adds(ret, "\n\n| key | kind | default | accepted | meaning |\n|---|---|---|---|---|\n"));
        for (size_t r = 0; r < sec->row_count; r++) {
            const eg_config_row *row = &sec->rows[r];
            EG_TRY(eg_buf_addf(ret, "| `%s` | %s | ", row->key, type_names[row->type]));
            EG_TRY(add_default(ret, row));
            EG_TRY(eg_buf_adds(ret, " | "));
            EG_TRY(add_accepted(ret, row));
            EG_TRY(eg_buf_addf(ret, "%s | %s |\n", row->unique ? "; unique" : "", row->description));
        }
    }
    return ret->err;
}
