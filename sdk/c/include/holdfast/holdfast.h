/* libholdfast: a blocking client of the Holdfast daemon. docs/sdk.md shows its use; sdk/API.md is the
 * protocol, and what each field means.
 *
 * Conventions
 *   Results. A function that can fail returns HOLDFAST_OK or a code. Its last parameter, `error`, may be
 *     NULL; otherwise *error becomes NULL on success, and on failure an error to free with
 *     holdfast_error_free(). On failure every other output is NULL (or 0).
 *   Ownership. What a function gives out is the caller's until it is given to the matching ..._free(),
 *     which takes NULL too. What the caller gives in is only read, and only during the call.
 *   Text is UTF-8 and ends with a NUL. Pointers marked "optional" may be NULL: the field is left out.
 *   Structs that the caller fills are set up with their ..._INIT and carry their size, so that they can
 *     grow. Structs that the library gives out only ever gain fields at their end.
 *   Threads. A client may be used by any number of threads at once; each call has a connection of its own
 *     while it runs. Options, requests, replies and errors are plain data, for one thread at a time.
 *   fork. A child may go on using its parent's client, from the thread that forked: it makes connections
 *     of its own and leaves the parent's alone. (The daemon refuses one process's bytes on another's
 *     connection.) No call may be running in the thread that forks, as in a signal handler.
 *   Signals. SIGPIPE is never raised; an interrupted call goes on. Not for signal handlers, and a thread
 *     must not be cancelled (pthread_cancel) inside a call.
 *   Limits. A reply has at most 1 MiB of body, a request what the daemon takes (64 KiB).
 *   Secrets. Request bodies and replies are zeroed before their memory is given back; Jansson, which reads
 *     the replies, does not do so with what it notes meanwhile. */
#ifndef HOLDFAST_HOLDFAST_H
#define HOLDFAST_HOLDFAST_H

#include <stddef.h>
#include <stdint.h>

#define HOLDFAST_VERSION_MAJOR 0
#define HOLDFAST_VERSION_MINOR 1
#define HOLDFAST_VERSION_PATCH 0
#define HOLDFAST_VERSION_NUMBER \
  (HOLDFAST_VERSION_MAJOR * 10000 + HOLDFAST_VERSION_MINOR * 100 + HOLDFAST_VERSION_PATCH)

#if defined(__GNUC__)
#define HOLDFAST_API __attribute__((visibility("default")))
#else
#define HOLDFAST_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Version ---- */

/* HOLDFAST_VERSION_NUMBER of the library that is loaded. Any thread. */
HOLDFAST_API int holdfast_version(void);

/* ---- Errors ---- */

typedef enum holdfast_code {
  HOLDFAST_OK = 0,

  /* The daemon's answers: the codes of sdk/API.md. */
  HOLDFAST_INVALID_REQUEST = 1,     /* correct the request; the detail names the field */
  HOLDFAST_NOT_PERMITTED = 2,       /* no grant allows it, or no such key */
  HOLDFAST_NOT_FOUND = 3,           /* no such path; on the admin socket also no such key */
  HOLDFAST_METHOD_NOT_ALLOWED = 4,  /* the path does not take this method */
  HOLDFAST_TIMEOUT = 5,             /* the daemon did not get the request whole in time */
  HOLDFAST_CONFLICT = 6,            /* admin: exists already, or is in the wrong state */
  HOLDFAST_TOO_LARGE = 7,           /* over the daemon's limits */
  HOLDFAST_UNSUPPORTED = 8,         /* the device can't do this */
  HOLDFAST_LIMIT_EXCEEDED = 9,      /* a grant's limit: wait holdfast_error_retry_after() */
  HOLDFAST_OVERLOADED = 10,         /* too busy: wait holdfast_error_retry_after() */
  HOLDFAST_DEVICE_UNAVAILABLE = 11, /* the TPM or HSM is being brought back: try again */
  HOLDFAST_KEY_LOST = 12,           /* the key no longer loads */
  HOLDFAST_AUDIT_UNAVAILABLE = 13,  /* the record can't be written: nothing is signed */
  HOLDFAST_CLOCK_UNTRUSTED = 14,    /* the clock went backwards: nothing is signed */
  HOLDFAST_INTERNAL = 15,           /* a defect of the daemon */
  HOLDFAST_OTHER = 16,              /* a code newer than this library: holdfast_error_code_text() */

  /* What kept the daemon from answering; the HTTP status is 0. */
  HOLDFAST_NO_SOCKET = 100,        /* no daemon here: no socket, or nothing listens on it */
  HOLDFAST_UNTRUSTED_SOCKET = 101, /* the socket could be someone else's; the detail says why */
  HOLDFAST_PATH_TOO_LONG = 102,    /* more than 107 bytes */
  HOLDFAST_ACCESS_DENIED = 103,    /* this user may not connect to the socket */
  HOLDFAST_CONNECTION_LOST = 104,  /* it broke before the reply was whole: the request may have been
                                      carried out */
  HOLDFAST_DEADLINE = 105,  /* no reply within timeout_ms: the request may have been carried out */
  HOLDFAST_BAD_REPLY = 106, /* not a reply of this protocol, or over the limits */
  HOLDFAST_INVALID_ARGUMENT = 107, /* a mistake of the program; nothing was sent */
  HOLDFAST_OUT_OF_MEMORY = 108,
  HOLDFAST_SYSTEM = 109 /* the operating system refused something; the detail says what */
} holdfast_code;

typedef struct holdfast_error holdfast_error;

/* The code's name as sdk/API.md spells it ("not_permitted"), or such a name for the local ones
 * ("no_socket"). Never NULL, static. Any thread. */
HOLDFAST_API const char* holdfast_code_name(holdfast_code code);

/* These read an error; texts live as long as it. NULL reads as "no error". */
HOLDFAST_API holdfast_code holdfast_error_code(const holdfast_error* error);
/* The code as the daemon wrote it, of codes that this library does not know too; never NULL. */
HOLDFAST_API const char* holdfast_error_code_text(const holdfast_error* error);
/* The reply's HTTP status, 400 to 599; 0 where there was no reply. */
HOLDFAST_API int holdfast_error_status(const holdfast_error* error);
/* For people; can change; holds no secret. Never NULL. */
HOLDFAST_API const char* holdfast_error_detail(const holdfast_error* error);
/* What the daemon's log and `holdfast policy suggest` call this request; "" where there was no reply. */
HOLDFAST_API const char* holdfast_error_request_id(const holdfast_error* error);
/* Seconds to wait before asking again, 1 or more; 0 where asking again will not help by itself. */
HOLDFAST_API unsigned holdfast_error_retry_after(const holdfast_error* error);
HOLDFAST_API void holdfast_error_free(holdfast_error* error);

/* ---- Client ---- */

typedef struct holdfast_client holdfast_client;

typedef struct holdfast_options {
  size_t struct_size;
  /* Optional: the socket's path. Without it the client takes, whenever it connects, the first that exists
   * of $HOLDFAST_SOCKET, $XDG_RUNTIME_DIR/holdfast/holdfast.sock and /run/holdfast/holdfast.sock, with the
   * environment as it was in holdfast_client_new(). */
  const char* socket;
  /* Not 0: the admin socket, $HOLDFAST_ADMIN_SOCKET or admin.sock beside the other. */
  int admin;
  /* Milliseconds for a whole call; 0 means 30,000. */
  unsigned timeout_ms;
  /* While the daemon is being restarted there is no socket, or nobody answers on it. For so many
   * milliseconds of a call, and within its timeout, connecting is then tried again: no socket, nobody
   * listening, a full queue, or a connection that ended with the request unread. 0: such a call fails. */
  unsigned connect_patience_ms;
} holdfast_options;
#define HOLDFAST_OPTIONS_INIT \
  { sizeof(holdfast_options), NULL, 0, 0, 0 }

/* Makes a client; connects to nothing yet. `options`: optional. Reads the environment.
 * Errors: INVALID_ARGUMENT, OUT_OF_MEMORY (then the result is NULL). */
HOLDFAST_API holdfast_client* holdfast_client_new(const holdfast_options* options,
                                                  holdfast_error** error);
/* Closes its connections. No call may be running on it. */
HOLDFAST_API void holdfast_client_free(holdfast_client* client);

/* ---- Any call ---- */

typedef struct holdfast_reply {
  int status;             /* 200 to 299 */
  const char* body;       /* JSON, `body_size` bytes and a NUL; "" where there was none */
  size_t body_size;       /* at most 1 MiB */
  const char* request_id; /* X-Request-Id */
} holdfast_reply;

/* Sends one request and waits for its reply. `method`: GET, POST, DELETE. `path`: the target, such as
 * "/v1/keys?limit=10", percent-encoded. `json_body`: optional; sent as it is.
 * A connection that was kept and turns out to be dead before any byte of the reply is replaced, and the
 * request repeated once; a request on a fresh connection is not repeated (but see connect_patience_ms).
 * Errors: all. A status of 300 or more is an error. */
HOLDFAST_API holdfast_code holdfast_call(holdfast_client* client, const char* method,
                                         const char* path, const char* json_body,
                                         holdfast_reply** reply, holdfast_error** error);
HOLDFAST_API void holdfast_reply_free(holdfast_reply* reply);

/* GET /v1/version, /v1/health, /v1/whoami: the body is the JSON of sdk/API.md. Errors: all. */
HOLDFAST_API holdfast_code holdfast_get_version(holdfast_client* client, holdfast_reply** reply,
                                                holdfast_error** error);
HOLDFAST_API holdfast_code holdfast_get_health(holdfast_client* client, holdfast_reply** reply,
                                               holdfast_error** error);
HOLDFAST_API holdfast_code holdfast_get_whoami(holdfast_client* client, holdfast_reply** reply,
                                               holdfast_error** error);
/* GET /v1/keys: one page. `limit`: 1 to 1000, or 0 for the daemon's 100. `after`: optional, the `next` of
 * the page before. */
HOLDFAST_API holdfast_code holdfast_get_keys(holdfast_client* client, unsigned limit,
                                             const char* after, holdfast_reply** reply,
                                             holdfast_error** error);
/* GET /v1/keys/{name}. */
HOLDFAST_API holdfast_code holdfast_get_key(holdfast_client* client, const char* name,
                                            holdfast_reply** reply, holdfast_error** error);
/* GET /v1/jwks: a JWK Set. `key`: optional, one key's alone. */
HOLDFAST_API holdfast_code holdfast_get_jwks(holdfast_client* client, const char* key,
                                             holdfast_reply** reply, holdfast_error** error);

/* ---- AWS Signature Version 4 ---- */

typedef struct holdfast_header {
  const char* name;
  const char* value;
} holdfast_header;

typedef enum holdfast_choice {
  HOLDFAST_DEFAULT = 0, /* left out: the service's default */
  HOLDFAST_YES = 1,
  HOLDFAST_NO = 2
} holdfast_choice;

typedef enum holdfast_sigv4_mode {
  HOLDFAST_SIGV4_HEADER = 0, /* headers to add */
  HOLDFAST_SIGV4_QUERY = 1   /* a presigned URL */
} holdfast_sigv4_mode;

typedef struct holdfast_sigv4_request {
  size_t struct_size;
  const char* key;
  const char* region;
  const char* service;
  const char* method;             /* capital letters */
  const char* url;                /* as it goes on the wire, at most 8192 bytes */
  const holdfast_header* headers; /* optional */
  size_t header_count;
  const char* payload_sha256; /* optional: hex, or one of AWS's words such as UNSIGNED-PAYLOAD */
  const void* body; /* optional, instead of payload_sha256; not NULL, even where it is empty */
  size_t body_size;
  holdfast_sigv4_mode mode;
  uint32_t expires_in;             /* seconds, 1 to 604800, in mode QUERY; else 0 */
  const char* session_token;       /* optional */
  const char* time;                /* optional: RFC 3339 in UTC, "2026-01-01T00:00:00Z" */
  const char* const* sign_headers; /* optional: further headers to sign */
  size_t sign_header_count;
  holdfast_choice
      normalize_path; /* other than the service's default only where the grant allows it */
  holdfast_choice double_encode;
  holdfast_choice content_sha256_header;
  int explain;                   /* not 0: canonical_request and string_to_sign in the reply */
  const char* const* region_set; /* optional, instead of region: SigV4A */
  size_t region_set_count;
} holdfast_sigv4_request;
#define HOLDFAST_SIGV4_REQUEST_INIT                                                        \
  {                                                                                        \
    sizeof(holdfast_sigv4_request), NULL, NULL, NULL, NULL, NULL, NULL, 0, NULL, NULL, 0,  \
        HOLDFAST_SIGV4_HEADER, 0, NULL, NULL, NULL, 0, HOLDFAST_DEFAULT, HOLDFAST_DEFAULT, \
        HOLDFAST_DEFAULT, 0, NULL, 0                                                       \
  }

typedef struct holdfast_sigv4_reply {
  const holdfast_header* headers; /* to add to the request; none in mode QUERY */
  size_t header_count;
  const char* url;               /* in mode QUERY the presigned one */
  const char* signature;         /* lower-case hex: 64 digits, of SigV4A a DER ECDSA signature */
  const char* signed_headers;    /* "host;x-amz-date" */
  const char* canonical_request; /* NULL unless `explain` */
  const char* string_to_sign;    /* NULL unless `explain` */
  int64_t audit_seq;             /* the record's sequence number */
  const char* request_id;
} holdfast_sigv4_reply;

/* POST /v1/sign/sigv4. Errors: all. */
HOLDFAST_API holdfast_code holdfast_sign_sigv4(holdfast_client* client,
                                               const holdfast_sigv4_request* request,
                                               holdfast_sigv4_reply** reply,
                                               holdfast_error** error);
HOLDFAST_API void holdfast_sigv4_reply_free(holdfast_sigv4_reply* reply);

/* ---- JSON Web Tokens ---- */

typedef struct holdfast_jwt_request {
  size_t struct_size;
  const char* key;
  const char* const* audiences; /* 1 to 16 */
  size_t audience_count;
  int audience_list;  /* not 0: `aud` is a list even where there is one audience */
  uint32_t ttl;       /* seconds, 1 or more */
  const char* issuer; /* optional, as are those below */
  const char* subject;
  const char* claims;    /* the text of a JSON object; sent as it is, so that no number changes */
  const char* typ;       /* "at+jwt" */
  const char* algorithm; /* ES256, ES384, RS256, PS256, EdDSA; the key's own where left out */
} holdfast_jwt_request;
#define HOLDFAST_JWT_REQUEST_INIT \
  { sizeof(holdfast_jwt_request), NULL, NULL, 0, 0, 0, NULL, NULL, NULL, NULL, NULL }

typedef struct holdfast_jwt_reply {
  const char* token;      /* a JWS in compact form, at most 24 KiB; whoever has it can use it */
  const char* expires_at; /* RFC 3339 */
  const char* jti;
  const char* kid;
  int64_t audit_seq;
  const char* request_id;
} holdfast_jwt_reply;

/* POST /v1/token/jwt. Errors: all. */
HOLDFAST_API holdfast_code holdfast_mint_jwt(holdfast_client* client,
                                             const holdfast_jwt_request* request,
                                             holdfast_jwt_reply** reply, holdfast_error** error);
HOLDFAST_API void holdfast_jwt_reply_free(holdfast_jwt_reply* reply);

/* ---- Digests ---- */

typedef struct holdfast_digest_request {
  size_t struct_size;
  const char* key;
  const char* algorithm; /* ES256, ES384, RS256, PS256 */
  const void* digest;    /* of the algorithm's size: 32 bytes, ES384 48 */
  size_t digest_size;
  const char* encoding; /* "der" or "raw"; optional for RSA */
} holdfast_digest_request;
#define HOLDFAST_DIGEST_REQUEST_INIT \
  { sizeof(holdfast_digest_request), NULL, NULL, NULL, 0, NULL }

typedef struct holdfast_digest_reply {
  const unsigned char* signature; /* bytes, no longer base64 */
  size_t signature_size;
  int64_t audit_seq;
  const char* request_id;
} holdfast_digest_reply;

/* POST /v1/sign/digest. Errors: all. */
HOLDFAST_API holdfast_code holdfast_sign_digest(holdfast_client* client,
                                                const holdfast_digest_request* request,
                                                holdfast_digest_reply** reply,
                                                holdfast_error** error);
HOLDFAST_API void holdfast_digest_reply_free(holdfast_digest_reply* reply);

/* ---- The parts, for a program with its own event loop (holdfast/asio.hpp is one) ---- */

/* The path that a client with these options would connect to now, to free with holdfast_text_free().
 * Errors: NO_SOCKET (none exists), INVALID_ARGUMENT, OUT_OF_MEMORY. Reads the environment. */
HOLDFAST_API holdfast_code holdfast_find_socket(const holdfast_options* options, char** path,
                                                holdfast_error** error);
/* Makes sure that the socket is the daemon's (sdk/API.md, "Finding the socket") and connects, without
 * waiting. *fd: non-blocking, close-on-exec, the caller's to close; -1 on failure.
 * Errors: NO_SOCKET, UNTRUSTED_SOCKET, PATH_TOO_LONG, ACCESS_DENIED, OVERLOADED (the queue of connections is
 * full), SYSTEM, OUT_OF_MEMORY. Looks the user `holdfast` up. Any thread. */
HOLDFAST_API holdfast_code holdfast_connect(const char* path, int* fd, holdfast_error** error);

/* Request to body and body to reply. The body is to free with holdfast_text_free().
 * Errors: INVALID_ARGUMENT, BAD_REPLY, OUT_OF_MEMORY. Any thread. */
HOLDFAST_API holdfast_code holdfast_encode_sigv4(const holdfast_sigv4_request* request, char** body,
                                                 holdfast_error** error);
HOLDFAST_API holdfast_code holdfast_encode_jwt(const holdfast_jwt_request* request, char** body,
                                               holdfast_error** error);
HOLDFAST_API holdfast_code holdfast_encode_digest(const holdfast_digest_request* request,
                                                  char** body, holdfast_error** error);
HOLDFAST_API holdfast_code holdfast_decode_sigv4(const char* body, size_t size,
                                                 const char* request_id,
                                                 holdfast_sigv4_reply** reply,
                                                 holdfast_error** error);
HOLDFAST_API holdfast_code holdfast_decode_jwt(const char* body, size_t size,
                                               const char* request_id, holdfast_jwt_reply** reply,
                                               holdfast_error** error);
HOLDFAST_API holdfast_code holdfast_decode_digest(const char* body, size_t size,
                                                  const char* request_id,
                                                  holdfast_digest_reply** reply,
                                                  holdfast_error** error);
/* The error of a reply whose status is 300 or more; its code is the result. `request_id`, `retry_after`:
 * those headers' values, optional. */
HOLDFAST_API holdfast_code holdfast_decode_problem(int status, const char* body, size_t size,
                                                   const char* request_id, const char* retry_after,
                                                   holdfast_error** error);
/* Zeroes and frees. */
HOLDFAST_API void holdfast_text_free(char* text);

#ifdef __cplusplus
}
#endif

#endif
