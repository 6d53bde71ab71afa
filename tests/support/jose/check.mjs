// Verifies tokens with jose: one JSON line in, one JSON line out, in order. node check.mjs FOLDER-WITH-NODE_MODULES
//   {"token","jwks","options"}  ->  {"header","payload"} or {"error": jose's code, "message"}
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const jose = createRequire(process.argv[2] + "/")("jose");

const sets = new Map();  // by their text: importing a key costs more than verifying with it
function keySet(jwks) {
  const text = JSON.stringify(jwks);
  if (!sets.has(text)) sets.set(text, jose.createLocalJWKSet(jwks));
  return sets.get(text);
}

async function answer(line) {
  const { token, jwks, options = {} } = JSON.parse(line);
  if (options.currentDate) options.currentDate = new Date(options.currentDate * 1000);
  try {
    const { protectedHeader, payload } = await jose.jwtVerify(token, keySet(jwks), options);
    return { header: protectedHeader, payload };
  } catch (error) {
    return { error: error.code ?? error.name, message: error.message };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(JSON.stringify(await answer(line)) + "\n");
}
