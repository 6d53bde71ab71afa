// Keys in the TPM's few slots. A TPM need have only three (TCG PC Client Platform TPM Profile §3.1,
// TPM_PT_HR_TRANSIENT_MIN), and one is the parent's, so two keys stay loaded and others wait as
// saved contexts, which come back three times as fast as TPM2_Load. A saved context is only a short
// cut: it dies when the TPM restarts, and then the wrapped blob is loaded again.
#pragma once

#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "daemon/key/backend.h"
#include "tpm/handles.h"
#include "tpm/key_file.h"
#include "tpm/session.h"

namespace holdfast::tpm {

class Objects {
 public:
  // `parent` lives in the same context; it and `session` outlive this.
  Objects(ESYS_CONTEXT* esys, ESYS_TR parent, Session& session)
      : esys_(esys), parent_(parent), session_(session) {}

  struct Loaded {
    ESYS_TR handle;  // until the next call of a method
    KeyType type;
    bool has_auth;
  };

  // The key of this PEM text, loaded. Throws Error{key_lost} where it isn't a key of this TPM with
  // the attributes we demand. `meanwhile` is called before it is loaded, if it has to be.
  Loaded use(
      ByteView pem, const Backend::Meanwhile& meanwhile = [] {});

  // Leaves a slot free for a command that needs one.
  void make_room();

  void forget(ByteView pem);

 private:
  struct Entry {
    std::string pem;
    KeyType type;
    Bytes auth;
    std::optional<Object> object;
    EsysPtr<TPMS_CONTEXT> saved;
  };
  using Entries = std::list<Entry>;

  Object load(const KeyFile& key);
  bool restore(Entry& entry);
  void evict(Entry& entry);
  void set_auth(const Object& object, const Bytes& auth);

  ESYS_CONTEXT* esys_;
  ESYS_TR parent_;
  Session& session_;
  Entries entries_;                                                 // the latest used first
  std::unordered_map<std::string_view, Entries::iterator> by_pem_;  // views of Entry::pem
};

}  // namespace holdfast::tpm
