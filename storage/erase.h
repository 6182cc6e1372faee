/* What storage does when a tenant's keys are destroyed: counts before, forgets at once, and looks for keys that still open. */
#ifndef EG_STORAGE_ERASE_H
#define EG_STORAGE_ERASE_H

#include "store.h"

#endif
