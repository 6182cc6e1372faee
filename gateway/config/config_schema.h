/* The schema: every section and key of the configuration, with its type, range, default and meaning. */
#ifndef GATEWAY_CONFIG_CONFIG_SCHEMA_H
#define GATEWAY_CONFIG_CONFIG_SCHEMA_H

#include "config.h"

typedef enum eg_config_type {
    EG_CONFIG_TEXT = 0,   /* const char * */
    EG_CONFIG_PATH,       /* const char *, made absolute from the file's folder */
    EG_CONFIG_UINT,       /* unsigned */
    EG_CONFIG_PORT,       /* uint16_t */
    EG_CONFIG_BOOL,       /* bool */
    EG_CONFIG_TEXT_LIST,  /* const char *const *, NULL-terminated */
    EG_CONFIG_PATH_LIST,
} eg_config_type;

/* What a text must look like, and how that is said. */
typedef struct eg_config_check {
    bool (*valid)(eg_str value);
    const char *expected;
} eg_config_check;

typedef struct eg_config_row {
    const char *key;
    eg_config_type type;
    size_t offset;                /* in the section's struct */
    const char *dflt;             /* as it would be written; NULL = must be given. Lists: NULL or "" */
    uint64_t min, max;            /* of numbers */
    const char *unit;
    const eg_config_check *check; /* of a text, or of a list's entries; not asked about "" when that is the default */
    bool unique;                  /* no two entries of the section may agree */
    bool is_tenant;               /* must be the id of an entry of `tenants` */
    const char *description;
} eg_config_row;

typedef struct eg_config_section {
    const char *name;             /* "" = the top level */
    bool list;
    size_t list_offset;           /* in eg_config: the pointer and the count of a list */
    size_t count_offset;
    size_t size;                  /* of an entry */
    size_t min, max;              /* entries */
    const eg_config_row *rows;
    size_t row_count;
    const char *description;
} eg_config_section;

#define EG_CONFIG_SECTIONS 13
#define EG_CONFIG_ROWS_MAX 24
#define EG_CONFIG_TEXT_MAX 1024
#define EG_CONFIG_LIST_MAX 256
#define EG_CONFIG_BYTES_MAX ((size_t)1 << 20)
#define EG_CONFIG_DEPTH_MAX 8

/* The first is the top level. */
extern const eg_config_section eg_config_sections[EG_CONFIG_SECTIONS];

#endif
