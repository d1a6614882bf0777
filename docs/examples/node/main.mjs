// Copyright The sfs-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// An application that lists the users of its SFS client, once for each line that it reads. Needs Node 18 or later.
//
//     node docs/examples/node/main.mjs

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

// Where the token Secret is mounted.
const dir = process.env.SFS_TOKEN_DIR ?? "/var/run/sfs";

const read = (key) => readFileSync(join(dir, key), "utf8").trim();

const send = (token, endpoint, data) =>
  fetch(`${read("baseURL")}/${endpoint}`, {
    method: "POST",
    headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
    body: JSON.stringify({ data }),
    redirect: "error", // SFS sends none, and the token is for nobody else
    signal: AbortSignal.timeout(30_000),
  });

async function call(endpoint, data) {
  const token = read("token"); // for each request: it is replaced every 20 minutes
  const answer = await send(token, endpoint, data);
  if (answer.status !== 401) return answer;
  const newer = read("token"); // it may have been replaced, and revoked, meanwhile
  if (newer === token) return answer;
  await answer.body?.cancel();
  return send(newer, endpoint, data);
}

for await (const _ of createInterface({ input: process.stdin })) {
  const answer = await call("user", { action: "list" });
  console.log(answer.status, (await answer.text()).trim());
}
