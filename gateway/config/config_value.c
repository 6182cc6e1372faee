/* Turns one written value into the field of its schema row. */
#include "config_load.h"

#include <stdio.h>

static void store(void *owner, const eg_config_row *row, const void *value, size_t n) {
    memcpy((char *)owner + row->offset, value, n);
}

static bool is_text(eg_str v) {
    if (v.len > EG_CONFIG_TEXT_MAX || !eg_utf8_valid(v)) {
        return false;
    }
    for (size_t i = 0; i < v.len; i++) {
        if ((unsigned char)v.ptr[i] < 0x20 || v.ptr[i] == 0x7f) {
            return false;
        }
    }
    return true;
}

/* "" stays "": it means what the row's description says. */
static eg_str absolute(const eg_config_source *s, eg_str v) {
    if (v.len == 0 || v.ptr[0] == '/') {
        return eg_arena_str(s->arena, v);
    }
    while (eg_str_starts(v, "./")) {
        v = (eg_str){v.ptr + 2, v.len - 2};
    }
    if (v.len == 0 || eg_str_is(v, ".")) {
        return eg_arena_str(s->arena, eg_str_of(s->base));
    }
    return eg_arena_printf(s->arena, "%s/%.*s", strcmp(s->base, "/") == 0 ? "" : s->base, EG_FMT(v));
}

static eg_err make_text(const eg_config_source *s, const eg_config_row *row, eg_str v, const char **ret, const char **ret_expected) {
    bool may_be_empty = row->dflt && row->dflt[0] == '\0' && row->type != EG_CONFIG_TEXT_LIST && row->type != EG_CONFIG_PATH_LIST;
    if (!is_text(v)) {
        *ret_expected = "at most 1024 bytes of text without control characters";
        return EG_ERR_CONFIG;
    }
    if (row->check && !(v.len == 0 && may_be_empty) && !row->check->valid(v)) {
        *ret_expected = row->check->expected;
        return EG_ERR_CONFIG;
    }
    bool is_path = row->type == EG_CONFIG_PATH || row->type == EG_CONFIG_PATH_LIST;
    eg_str text = is_path ? absolute(s, v) : eg_arena_str(s->arena, v);
    if (!text.ptr) {
        return EG_ERR_NO_MEMORY;
    }
    *ret = text.ptr;
    return EG_OK;
}

static eg_err set_number(const eg_config_source *s, const eg_config_row *row, void *owner, eg_str v, bool plain, const char **ret_expected) {
    uint64_t n = 0;
    if (!plain || eg_str_u64(v, row->max, &n) != EG_OK || n < row->min) {
        eg_str text = eg_arena_printf(s->arena, "a whole number from %llu to %llu, without quotes", (unsigned long long)row->min,
                                      (unsigned long long)row->max);
        *ret_expected = text.ptr ? text.ptr : "a whole number";
        return EG_ERR_CONFIG;
    }
    if (row->type == EG_CONFIG_PORT) {
        uint16_t port = (uint16_t)n;
        store(owner, row, &port, sizeof port);
    } else {
        unsigned number = (unsigned)n;
        store(owner, row, &number, sizeof number);
    }
    return EG_OK;
}

static eg_err set_bool(const eg_config_row *row, void *owner, eg_str v, bool plain, const char **ret_expected) {
    bool value = eg_str_is(v, "true");
    if (!plain || (!value && !eg_str_is(v, "false"))) {
        *ret_expected = "true or false, without quotes";
        return EG_ERR_CONFIG;
    }
    store(owner, row, &value, sizeof value);
    return EG_OK;
}

eg_err eg_config_set(const eg_config_source *s, const eg_config_row *row, void *owner, eg_str value, bool plain, const char **ret_expected) {
    switch (row->type) {
    case EG_CONFIG_UINT:
    case EG_CONFIG_PORT:
        return set_number(s, row, owner, value, plain, ret_expected);
    case EG_CONFIG_BOOL:
        return set_bool(row, owner, value, plain, ret_expected);
    case EG_CONFIG_TEXT_LIST:
    case EG_CONFIG_PATH_LIST:
        *ret_expected = "a list";
        return EG_ERR_CONFIG;
    case EG_CONFIG_TEXT:
    case EG_CONFIG_PATH:
        break;
    }
    /* YAML reads a bare nothing, ~ and null as "no value", which is not the empty text. */
    if (plain && (value.len == 0 || eg_str_is(value, "~") || eg_str_is(value, "null"))) {
        *ret_expected = row->check && !row->dflt ? row->check->expected : "a text (\"\" for the empty one)";
        return EG_ERR_CONFIG;
    }
    const char *text = NULL;
    EG_TRY(make_text(s, row, value, &text, ret_expected));
    store(owner, row, &text, sizeof text);
    return EG_OK;
}

eg_err eg_config_list_text(const eg_config_source *s, const eg_config_row *row, eg_str value, const char **ret, const char **ret_expected) {
    return make_text(s, row, value, ret, ret_expected);
}

eg_err eg_config_set_list(const eg_config_row *row, void *owner, const char *const *list) {
    store(owner, row, &list, sizeof list);
    return EG_OK;
}
