// A client's connections: which are free, which are dead, and which are the parent's.
#pragma once

#include <stdbool.h>

typedef struct hf_connection hf_connection;

typedef struct hf_pool {
  hf_connection* first;  // all, busy ones too; the last used first
} hf_pool;

// Once a process, before the first pool is used; any thread. False: out of memory.
bool hf_prepare_for_fork(void);

// These are thread-safe. What is taken or added is busy until it is kept or dropped.
// A kept connection that seems alive, of this process and user; NULL: there is none.
hf_connection* hf_pool_take(hf_pool* pool);
// Takes `fd` over, on failure too. NULL: out of memory.
hf_connection* hf_pool_add(hf_pool* pool, int fd);
void hf_pool_keep(hf_pool* pool, hf_connection* connection);
void hf_pool_drop(hf_pool* pool, hf_connection* connection);
int hf_connection_fd(const hf_connection* connection);

// Closes all; nothing may be using the pool.
void hf_pool_clear(hf_pool* pool);
