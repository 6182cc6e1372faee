/* Puts changed certificate files in force while the gateway serves. */
#ifndef GATEWAY_PROCESS_CERTIFICATE_WATCH_H
#define GATEWAY_PROCESS_CERTIFICATE_WATCH_H

#include "../door/door.h"

#include <embergate/clock.h>

typedef struct eg_certificate_watch eg_certificate_watch;

/* Everything borrowed. What lies in the files now counts as being in force. EG_ERR_NO_MEMORY. */
eg_err eg_certificate_watch_new(eg_door *door, const eg_door_certificate *files, const eg_clock *clock, eg_certificate_watch **ret) EG_MUST_CHECK;
void eg_certificate_watch_free(eg_certificate_watch *w);
/* To be called often, on one thread: looks at the files once a second, makes new ticket keys every 12 hours, and logs what it did. */
void eg_certificate_watch_tick(eg_certificate_watch *w);

#endif
