/* The launcher's messages, as both of its sides know them. Fields stand in the order of the payload. */
#ifndef EG_COMPUTE_LAUNCHER_MESSAGES_H
#define EG_COMPUTE_LAUNCHER_MESSAGES_H

typedef enum eg_launcher_message {
    EG_LAUNCHER_ENSURE = 1,   /* cluster */
    EG_LAUNCHER_START = 2,    /* cluster, kind, id, log key, properties, port, ui port, credential, class, file, argc, arg… */
    EG_LAUNCHER_STOP = 3,     /* cluster, kind, id, how */
    EG_LAUNCHER_DISCARD = 4,  /* cluster, kind, id */
} eg_launcher_message;

#endif
