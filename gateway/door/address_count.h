/* How many connections are open in all and from each address; bounds both. */
#ifndef EMBERGATE_DOOR_ADDRESS_COUNT_H
#define EMBERGATE_DOOR_ADDRESS_COUNT_H

#include <embergate/err.h>

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct eg_address_count eg_address_count;
/* What is counted as one peer: an IPv4 address or an IPv6 /64, because a host can use all of a /64. */
typedef struct eg_address_key {
    uint8_t bytes[16];
} eg_address_key;

eg_address_count *eg_address_count_new(uint32_t total_max, uint32_t each_max); /* NULL without memory */
void eg_address_count_free(eg_address_count *a);
eg_address_key eg_address_key_of(const struct sockaddr_storage *s);
/* Any thread. False when a bound is reached; true must be given back with leave. */
bool eg_address_count_enter(eg_address_count *a, eg_address_key key);
void eg_address_count_leave(eg_address_count *a, eg_address_key key);

#endif
