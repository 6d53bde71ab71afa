// The control of the Ledger scenario: a client with its key compiled in (-DKEY_ID=… -DSECRET=…), as wallets and apps have them.
// Prints the headers that sign `GET https://HOST PATH` for S3: static_client HOST PATH.
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define NAMES "host;x-amz-content-sha256;x-amz-date"

static void hex_of(const unsigned char* bytes, char* text) {
  for (int at = 0; at < 32; ++at) sprintf(text + 2 * at, "%02x", bytes[at]);
}

int main(int count, char** arguments) {
  if (count != 3) return 2;
  char stamp[17], date[9], text[4096], scope[64], digest[65];
  unsigned char key[EVP_MAX_MD_SIZE] = "AWS4" SECRET;
  unsigned length = (unsigned)strlen((char*)key);
  const time_t now = time(NULL);
  strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", gmtime(&now));
  snprintf(date, sizeof date, "%.8s", stamp);
  snprintf(scope, sizeof scope, "%s/eu-west-1/s3/aws4_request", date);

  snprintf(text, sizeof text,
           "GET\n%s\n\nhost:%s\nx-amz-content-sha256:" EMPTY "\nx-amz-date:%s\n\n" NAMES "\n" EMPTY,
           arguments[2], arguments[1], stamp);
  unsigned char hash[EVP_MAX_MD_SIZE];
  EVP_Digest(text, strlen(text), hash, NULL, EVP_sha256(), NULL);
  hex_of(hash, digest);
  snprintf(text, sizeof text, "AWS4-HMAC-SHA256\n%s\n%s\n%s", stamp, scope, digest);

  const char* const chain[] = {date, "eu-west-1", "s3", "aws4_request", text};
  for (int at = 0; at < 5; ++at) {
    HMAC(EVP_sha256(), key, (int)length, (const unsigned char*)chain[at], strlen(chain[at]), hash,
         &length);
    memcpy(key, hash, length);
  }
  hex_of(key, digest);
  printf("Authorization: AWS4-HMAC-SHA256 Credential=" KEY_ID "/%s, SignedHeaders=" NAMES
         ", Signature=%s\nX-Amz-Date: %s\nX-Amz-Content-Sha256: " EMPTY "\n",
         scope, digest, stamp);
  return 0;
}
