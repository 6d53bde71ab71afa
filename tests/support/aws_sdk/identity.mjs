// Who STS says we are, with the credentials that the SDK's default chain finds: node identity.mjs FOLDER ENDPOINT.
// FOLDER is where `npm ci` was run. Prints one line of JSON; exit 1 with {"error", "message"} where there is no answer.
import { createRequire } from "node:module";
import { join } from "node:path";

const [folder, endpoint] = process.argv.slice(2);
const { STSClient, GetCallerIdentityCommand } = createRequire(join(folder, "package.json"))("@aws-sdk/client-sts");

const client = new STSClient({ endpoint, region: process.env.AWS_REGION ?? "eu-west-1", maxAttempts: 1 });
try {
  const { Arn: arn, Account: account } = await client.send(new GetCallerIdentityCommand({}));
  console.log(JSON.stringify({ arn, account }));
} catch (error) {
  console.log(JSON.stringify({ error: error.name, message: error.message }));
  process.exitCode = 1;
}
