#include "pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

enum { kMaxIdle = 16 };

// A connection belongs to the process that made it, and to the user that process then was: the daemon
// refuses the bytes of any other. The pid alone does not tell: in a new pid namespace a child can have its
// parent's number.
struct hf_connection {
  int fd;
  bool busy;
  unsigned generation;
  pid_t pid;
  uid_t uid;
  uid_t effective_uid;
  struct hf_connection* next;
};

// Guards every pool. It is held for moments only, and during fork(2), so that the child finds the pools
// whole and the lock free.
static pthread_mutex_t pools = PTHREAD_MUTEX_INITIALIZER;
static unsigned generation;  // counts the forks that led here
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int atfork_failed;

static void before_fork(void) {
  pthread_mutex_lock(&pools);
}
static void after_fork(void) {
  pthread_mutex_unlock(&pools);
}
static void in_child(void) {
  ++generation;
  pthread_mutex_unlock(&pools);
}
static void prepare_once(void) {
  atfork_failed = pthread_atfork(before_fork, after_fork, in_child);
}

bool hf_prepare_for_fork(void) {
  return pthread_once(&once, prepare_once) == 0 && atfork_failed == 0;
}

static void unlink_connection(hf_pool* pool, hf_connection* connection) {
  for (hf_connection** at = &pool->first; *at; at = &(*at)->next)
    if (*at == connection) {
      *at = connection->next;
      return;
    }
}

// close(2) only: shutdown(2) would end the parent's connection too.
static void close_connection(hf_connection* connection) {
  close(connection->fd);
  free(connection);
}

static bool is_own(const hf_connection* connection) {
  return connection->generation == generation && connection->pid == getpid();
}

static bool is_same_user(const hf_connection* connection) {
  return connection->uid == getuid() && connection->effective_uid == geteuid();
}

// Dead, or with bytes that nobody asked for (a refusal that came late).
static bool is_stale(int fd) {
  char byte;
  return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || (errno != EAGAIN && errno != EINTR);
}

hf_connection* hf_pool_take(hf_pool* pool) {
  pthread_mutex_lock(&pools);
  hf_connection* found = NULL;
  for (hf_connection** at = &pool->first; *at;) {
    hf_connection* one = *at;
    const bool own = is_own(one);
    if (own && (one->busy || found)) {
      at = &one->next;
    } else if (own && is_same_user(one) && !is_stale(one->fd)) {
      one->busy = true;
      found = one;
    } else {  // where it is the parent's, also a busy one: its thread is the parent's too
      *at = one->next;
      close_connection(one);
    }
  }
  pthread_mutex_unlock(&pools);
  return found;
}

void hf_pool_drop(hf_pool* pool, hf_connection* connection) {
  pthread_mutex_lock(&pools);
  unlink_connection(pool, connection);
  pthread_mutex_unlock(&pools);
  close_connection(connection);
}

void hf_pool_keep(hf_pool* pool, hf_connection* connection) {
  pthread_mutex_lock(&pools);
  unsigned idle = 0;
  for (const hf_connection* one = pool->first; one; one = one->next) idle += !one->busy;
  unlink_connection(pool, connection);
  const bool keep = idle < kMaxIdle;
  if (keep) {
    connection->busy = false;
    connection->next = pool->first;
    pool->first = connection;
  }
  pthread_mutex_unlock(&pools);
  if (!keep) close_connection(connection);
}

hf_connection* hf_pool_add(hf_pool* pool, int fd) {
  hf_connection* connection = calloc(1, sizeof *connection);
  if (!connection) {
    close(fd);
    return NULL;
  }
  *connection = (hf_connection){
      .fd = fd, .busy = true, .pid = getpid(), .uid = getuid(), .effective_uid = geteuid()};
  pthread_mutex_lock(&pools);
  connection->generation = generation;
  connection->next = pool->first;
  pool->first = connection;
  pthread_mutex_unlock(&pools);
  return connection;
}

int hf_connection_fd(const hf_connection* connection) {
  return connection->fd;
}

void hf_pool_clear(hf_pool* pool) {
  while (pool->first) {
    hf_connection* one = pool->first;
    pool->first = one->next;
    close_connection(one);
  }
}
