// libholdfast under load: threads that share one client, a fork in the middle, and, by whoever runs this, a daemon
// restarted in the middle. load REQUESTS_PER_THREAD FOLDER
// Prints "forking" and "middle" when it is there. Each thread writes what it got to FOLDER/thread-N, the
// child to FOLDER/child: request's number, signature, audit sequence number. A failure is told and ends with 1.
#include <holdfast/holdfast.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#endif

static holdfast_client* client;
static const char* folder;
static long requests;
static atomic_long done;
static atomic_int failed;

// GCC 12's AddressSanitizer leaves a child hanging that was forked while another thread allocated: with it
// alone, the fork waits until nobody is in a call.
#ifdef __SANITIZE_ADDRESS__
static pthread_rwlock_t calls = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;
#define BEGIN_CALL() pthread_rwlock_rdlock(&calls)
#define END_CALL() pthread_rwlock_unlock(&calls)
#define BEGIN_FORK() pthread_rwlock_wrlock(&calls)
// The child is another thread than the one that locked: it can't unlock, and is alone.
#define END_FORK(child) \
  ((child) == 0 ? pthread_rwlock_init(&calls, NULL) : pthread_rwlock_unlock(&calls))
#else
#define BEGIN_CALL() ((void)0)
#define END_CALL() ((void)0)
#define BEGIN_FORK() ((void)0)
#define END_FORK(child) ((void)0)
#endif

static int is_hex(const char* text, size_t size) {
  return strlen(text) == size && strspn(text, "0123456789abcdef") == size;
}

static int is_well_formed(const holdfast_sigv4_reply* reply, const char* url) {
  return is_hex(reply->signature, 64) && strcmp(reply->url, url) == 0 && reply->header_count == 3 &&
         strcmp(reply->headers[0].name, "Authorization") == 0 &&
         strstr(reply->headers[0].value, reply->signature) &&
         strcmp(reply->signed_headers, "host;x-amz-content-sha256;x-amz-date") == 0 &&
         strlen(reply->request_id) > 0;
}

// The time and the path are fixed by the number, so that the signature can be computed from outside.
static int sign(const char* who, long number, FILE* out, int64_t* last) {
  char url[128];
  snprintf(url, sizeof url, "https://bucket.s3.eu-west-1.amazonaws.com/%s/%ld", who, number);
  holdfast_sigv4_request request = HOLDFAST_SIGV4_REQUEST_INIT;
  request.key = "aws";
  request.region = "eu-west-1";
  request.service = "s3";
  request.method = "GET";
  request.url = url;
  request.time = "2026-01-01T00:00:00Z";
  holdfast_sigv4_reply* reply = NULL;
  holdfast_error* error = NULL;
  if (holdfast_sign_sigv4(client, &request, &reply, &error) != HOLDFAST_OK) {
    fprintf(stderr, "%s %ld: %s %d: %s\n", who, number, holdfast_error_code_text(error),
            holdfast_error_status(error), holdfast_error_detail(error));
    holdfast_error_free(error);
    return 0;
  }
  const int good = is_well_formed(reply, url) && reply->audit_seq > *last;
  if (!good)
    fprintf(stderr, "%s %ld: a wrong answer, record %lld\n", who, number,
            (long long)reply->audit_seq);
  *last = reply->audit_seq;
  fprintf(out, "%ld %s %lld\n", number, reply->signature, (long long)reply->audit_seq);
  holdfast_sigv4_reply_free(reply);
  return good;
}

static int sign_many(const char* who, long count, atomic_long* counter) {
  char path[512];
  snprintf(path, sizeof path, "%s/%s", folder, who);
  FILE* out = fopen(path, "w");
  int64_t last = -1;
  int good = out != NULL;
  for (long number = 0; good && number < count; ++number) {
    BEGIN_CALL();
    good = sign(who, number, out, &last);
    END_CALL();
    if (counter) atomic_fetch_add(counter, 1);
  }
  if (out) fclose(out);
  return good;
}

static void* run(void* name) {
  if (!sign_many(name, requests, &done)) atomic_store(&failed, 1);
  return NULL;
}

static void wait_for(long count) {
  while (atomic_load(&done) < count && !atomic_load(&failed)) usleep(1000);
}

static void tell(const char* what) {
  puts(what);
  fflush(stdout);
}

// Bytes that memcheck finds lost by now; 0 without it.
static unsigned long lost(void) {
  unsigned long leaked = 0, dubious = 0, reachable = 0, suppressed = 0;
#ifdef VALGRIND_COUNT_LEAKS
  VALGRIND_DO_LEAK_CHECK;
  VALGRIND_COUNT_LEAKS(leaked, dubious, reachable, suppressed);
#endif
  (void)reachable, (void)suppressed;
  return leaked + dubious;
}

static unsigned faults(void) {
#ifdef VALGRIND_COUNT_ERRORS
  return VALGRIND_COUNT_ERRORS;
#else
  return 0;
#endif
}

// What the parent's threads had in hand is lost in the child; the child must not add to it. It ends by exec, where
// memcheck doesn't look for those once more.
static void be_the_child(void) {
  const unsigned long before = lost();
  const unsigned faults_before = faults();
  const int signed_all = sign_many("child", requests / 20 + 1, NULL);
  holdfast_client_free(client);
  const int good = signed_all && faults() == faults_before;
  if (good && lost() == before) execl("/bin/true", "true", (char*)NULL);
  fprintf(stderr, "the child: %s, %lu bytes lost, %lu before\n", good ? "signed" : "failed", lost(),
          before);
  _exit(1);
}

// While the threads are in their calls.
static int fork_and_sign(void) {
  tell("forking");
  BEGIN_FORK();
  const pid_t child = fork();
  END_FORK(child);
  if (child == 0) be_the_child();
  int status = -1;
  waitpid(child, &status, 0);
  if (status != 0) fprintf(stderr, "the child ended with status %d\n", status);
  return status == 0;
}

int main(int count, char** arguments) {
  if (count < 3) return 2;
  requests = atol(arguments[1]);
  folder = arguments[2];
  enum { kThreads = 2 };
  static char names[kThreads][16] = {"thread-0", "thread-1"};

  holdfast_options options = HOLDFAST_OPTIONS_INIT;
  options.connect_patience_ms = 60000;
  options.timeout_ms = 120000;
  holdfast_error* error = NULL;
  client = holdfast_client_new(&options, &error);
  if (!client) return 1;

  pthread_t threads[kThreads];
  for (int at = 0; at < kThreads; ++at) pthread_create(&threads[at], NULL, run, names[at]);
  wait_for(kThreads * requests / 4);
  int good = fork_and_sign();
  wait_for(kThreads * requests / 2);
  tell("middle");
  for (int at = 0; at < kThreads; ++at) pthread_join(threads[at], NULL);
  good = good && !atomic_load(&failed);
  holdfast_client_free(client);
  if (good) tell("done");
  return good ? 0 : 1;
}
