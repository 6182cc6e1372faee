/* Tells in words what audit records say. */
#ifndef CLI_AUDIT_STORY_H
#define CLI_AUDIT_STORY_H

#include <embergate/json.h>

/* One line a record, in the order given, a line with the date before each day's first. Text of records is made inert: no
 * control or direction character of theirs gets into *ret. */
eg_err eg_audit_story(const json_t *records, eg_buf *ret);

#endif
