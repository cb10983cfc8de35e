/* orders: a library whose variables all applications that load it share, whatever they are written in. */
#ifndef ORDERS_H
#define ORDERS_H

#include <stdint.h>

#ifdef _WIN32
#define ORDERS_API __declspec(dllexport)
#else
#define ORDERS_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Counts one order of so many cents. Gives its number, from 1, or 0 if the state could not be locked. */
ORDERS_API uint64_t orders_add(uint64_t cents);
/* How many orders there were, and what they cost together: 0, or -1 if the state could not be locked. */
ORDERS_API int orders_total(uint64_t *orders, uint64_t *cents);
/* How often orders_add was called, by whoever. */
ORDERS_API uint64_t orders_calls(void);
/* How often a state was repaired that a killed application had left half changed. */
ORDERS_API uint64_t orders_repairs(void);
/* Why the last call could not lock, or why nothing is shared; "" if all is well. */
ORDERS_API const char *orders_trouble(void);
/* For trying it out: dies in the middle of an order. */
ORDERS_API void orders_die(void);

#ifdef __cplusplus
}
#endif

#endif
