/* Policies of a state directory that nobody serves, for commands: opened under the store's lock for one question. gateway/policy/ implements it. */
#ifndef EMBERGATE_POLICY_DESK_H
#define EMBERGATE_POLICY_DESK_H

#include <embergate/json.h>

/* Where the policies of a state directory are: *ret_files, and then the directory ("" otherwise). */
eg_err eg_policy_source_of(const char *state_dir, bool *ret_files, char ret_dir[1024], eg_problem *p) EG_MUST_CHECK;
/* A verb of docs/POLICIES.md, as the operator. EG_ERR_LOCKED: a server has the store; ask it over its API. */
eg_err eg_policy_desk_offline(const char *state_dir, const char *verb, const json_t *in, json_t **ret, eg_problem *p) EG_MUST_CHECK;

#endif
