#include "tests/unit/audit_support.h"

namespace holdfast::audit {
namespace {

std::string hex(const Sha256& hash) {
  return to_hex(hash);
}

TEST(MerkleTree, GivesTheKnownRootsOfCertificateTransparency) {
  // The eight leaves and roots of certificate-transparency's own test
  // (merkletree/merkle_tree_test.cc).
  const char* leaves[] = {"",
                          "00",
                          "10",
                          "2021",
                          "3031",
                          "40414243",
                          "5051525354555657",
                          "606162636465666768696a6b6c6d6e6f"};
  const char* roots[] = {"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                         "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
                         "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
                         "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
                         "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
                         "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
                         "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
                         "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
                         "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};
  Tree tree;
  EXPECT_EQ(hex(tree.root()), roots[0]);
  for (std::size_t i = 0; i < 8; ++i) {
    tree.push(leaf_hash(as_text(*from_hex(leaves[i]))));
    EXPECT_EQ(hex(tree.root()), roots[i + 1]) << i + 1;
  }
}

TEST(MerkleTree, AgreesWithTheDefinitionAtEverySize) {
  Tree tree;
  std::vector<std::string> leaves;
  for (int size = 0; size <= 700; ++size) {
    ASSERT_EQ(as_text(tree.root()), merkle_tree_hash(leaves)) << size;
    leaves.push_back("leaf " + std::to_string(size));
    tree.push(leaf_hash(leaves.back()));
  }
}

TEST(MerkleTree, FillsTilesWithTheHashesOfCompleteSubtrees) {
  constexpr std::size_t count = 65536 + 256;
  Tree tree;
  std::vector<std::string> leaves;
  for (std::size_t i = 0; i < count; ++i) {
    leaves.push_back(std::to_string(i));
    tree.push(leaf_hash(leaves.back()));
  }
  const std::vector<Tile> tiles = tree.take_filled();
  ASSERT_EQ(tiles.size(), 258U);
  for (const Tile& tile : tiles) {
    ASSERT_EQ(tile.hashes.size(), kTileBytes);
    const std::size_t span = tile.level == 0 ? 1 : 256;
    const std::size_t first = tile.index * 256 * span;
    for (const std::size_t at : {0, 1, 100, 255})
      EXPECT_EQ(tile.hashes.substr(at * 32, 32),
                merkle_tree_hash(&leaves[first + at * span], span));
    EXPECT_EQ(as_text(tile.root()), merkle_tree_hash(&leaves[first], 256 * span));
    EXPECT_EQ(tile.end(), first + 256 * span);
  }
  EXPECT_EQ(tiles[256].path(), "tile/1/000");
  EXPECT_TRUE(tree.take_filled().empty());

  Tree from_subtree;
  from_subtree.push(tiles[256].root(), 16);
  for (std::size_t i = 65536; i < count; ++i) from_subtree.push(leaf_hash(leaves[i]));
  EXPECT_EQ(from_subtree.root(), tree.root());
}

TEST(Tile, HasThePathOfTlogTiles) {
  EXPECT_EQ(Tile::path(0, 0), "tile/0/000");
  EXPECT_EQ(Tile::path(3, 999), "tile/3/999");
  EXPECT_EQ(Tile::path(0, 1000), "tile/0/x001/000");
  EXPECT_EQ(Tile::path(0, 1234067), "tile/0/x001/x234/067");
}

TEST(Checkpoint, IsReadInOneSpellingOnly) {
  const LogState state{1234, to_base64(sha256("root"))};
  const std::string text = to_text(state);
  EXPECT_EQ(text, "holdfast/audit\n1234\n" + state.root + "\n");
  const auto parsed = parse_head(text);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->size, 1234U);
  EXPECT_EQ(parsed->root, state.root);
  for (const std::string& bad :
       {std::string(), text + "\n", text.substr(0, text.size() - 1), "x" + text,
        "holdfast/audit\n01234\n" + state.root + "\n", "holdfast/audit\n-1\n" + state.root + "\n",
        "holdfast/audit\n18446744073709551616\n" + state.root + "\n",
        "holdfast/audit\n1234\n" + to_base64(as_bytes("short")) + "\n",
        std::string("holdfast/audit\n1234\n"), "holdfast/audit\n1234\r\n" + state.root + "\n"})
    EXPECT_FALSE(parse_head(bad)) << bad;
}

}  // namespace
}  // namespace holdfast::audit
