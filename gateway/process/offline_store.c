/* Opens a stopped server's store for a command, so that its digest goes on. */
#include "offline_store.h"

#include "state_dir.h"
#include "store_digest.h"

/* A store without a digest gets it by its server alone, who says so in the audit log. */
static eg_err keep_digest(const char *state_dir, const eg_offline_store *s, eg_problem *p) {
    char dir[EG_STATE_PATH_MAX];
    eg_keys *keys = NULL;
    bool counted = false;
    if (!eg_kv_has_digest(s->kv)) {
        return EG_OK;
    }
    EG_TRY(eg_state_path(state_dir, "keeper", dir, p));
    EG_TRY(eg_keeper_open_local(dir, &keys, p));
    const eg_err e = eg_store_digest_start(s->kv, s->committer, keys, NULL, &counted, p);
    eg_keeper_local_free(keys);
    return e;
}

eg_err eg_offline_store_open(const char *state_dir, unsigned store_mib, eg_offline_store *ret, eg_problem *p) {
    char db[EG_STATE_PATH_MAX];
    eg_offline_store s = {0};
    EG_TRY(eg_state_path(state_dir, "gateway/db", db, p));
    const eg_kv_options o = {.dir = db, .map_size = (uint64_t)store_mib << 20};
    eg_err e = eg_kv_open(&o, &s.kv, p);
    e = e == EG_OK ? eg_committer_start(s.kv, &s.committer) : e;
    e = e == EG_OK ? keep_digest(state_dir, &s, p) : e;
    if (e != EG_OK) {
        eg_offline_store_done(&s);
        return e;
    }
    *ret = s;
    return EG_OK;
}

void eg_offline_store_done(eg_offline_store *s) {
    if (s->committer) {
        eg_committer_stop(s->committer);
    }
    if (s->kv) {
        eg_kv_close(s->kv);
    }
    *s = (eg_offline_store){0};
}
