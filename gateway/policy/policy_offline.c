/* One question to the policies of a state directory that nobody serves. */
#include <embergate/policy_desk.h>

#include "policy_desk.h"
#include "policy_open.h"

#include <stdio.h>

static eg_err config_of(const char *state_dir, eg_config **ret, eg_problem *p) {
    char path[1024];
    const int n = snprintf(path, sizeof path, "%s/embergate.yaml", state_dir);
    return n > 0 && (size_t)n < sizeof path ? eg_config_load(path, ret, p) : eg_fail(p, EG_ERR_INVALID, "the state directory's path is too long");
}

eg_err eg_policy_source_of(const char *state_dir, bool *ret_files, char ret_dir[1024], eg_problem *p) {
    EG_CLEANUP(eg_config_free_p) eg_config *c = NULL;
    EG_TRY(config_of(state_dir, &c, p));
    const bool files = strcmp(c->policies_source, "files") == 0;
    const int n = !files ? 0 : *c->policies_dir ? snprintf(ret_dir, 1024, "%s", c->policies_dir) : snprintf(ret_dir, 1024, "%s/policies", c->state_dir);
    if (n < 0 || n >= 1024) {
        return eg_fail(p, EG_ERR_INVALID, "the policy directory's path is too long");
    }
    ret_dir[n] = '\0';
    *ret_files = files;
    return EG_OK;
}

eg_err eg_policy_desk_offline(const char *state_dir, const char *verb, const json_t *in, json_t **ret, eg_problem *p) {
    EG_CLEANUP(eg_config_free_p) eg_config *c = NULL;
    EG_CLEANUP(eg_policy_offline_done) eg_policy_offline o = {0};
    const eg_policy_asker operator = {NULL, NULL};
    EG_TRY(config_of(state_dir, &c, p));
    EG_TRY(eg_policy_offline_open(c, &o, p));
    return eg_policy_desk(o.store, eg_str_of(verb), in, &operator, ret, p);
}
