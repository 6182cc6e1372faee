/* What the files that read a configuration share: where in the file something stands. */
#ifndef GATEWAY_CONFIG_CONFIG_LOAD_H
#define GATEWAY_CONFIG_CONFIG_LOAD_H

#include "config_schema.h"

#include <embergate/arena.h>

typedef struct eg_config_source {
    const char *name;             /* of the file, for problems */
    const char *base;             /* absolute folder that relative paths start from */
    eg_arena *arena;              /* the configuration's */
    eg_config *config;
    /* [section][entry * row_count + row]: line of a value, of its entry when it was not given. */
    unsigned *lines[EG_CONFIG_SECTIONS];
    eg_problem *problem;
} eg_config_source;

/* EG_ERR_CONFIG at a line (counted from 1). */
eg_err eg_config_fail(const eg_config_source *s, size_t line, const char *fmt, ...) EG_PRINTF(3, 4);
/* Refuses anchors, aliases, tags, depth and a second document, before anything is built of it. */
eg_err eg_config_prescan(const eg_config_source *s, eg_str yaml) EG_MUST_CHECK;
/* A scalar or a default into the row's field. `plain` = written without quotes. */
eg_err eg_config_set(const eg_config_source *s, const eg_config_row *row, void *owner, eg_str value, bool plain, const char **ret_expected) EG_MUST_CHECK;
eg_err eg_config_set_list(const eg_config_row *row, void *owner, const char *const *list);
/* One entry of a list, checked and made absolute. */
eg_err eg_config_list_text(const eg_config_source *s, const eg_config_row *row, eg_str value, const char **ret, const char **ret_expected) EG_MUST_CHECK;
/* Rules over several values. */
eg_err eg_config_check_rules(const eg_config_source *s) EG_MUST_CHECK;

#endif
