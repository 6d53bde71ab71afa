// Signed checkpoints, what they let a verifier find (threat row 10), and proofs against them.
#include <gmock/gmock.h>
#include <openssl/ec.h>

#include <algorithm>

#include "daemon/audit/export.h"
#include "daemon/audit/proof.h"
#include "tests/unit/audit_support.h"

namespace holdfast::audit {
namespace {

using testing::Contains;
using testing::HasSubstr;

// A key of OpenSSL's in the place of the device's.
class Signer {
 public:
  Signer() : key_(EVP_EC_gen("P-256")) {
    unsigned char* der = nullptr;
    const int size = i2d_PUBKEY(key_.get(), &der);
    spki.assign(der, der + size);
    OPENSSL_free(der);
  }
  std::string note(const Checkpoint& checkpoint) const {
    const std::string text = to_text(checkpoint);
    const EvpMdCtx context(EVP_MD_CTX_new());
    EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key_.get());
    Bytes signature(80);
    std::size_t size = signature.size();
    EVP_DigestSign(context.get(), signature.data(), &size, as_bytes(text).data(), text.size());
    signature.resize(size);
    return text + "\n" + signature_line(checkpoint.origin, spki, signature);
  }
  Bytes spki;

 private:
  EvpPkey key_;
};

Checkpoint checkpoint_of(const LogState& state) {
  return {"machine.example/holdfast",
          state,
          SystemTime(std::chrono::seconds(1'767'225'600)),
          std::string(64, 'a'),
          std::string(64, 'b'),
          std::nullopt};
}

class SignedLog : public testing::Test {
 protected:
  void append(std::uint64_t count) {
    const auto log = Log::open(folder_.log(), false);
    log->append(samples(log->size(), count));
    log->store_head();
    log->publish(log->size(), signer_.note(checkpoint_of(log->state())));
  }
  Verdict verdict(std::vector<std::string> saved = {}) {
    VerifyOptions options;
    options.keys = {signer_.spki};
    options.saved = std::move(saved);
    return verify(folder_.log(), options);
  }
  std::string path(const std::string& name) { return folder_.log() + "/" + name; }
  void copy(const std::string& from, const std::string& to) {
    std::filesystem::remove_all(to);
    std::filesystem::copy(from, to, std::filesystem::copy_options::recursive);
  }

  TempFolder folder_;
  Signer signer_;
};

TEST(Checkpoint, HasOneSpelling) {
  const Signer signer;
  Checkpoint checkpoint = checkpoint_of({7, to_base64(sha256("root"))});
  for (const std::optional<std::uint64_t> anchor :
       {std::optional<std::uint64_t>(), std::optional<std::uint64_t>(17)}) {
    checkpoint.anchor = anchor;
    const std::string note = signer.note(checkpoint);
    const auto parsed = parse_checkpoint(note);
    ASSERT_TRUE(parsed);
    EXPECT_EQ(to_text(parsed->checkpoint), parsed->text);
    EXPECT_EQ(parsed->checkpoint.anchor, anchor);
    EXPECT_TRUE(parsed->is_signed_by(signer.spki));
    EXPECT_FALSE(parsed->is_signed_by(Signer().spki));
    // A witness's line is passed over.
    const auto witnessed =
        parse_checkpoint(note + "\xe2\x80\x94 witness.example " + to_base64(Bytes(76, 1)) + "\n");
    ASSERT_TRUE(witnessed);
    EXPECT_TRUE(witnessed->is_signed_by(signer.spki));
    for (const std::string& bad :
         {note + "x", note + "\n", note.substr(0, note.size() - 1), "\n" + note,
          std::string(note).replace(note.find("\n7\n"), 3, "\n07\n"),
          std::string(note).replace(note.find("\n7\n"), 3, "\n+7\n"),
          std::string(note).insert(note.find("\n\n") + 1, "more 1\n")})
      EXPECT_FALSE(parse_checkpoint(bad)) << bad;
    for (std::size_t at = 0; at < note.size(); ++at)
      for (const int bit : {1, 32}) {
        std::string changed = note;
        changed[at] = static_cast<char>(changed[at] ^ bit);
        const auto read = parse_checkpoint(changed);
        EXPECT_FALSE(read && read->is_signed_by(signer.spki)) << "byte " << at;
      }
  }
}

// C2SP signed-note: no control characters, UTF-8 alone, and no failed signature beside a known key's good one.
TEST(Checkpoint, IsRefusedWhereTheFormatOfANoteSaysSo) {
  const Signer signer;
  Checkpoint checkpoint = checkpoint_of({7, to_base64(sha256("root"))});
  const std::string good = signer.note(checkpoint);
  const std::string failed = signature_line(checkpoint.origin, signer.spki, Bytes(70, 1));
  for (const std::string& note : {good + failed, good.substr(0, good.find("\n\n") + 2) + failed +
                                                     good.substr(good.find("\n\n") + 2)}) {
    const auto parsed = parse_checkpoint(note);
    EXPECT_FALSE(parsed && parsed->is_signed_by(signer.spki)) << note;
  }
  for (const std::string bad : {"\x1b[2J", "\r", "\xff"}) {
    checkpoint.policy_digest = bad;
    EXPECT_FALSE(parse_checkpoint(signer.note(checkpoint))) << bad;
    EXPECT_FALSE(parse_checkpoint(good + "\xe2\x80\x94 witness" + bad + " " +
                                  to_base64(Bytes(76, 1)) + "\n"));
  }
}

TEST(Checkpoint, HasAKeyIdOfItsPublicKeysDer) {
  const Signer signer;
  EXPECT_EQ(to_hex(key_id(signer.spki)), to_hex(sha256(signer.spki)).substr(0, 8));
  EXPECT_EQ(read_public_key(spki_to_pem(signer.spki)), signer.spki);
  EXPECT_THROW(read_public_key("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"),
               Error);
}

TEST_F(SignedLog, IsGoodUpToItsCheckpoint) {
  append(300);
  append(20);
  const Verdict good = verdict();
  EXPECT_TRUE(good.good) << testing::PrintToString(good.faults);
  EXPECT_EQ(good.signed_size, 320U);
  EXPECT_THAT(good.horizon,
              HasSubstr("The first 320 records are those of the checkpoint of "
                        "machine.example/holdfast that was signed at 2026-01-01T00:00:00Z"));
  EXPECT_THAT(good.horizon, HasSubstr("kept elsewhere"));
  VerifyOptions other;
  other.keys = {Signer().spki};
  EXPECT_THAT(verify(folder_.log(), other).faults, Contains(HasSubstr("not signed by the key")));
  other.keys.push_back(signer_.spki);  // rotated
  EXPECT_TRUE(verify(folder_.log(), other).good);
  EXPECT_THAT(verify(folder_.log()).horizon, HasSubstr("Signatures were not checked"));
}

TEST_F(SignedLog, ShowsEachChangedByteOfEachFile) {
  append(257);
  append(3);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_.log())) {
    if (!entry.is_regular_file() || entry.file_size() == 0) continue;
    const std::string good = contents(entry.path());
    for (std::size_t at = 0; at<good.size(); at += good.size()> 1000 ? 211 * kStride : kStride) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ (1 << at % 8));
      overwrite(entry.path(), bad);
      EXPECT_FALSE(verdict().good) << entry.path() << " byte " << at;
    }
    overwrite(entry.path(), good);
  }
  EXPECT_TRUE(verdict().good);
}

// Who can write in the folder, but has not the key: the head and the tiles are made to fit.
TEST_F(SignedLog, ShowsRecordsThatWereRewrittenWithEverythingThatFollows) {
  append(300);
  for (const std::uint64_t changed : {std::uint64_t{0}, std::uint64_t{150}, std::uint64_t{299}}) {
    const TempFolder forged;
    {
      const auto log = Log::open(forged.log(), false);
      for (std::uint64_t i = 0; i < 300; ++i) {
        Record record = sample(i);
        if (i == changed) record.uid = 0;
        log->append({&record, 1});
      }
      log->store_head();
    }
    std::filesystem::copy(path("checkpoint"), forged.log() + "/checkpoint");
    std::filesystem::copy(path("checkpoints"), forged.log() + "/checkpoints",
                          std::filesystem::copy_options::overwrite_existing);
    VerifyOptions options;
    options.keys = {signer_.spki};
    EXPECT_THAT(verify(forged.log(), options).faults,
                Contains(HasSubstr("do not have the root that it says: the log was rewritten")));
    EXPECT_THAT(refusal_of([&] { Log::open(forged.log(), false); }),
                HasSubstr("signed checkpoint"));
    std::filesystem::remove(forged.log() + "/checkpoint");
    std::filesystem::remove_all(forged.log() + "/checkpoints");
    EXPECT_THAT(verify(forged.log(), options).faults,
                Contains(HasSubstr("checkpoint: is missing")));
  }
}

TEST_F(SignedLog, ShowsARollbackAndAForkToWhoKeptACheckpoint) {
  append(300);
  copy(folder_.log(), folder_.other("older"));
  append(100);
  const std::string saved = contents(path("checkpoint"));
  EXPECT_TRUE(verdict({saved}).good);
  EXPECT_THAT(verdict({saved}).horizon,
              HasSubstr("The 400 records of the saved checkpoint are among them"));
  append(50);
  EXPECT_TRUE(verdict({saved}).good);
  copy(folder_.other("older"), folder_.log());
  EXPECT_TRUE(verdict().good) << "all that is there fits";
  EXPECT_THAT(
      verdict({saved}).faults,
      Contains(HasSubstr("rolled back: it has 300 records, and the saved checkpoint says 400")));
  // And signed anew from there: a fork.
  append(200);
  EXPECT_TRUE(verdict().good);
  EXPECT_THAT(verdict({saved}).faults,
              Contains(HasSubstr("the log was rolled back, forked or rewritten")));
  EXPECT_THAT(verdict({"garbage"}).faults, Contains(HasSubstr("no signed checkpoint")));
}

TEST_F(SignedLog, IsNotOpenedBehindItsCheckpoint) {
  append(300);
  copy(folder_.log(), folder_.other("older"));
  append(100);
  for (const std::string name : {"leaves", "details", "head"})
    copy(folder_.other("older") + "/" + name, path(name));
  const std::string torn = contents(leaves_file(folder_.log())) + "{\"seq\":300,";
  overwrite(leaves_file(folder_.log()), torn);
  EXPECT_THAT(refusal_of([&] { Log::open(folder_.log(), false); }), HasSubstr("signed checkpoint"));
  EXPECT_FALSE(verdict().good);
  EXPECT_TRUE(contents(leaves_file(folder_.log())) == torn) << "what is refused stays as it was";
}

// A power cut may take records whose tile it leaves. What comes in their place is another tile's.
TEST_F(SignedLog, IsNotReadFromATileOfRecordsThatAPowerCutTook) {
  append(300);
  copy(folder_.log(), folder_.other("durable"));
  {
    const auto log = Log::open(folder_.log(), false);
    log->append(samples(1000, 300));  // fills tile/0/001
  }
  for (const std::string name : {"leaves", "details", "head"})
    copy(folder_.other("durable") + "/" + name, path(name));
  ASSERT_TRUE(std::filesystem::exists(path("tile/0/001")));
  append(100);
  EXPECT_TRUE(verdict().good) << testing::PrintToString(verdict().faults);
  EXPECT_EQ(prove(folder_.log(), 350, contents(path("checkpoint"))).index, 350U);
  EXPECT_EQ(refusal_of([&] { Log::open(folder_.log(), false); }), "");
  append(200);
  EXPECT_TRUE(verdict().good);
  EXPECT_EQ(prove(folder_.log(), 350, contents(path("checkpoint"))).index, 350U);
}

// As a backup that was unpacked over the folder leaves it.
TEST_F(SignedLog, IsNotOpenedBehindANewerCheckpointBesideItsOwn) {
  append(300);
  copy(folder_.log(), folder_.other("older"));
  append(100);
  for (const std::string name : {"leaves", "details", "head", "checkpoint"})
    copy(folder_.other("older") + "/" + name, path(name));
  EXPECT_THAT(refusal_of([&] { Log::open(folder_.log(), false); }),
              HasSubstr("its first 400 records are not those of its signed checkpoint"));
}

TEST_F(SignedLog, KeepsTheLastThousandCheckpoints) {
  const auto log = Log::open(folder_.log(), false);
  for (std::uint64_t i = 0; i < kMostCheckpoints + 5; ++i) {
    log->append(samples(i, 1));
    log->publish(i + 1, "note " + std::to_string(i));
  }
  const auto kept = list_checkpoints(folder_.log());
  ASSERT_EQ(kept.size(), kMostCheckpoints);
  EXPECT_EQ(kept.front(), 6U);
  EXPECT_EQ(kept.back(), kMostCheckpoints + 5);
}

TEST(Proofs, AreRightForEveryRecordOfEverySizeOfASmallTree) {
  const TempFolder folder;
  make_log(folder.log(), 70);
  const auto leaves = lines_of(contents(leaves_file(folder.log())));
  for (std::uint64_t size = 1; size <= leaves.size(); ++size) {
    StoredTree tree(folder.log(), size);
    const std::string expected = merkle_tree_hash(leaves.data(), size);
    const Sha256 root = tree.root();
    ASSERT_EQ(as_text(root), expected) << size;
    for (std::uint64_t index = 0; index < size; ++index) {
      auto proof = tree.inclusion(index);
      const Sha256 leaf = leaf_hash(leaves[index]);
      ASSERT_TRUE(is_included(leaf, index, size, proof, root)) << index << " of " << size;
      EXPECT_FALSE(is_included(leaf_hash("other"), index, size, proof, root));
      EXPECT_FALSE(is_included(leaf, index + 1, size, proof, root));
      if (proof.empty()) continue;
      proof.front()[0] ^= 1;
      EXPECT_FALSE(is_included(leaf, index, size, proof, root));
      proof.pop_back();
      EXPECT_FALSE(is_included(leaf, index, size, proof, root));
    }
  }
}

TEST(Proofs, ComeFromTheTilesOfALargeTree) {
  const TempFolder folder;
  make_log(folder.log(), kSegmentLeaves + 300);
  Tree grown;
  for (const std::uint64_t first : {std::uint64_t{0}, kSegmentLeaves})
    for (const std::string& line : lines_of(contents(leaves_file(folder.log(), first)))) {
      grown.push(leaf_hash(line));
      if (grown.size() % 9973 == 0 || grown.size() > kSegmentLeaves + 250) {
        EXPECT_EQ(StoredTree(folder.log(), grown.size()).root(), grown.root()) << grown.size();
      }
    }
  // Of the older segment only tiles are needed, but for the record itself.
  StoredTree tree(folder.log(), grown.size());
  const auto proof = tree.inclusion(40'000);
  const auto line = lines_of(contents(leaves_file(folder.log())))[40'000];
  EXPECT_TRUE(is_included(leaf_hash(line), 40'000, grown.size(), proof, grown.root()));
}

TEST_F(SignedLog, GivesAProofThatItsCheckpointCoversTheRecord) {
  append(300);
  const std::string note = contents(path("checkpoint"));
  append(30);
  const Proof proof = prove(folder_.log(), 123, note);
  EXPECT_THAT(proof.leaf, HasSubstr("{\"seq\":123,"));
  const std::string text = to_tlog_proof(proof);
  EXPECT_THAT(text, testing::StartsWith("c2sp.org/tlog-proof@v1\nextra " +
                                        to_base64(as_bytes(proof.leaf)) + "\nindex 123\n"));
  EXPECT_THAT(text, testing::EndsWith("\n\n" + note));
  EXPECT_THROW(prove(folder_.log(), 300, note), Error);
  std::string leaves = contents(leaves_file(folder_.log()));
  std::replace(leaves.begin(), leaves.end(), '7', '8');
  overwrite(leaves_file(folder_.log()), leaves);
  EXPECT_THAT(refusal_of([&] { prove(folder_.log(), 3, note); }), HasSubstr("audit verify"));
}

// The parts that an export already has are not written again.
TEST_F(SignedLog, IsNotExportedOverAnother) {
  append(600);
  const std::string site = folder_.other("site");
  std::filesystem::create_directory(site);
  export_log(folder_.log(), contents(path("checkpoint")), site);
  const TempFolder other;
  const auto log = Log::open(other.log(), false);
  log->append(samples(5000, 600));
  log->store_head();
  const std::string note = signer_.note(checkpoint_of(log->state()));
  EXPECT_THROW(export_log(other.log(), note, site), Error);
  EXPECT_EQ(contents(site + "/checkpoint"), contents(path("checkpoint")));
  // What an export left that did not come to its end is written again.
  std::filesystem::remove(site + "/checkpoint");
  export_log(other.log(), note, site);
  EXPECT_TRUE(contents(site + "/tile/0/000") == contents(other.log() + "/tile/0/000"));
  EXPECT_TRUE(contents(site + "/tile/entries/001").find(sample(5300).signed_digest) !=
              std::string::npos);
}

}  // namespace
}  // namespace holdfast::audit
