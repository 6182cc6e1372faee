/* Writes and reads the list: a line a file, "{P|T}{-|S} {sha256} {size} {path}". */
#include "backup_list.h"

#include <embergate/encoding.h>
#include <stdlib.h>

#define LINE_FIXED (2 + 1 + 64 + 1)

bool eg_backup_path_ok(eg_str path) {
    if (path.len == 0 || path.len > EG_BACKUP_PATH_MAX || path.ptr[0] == '/') {
        return false;
    }
    for (size_t i = 0; i < path.len; i++) {
        if (path.ptr[i] <= ' ' || path.ptr[i] > '~') {
            return false;
        }
    }
    for (eg_str rest = path; rest.ptr;) {
        const eg_str name = eg_str_cut(&rest, '/');
        if (name.len == 0 || eg_str_is(name, ".") || eg_str_is(name, "..")) {
            return false;
        }
    }
    return true;
}

eg_err eg_backup_list_add(eg_backup_list *l, const eg_backup_file *f) {
    if (!eg_backup_path_ok(eg_str_of(f->path))) {
        return EG_ERR_INVALID;
    }
    if (l->count == l->cap) {
        const size_t cap = l->cap ? 2 * l->cap : 256;
        eg_backup_file *grown = realloc(l->files, cap * sizeof *grown);
        if (!grown) {
            return EG_ERR_NO_MEMORY;
        }
        l->files = grown;
        l->cap = cap;
    }
    char *path = strdup(f->path);
    if (!path) {
        return EG_ERR_NO_MEMORY;
    }
    l->files[l->count] = *f;
    l->files[l->count++].path = path;
    return EG_OK;
}

static int compare(const void *a, const void *b) {
    return strcmp(((const eg_backup_file *)a)->path, ((const eg_backup_file *)b)->path);
}

void eg_backup_list_sort(eg_backup_list *l) {
    if (l->count > 1) {
        qsort(l->files, l->count, sizeof *l->files, compare);
    }
}

const eg_backup_file *eg_backup_list_find(const eg_backup_list *l, const char *path) {
    size_t from = 0, to = l->count;
    while (from < to) {
        const size_t mid = from + (to - from) / 2;
        const int c = strcmp(l->files[mid].path, path);
        if (c == 0) {
            return &l->files[mid];
        }
        if (c < 0) {
            from = mid + 1;
        } else {
            to = mid;
        }
    }
    return NULL;
}

eg_err eg_backup_list_line(const eg_backup_file *f, eg_buf *ret) {
    char hex[2 * EG_SHA256_LEN + 1];
    eg_hex((eg_bytes){f->sha256, sizeof f->sha256}, hex);
    return eg_buf_addf(ret, "%c%c %s %llu %s\n", f->pooled ? 'P' : 'T', f->sealed ? 'S' : '-', hex, (unsigned long long)f->size, f->path);
}

eg_err eg_backup_list_write(const eg_backup_list *l, eg_buf *ret) {
    for (size_t i = 0; i < l->count; i++) {
        EG_TRY(eg_backup_list_line(&l->files[i], ret));
    }
    return EG_OK;
}

static eg_err parse_line(eg_str line, eg_backup_list *l) {
    eg_backup_file f = {0};
    char path[EG_BACKUP_PATH_MAX + 1];
    size_t n = 0;
    if (line.len <= LINE_FIXED || (line.ptr[0] != 'P' && line.ptr[0] != 'T') || (line.ptr[1] != '-' && line.ptr[1] != 'S') || line.ptr[2] != ' ' || line.ptr[67] != ' ') {
        return EG_ERR_CORRUPT;
    }
    f.pooled = line.ptr[0] == 'P';
    f.sealed = line.ptr[1] == 'S';
    if (eg_unhex((eg_str){line.ptr + 3, 64}, f.sha256, sizeof f.sha256, &n) != EG_OK || n != sizeof f.sha256) {
        return EG_ERR_CORRUPT;
    }
    eg_str rest = {line.ptr + LINE_FIXED, line.len - LINE_FIXED};
    const eg_str size = eg_str_cut(&rest, ' ');
    if (!rest.ptr || rest.len > EG_BACKUP_PATH_MAX || !eg_backup_path_ok(rest) || eg_str_u64(size, INT64_MAX, &f.size) != EG_OK) {
        return EG_ERR_CORRUPT;
    }
    memcpy(path, rest.ptr, rest.len);
    path[rest.len] = '\0';
    f.path = path;
    return eg_backup_list_add(l, &f);
}

eg_err eg_backup_list_parse(eg_str text, eg_backup_list *ret) {
    if (text.len > 0 && text.ptr[text.len - 1] != '\n') {
        return EG_ERR_CORRUPT;
    }
    while (text.len > 0) {
        EG_TRY(parse_line(eg_str_cut(&text, '\n'), ret));
    }
    return EG_OK;
}

void eg_backup_list_done(eg_backup_list *l) {
    for (size_t i = 0; i < l->count; i++) {
        free(l->files[i].path);
    }
    free(l->files);
    *l = (eg_backup_list){0};
}
