/* The names of tile files: numbers in groups of three digits, as C2SP tlog-tiles spells them. */
#include "tile_path.h"

#include <assert.h>
#include <stdio.h>

/* 1234067 becomes x001/x234/067. */
static size_t put_number(char *out, size_t cap, uint64_t n) {
    unsigned group[7];
    size_t groups = 0;
    do {
        group[groups++] = (unsigned)(n % 1000);
        n /= 1000;
    } while (n > 0);
    size_t len = 0;
    while (groups-- > 0) {
        len += (size_t)snprintf(out + len, cap - len, groups > 0 ? "x%03u/" : "%03u", group[groups]);
    }
    return len;
}

void eg_audit_tile_path(unsigned level, uint64_t index, unsigned width, char ret[EG_TILE_PATH_LEN]) {
    assert(width > 0 && width <= EG_TILE_WIDTH && level <= EG_TILE_ENTRIES);
    size_t n = level == EG_TILE_ENTRIES ? (size_t)snprintf(ret, EG_TILE_PATH_LEN, "tile/entries/")
                                        : (size_t)snprintf(ret, EG_TILE_PATH_LEN, "tile/%u/", level);
    n += put_number(ret + n, EG_TILE_PATH_LEN - n, index);
    if (width < EG_TILE_WIDTH) {
        snprintf(ret + n, EG_TILE_PATH_LEN - n, ".p/%u", width);
    }
}

static eg_err parse_index(eg_str s, uint64_t *ret) {
    uint64_t n = 0;
    for (int groups = 0; groups < 6; groups++) { /* 10^18 tiles are more than 2^64 entries */
        bool last = s.len == 3;
        if (!last && (s.len < 8 || s.ptr[0] != 'x' || s.ptr[4] != '/')) {
            return EG_ERR_NOT_FOUND;
        }
        const char *digits = last ? s.ptr : s.ptr + 1;
        uint64_t group = 0;
        if (eg_str_u64((eg_str){digits, 3}, 999, &group) != EG_OK) {
            return EG_ERR_NOT_FOUND;
        }
        n = n * 1000 + group;
        if (last) {
            *ret = n;
            return EG_OK;
        }
        s = (eg_str){s.ptr + 5, s.len - 5};
    }
    return EG_ERR_NOT_FOUND;
}

eg_err eg_audit_tile_parse(eg_str rest, unsigned *ret_level, uint64_t *ret_index, unsigned *ret_width) {
    eg_str asked = rest;
    eg_str head = eg_str_cut(&rest, '/');
    uint64_t level = EG_TILE_ENTRIES;
    uint64_t width = EG_TILE_WIDTH;
    uint64_t index = 0;
    if (!rest.ptr || (!eg_str_is(head, "entries") && eg_str_u64(head, EG_TREE_LEVELS - 1, &level) != EG_OK)) {
        return EG_ERR_NOT_FOUND;
    }
    eg_str number = rest;
    for (size_t i = 0; i + 3 <= rest.len; i++) {
        if (memcmp(rest.ptr + i, ".p/", 3) == 0) {
            number.len = i;
            if (eg_str_u64((eg_str){rest.ptr + i + 3, rest.len - i - 3}, EG_TILE_WIDTH - 1, &width) != EG_OK || width == 0) {
                return EG_ERR_NOT_FOUND;
            }
            break;
        }
    }
    EG_TRY(parse_index(number, &index));
    /* One spelling only: "00", "x000/001" and the like name nothing. */
    char path[EG_TILE_PATH_LEN];
    eg_audit_tile_path((unsigned)level, index, (unsigned)width, path);
    if (!eg_str_is(asked, path + 5)) {
        return EG_ERR_NOT_FOUND;
    }
    *ret_level = (unsigned)level;
    *ret_index = index;
    *ret_width = (unsigned)width;
    return EG_OK;
}
