/* The snapshot's life: read from a directory, shared by reference, freed with the last. */
#include "policy_builder.h"

#include <embergate/durable_file.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAMES_MAX (EG_POLICY_FILES_MAX * 4) /* entries of one folder, backup files of editors included */

typedef struct names {
    char *v[NAMES_MAX];
    size_t n;
} names;

static void names_done(names *l) {
    for (size_t i = 0; i < l->n; i++) {
        free(l->v[i]);
    }
    l->n = 0;
}

static int name_order(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static eg_err refuse(eg_problem *p, const char *file, const char *why) {
    eg_policy_at at = {.name = file};
    return eg_policy_refuse(&at, p, "%s", why);
}

/* Sorted, so that equal directories have equal digests and problems; without dot files. */
static eg_err read_names(int fd, const char *folder, names *ret, eg_problem *p) {
    int copy = dup(fd);
    DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
    if (!d) {
        eg_err e = eg_err_from_errno(errno);
        if (copy >= 0) {
            close(copy);
        }
        return eg_fail(p, e, "The folder can't be read.");
    }
    eg_err e = EG_OK;
    rewinddir(d);
    for (struct dirent *entry; e == EG_OK && (entry = readdir(d));) {
        if (entry->d_name[0] == '.') {
            continue;
        }
        if (ret->n == NAMES_MAX) {
            e = refuse(p, folder, "The folder has too many entries.");
        } else if (!(ret->v[ret->n] = strdup(entry->d_name))) {
            e = eg_fail(p, EG_ERR_NO_MEMORY, "There is no memory to read the policies.");
        } else {
            ret->n++;
        }
    }
    closedir(d);
    qsort(ret->v, ret->n, sizeof ret->v[0], name_order);
    return e;
}

/* What takes the text of one file. */
typedef struct file_sink {
    eg_err (*take)(void *ctx, eg_policy_kind kind, const char *file, eg_str text, eg_problem *p);
    void *ctx;
} file_sink;

static eg_err read_file(const file_sink *to, eg_policy_kind kind, int fd, const char *name, eg_problem *p) {
    char file[128];
    int n = snprintf(file, sizeof file, "%s/%s", eg_policy_folders[kind], name);
    if (n < 0 || (size_t)n >= sizeof file) {
        return refuse(p, eg_policy_folders[kind], "A file's name in this folder is too long.");
    }
    eg_buf text;
    eg_problem why = {0};
    eg_buf_init(&text, EG_POLICY_FILE_BYTES_MAX);
    eg_err e = eg_file_read(fd, name, EG_POLICY_FILE_BYTES_MAX, &text, &why);
    if (e == EG_ERR_LIMIT) {
        e = refuse(p, file, "The file is larger than 4 MiB.");
    } else if (e != EG_OK) {
        e = refuse(p, file, why.message[0] ? why.message : "The file can't be read.");
    } else {
        e = to->take(to->ctx, kind, file, eg_buf_str(&text), p);
    }
    eg_buf_done(&text);
    return e;
}

static eg_err read_folder(const file_sink *to, eg_policy_kind kind, int dir, names *list, eg_problem *p) {
    int fd = openat(dir, eg_policy_folders[kind], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? EG_OK : refuse(p, eg_policy_folders[kind], "The folder can't be opened; it must not be a symbolic link.");
    }
    eg_err e = read_names(fd, eg_policy_folders[kind], list, p);
    for (size_t i = 0; e == EG_OK && i < list->n; i++) {
        struct stat st;
        if (fstatat(fd, list->v[i], &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode)) {
            char where[320];
            snprintf(where, sizeof where, "%s/%s", eg_policy_folders[kind], list->v[i]);
            e = refuse(p, where, "Folders within this folder are not read; move the files up.");
        } else if (eg_str_ends(eg_str_of(list->v[i]), ".json")) {
            e = read_file(to, kind, fd, list->v[i], p);
        }
    }
    names_done(list);
    close(fd);
    return e;
}

/* What lies there and isn't read would be believed to be in force: an unknown folder or a file in the wrong place is refused. */
static eg_err check_top(int dir, names *list, eg_problem *p) {
    eg_err e = read_names(dir, "the policy directory", list, p);
    for (size_t i = 0; e == EG_OK && i < list->n; i++) {
        bool known = false;
        for (size_t k = 0; k < EG_POLICY_KIND_COUNT; k++) {
            known = known || strcmp(list->v[i], eg_policy_folders[k]) == 0;
        }
        struct stat st;
        bool folder = fstatat(dir, list->v[i], &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISREG(st.st_mode);
        if (!known && (folder || eg_str_ends(eg_str_of(list->v[i]), ".json"))) {
            e = refuse(p, list->v[i], "This would not be read; docs/POLICIES.md names the folders that are.");
        }
    }
    names_done(list);
    return e;
}

static eg_err read_dir(const char *dir, const file_sink *to, eg_problem *p) {
    names *list = calloc(1, sizeof *list);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    eg_err e;
    if (!list) {
        e = eg_fail(p, EG_ERR_NO_MEMORY, "There is no memory to read the policies.");
    } else if (fd < 0) {
        e = refuse(p, dir, "The policy directory can't be opened.");
    } else {
        e = check_top(fd, list, p);
        for (eg_policy_kind k = 0; e == EG_OK && k < EG_POLICY_KIND_COUNT; k++) {
            e = read_folder(to, k, fd, list, p);
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    free(list);
    return e;
}

static eg_err build(void *ctx, eg_policy_kind kind, const char *file, eg_str text, eg_problem *p) {
    return eg_policy_builder_add(ctx, kind, file, text, p);
}

eg_err eg_policy_load(const char *dir, uint64_t version, eg_policy **ret, eg_problem *p) { return eg_policy_load_paced(dir, version, NULL, ret, p); }

eg_err eg_policy_load_paced(const char *dir, uint64_t version, eg_pace *pace, eg_policy **ret, eg_problem *p) {
    EG_CLEANUP(eg_policy_builder_free_p) eg_policy_builder *b = NULL;
    EG_TRY(eg_policy_builder_new(&b, p));
    b->pace = pace;
    const file_sink to = {build, b};
    eg_err e = read_dir(dir, &to, p);
    e = e ? e : eg_policy_builder_finish(b, version, ret, p);
    if (e != EG_OK && p) {
        eg_policy_line(dir, p);
    }
    return e;
}

static eg_err add_all(eg_policy_builder *b, const eg_policy_documents *s, uint64_t version, eg_policy **ret, eg_problem *p) {
    eg_policy_document d;
    eg_err e;
    b->pace = s->pace;
    while ((e = s->next(s->ctx, &d, p)) == EG_OK) {
        EG_TRY(eg_policy_builder_add_document(b, &d, p));
    }
    return e == EG_ERR_NOT_FOUND ? eg_policy_builder_finish(b, version, ret, p) : e;
}

eg_err eg_policy_load_from(const eg_policy_documents *s, uint64_t version, eg_policy **ret, eg_problem *p) {
    EG_CLEANUP(eg_policy_builder_free_p) eg_policy_builder *b = NULL;
    EG_TRY(eg_policy_builder_new(&b, p));
    return add_all(b, s, version, ret, p);
}

eg_err eg_policy_load_upon(const eg_policy_upon *u, const eg_policy_documents *s, uint64_t version, eg_policy **ret, eg_problem *p) {
    EG_CLEANUP(eg_policy_builder_free_p) eg_policy_builder *b = NULL;
    EG_TRY(eg_policy_builder_new_upon(u, &b, p));
    return add_all(b, s, version, ret, p);
}

static eg_err take_apart(void *ctx, eg_policy_kind kind, const char *file, eg_str text, eg_problem *p) {
    return eg_policy_read_text(kind, file, text, *(const eg_policy_sink *)ctx, p);
}

eg_err eg_policy_read_dir(const char *dir, eg_policy_sink to, eg_problem *p) {
    const file_sink files = {take_apart, &to};
    return read_dir(dir, &files, p);
}

eg_policy_memory *eg_policy_memory_new(void) {
    eg_policy_memory *m = calloc(1, sizeof *m);
    if (m && !(m->arena = eg_arena_new(EG_POLICY_MEMORY_MAX))) {
        free(m);
        m = NULL;
    }
    if (m) {
        m->refs = 1;
    }
    return m;
}

void eg_policy_memory_unref(eg_policy_memory *m) {
    if (m && __atomic_sub_fetch(&m->refs, 1, __ATOMIC_ACQ_REL) == 0) {
        eg_arena_free(m->arena);
        free(m);
    }
}

eg_policy *eg_policy_ref(eg_policy *p) {
    if (p) {
        __atomic_add_fetch(&p->refs, 1, __ATOMIC_RELAXED);
    }
    return p;
}

bool eg_policy_is_shared(const eg_policy *p) { return p && __atomic_load_n(&p->refs, __ATOMIC_ACQUIRE) > 1; }

void eg_policy_unref(eg_policy *p) {
    if (!p || __atomic_sub_fetch(&p->refs, 1, __ATOMIC_ACQ_REL) > 0) {
        return;
    }
    free(p->roles);
    free(p->assignments);
    free(p->eligible);
    free(p->denies);
    free(p->buckets);
    free(p->by_scope);
    free(p->scope_buckets);
    free(p->present);
    free(p->groups);
    for (size_t i = 0; i < p->subnet_count; i++) {
        eg_policy_rule_index_free(p->subnets[i].index);
    }
    free(p->subnets);
    free(p->accounts);
    free(p->assigned);
    free(p->defined);
    free(p->writers);
    free(p->rows);
    for (size_t i = 0; i < p->memory_count; i++) {
        eg_policy_memory_unref(p->memories[i]);
    }
    free(p);
}

uint64_t eg_policy_version(const eg_policy *p) {
    return p->version;
}

void eg_policy_number(eg_policy *p, uint64_t version) {
    p->version = version;
}

void eg_policy_separate_duties(eg_policy *p, bool on) {
    p->separate_duties = on;
}

bool eg_policy_separates_duties(const eg_policy *p) {
    return p->separate_duties;
}

void eg_policy_digest(const eg_policy *p, uint8_t ret[EG_SHA256_LEN]) {
    memcpy(ret, p->digest, EG_SHA256_LEN);
}
