/* The finitely many kinds of texts that a set of patterns can tell apart, one example of each. */
#ifndef EMBERGATE_POLICIES_TEXT_CLASSES_H
#define EMBERGATE_POLICIES_TEXT_CLASSES_H

#include <embergate/arena.h>

typedef enum eg_text_form {
    EG_TEXT_EXACT = 0,
    EG_TEXT_PREFIX,
    EG_TEXT_LIKE,      /* '*' any bytes, '?' one byte, a backslash takes the next byte as it is */
    EG_TEXT_ACTION,    /* '*' any bytes; without regard to case */
} eg_text_form;

typedef struct eg_text_pattern {
    eg_str text;
    eg_text_form form;
    bool ignore_case;
} eg_text_pattern;

typedef struct eg_text_classes {
    eg_str *v;         /* the shortest text of each class; in the arena */
    size_t n;
} eg_text_classes;

/* Any two texts over `alphabet` (NULL: all bytes from 0x20 to 0x7e) that the same patterns match are of one class. All classes of texts that are not empty are found,
 * by walking the automaton of all patterns at once. EG_ERR_LIMIT: it has more than `states_max` states. EG_ERR_NO_MEMORY. */
eg_err eg_text_classes_of(eg_arena *a, const eg_text_pattern *patterns, size_t n, const char *alphabet, size_t states_max, eg_text_classes *ret) EG_MUST_CHECK;

#endif
