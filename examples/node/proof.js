// SPDX-License-Identifier: Apache-2.0
// proof.js - what can be checked without a broker: hashes, signatures, trees, checkpoints
//
//     node proof.js FILE     this code against proto/vectors.json
//
// The numbers (#6) are those of the rules in proto/README.md.
import crypto from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import protobuf from "protobufjs";

const here = path.dirname(fileURLToPath(import.meta.url));
const root = new protobuf.Root();
const protos = process.env.CHANCERY_PROTO ?? path.join(here, "../../proto");
root.resolvePath = (origin, target) => // the others are options of the C compiler
  target.startsWith("chancery/") ? path.join(protos, target) : null;
root.loadSync(["core/v1/frames", "core/v1/registry", "core/v1/answers", "core/v1/transcripts", "embargo/v1/embargo"]
  .map((name) => `chancery/${name}.proto`));

// Messages go in and out as plain objects: bytes are Buffers, 64-bit numbers below 2^53 numbers.
export const pack = (type, object) => {
  const message = root.lookupType(type);
  return Buffer.from(message.encode(message.fromObject(object)).finish());
};
export const unpack = (type, bytes) => {
  const message = root.lookupType(type);
  return message.toObject(message.decode(bytes),
    { longs: Number, defaults: true, arrays: true, oneofs: true });
};
export const toJson = (type, bytes) => {
  const message = root.lookupType(type);
  return message.toObject(message.decode(bytes), { longs: String, enums: String, bytes: String });
};

// A stable code, and a text that says what is wrong and what to do.
export class Failure extends Error {
  constructor(code, text, status = 1) {
    super(`${code}: ${text}`);
    Object.assign(this, { code, status });
  }
}

export function insist(true_, what) {
  if (!true_)
    throw new Failure("not.verified", `${what}; do not use it, and tell the log's administrator`);
}

export const sha256 = (...parts) =>
  crypto.createHash("sha256").update(Buffer.concat(parts)).digest();
const node = (left, right) => sha256(Buffer.of(1), left, right);
const half = (n) => 2 ** (Math.ceil(Math.log2(n)) - 1); // the largest power of two below n

function rootOf(leaves) {
  if (leaves.length === 1) return leaves[0];
  const k = half(leaves.length);
  return node(rootOf(leaves.slice(0, k)), rootOf(leaves.slice(k)));
}

function pathOf(i, leaves) {
  if (leaves.length === 1) return [];
  const k = half(leaves.length);
  if (i < k) return [...pathOf(i, leaves.slice(0, k)), rootOf(leaves.slice(k))];
  return [...pathOf(i - k, leaves.slice(k)), rootOf(leaves.slice(0, k))];
}

// The root that a path leads to; its length has to fit (RFC 9162 section 2.1.3.2).
export function climb(i, size, leaf, steps) {
  const down = (n) => Math.floor(n / 2);
  let last = size - 1, at = leaf;
  insist(i >= 0 && i <= last, "the leaf lies outside of the tree");
  for (const step of steps) {
    insist(last > 0, "the path is too long");
    if (i % 2 || i === last) {
      at = node(step, at);
      while (i && i % 2 === 0) [i, last] = [down(i), down(last)];
    } else {
      at = node(at, step);
    }
    [i, last] = [down(i), down(last)];
  }
  insist(last === 0, "the path is too short");
  return at;
}

// RFC 8410 puts a fixed prefix in front of the 32 bytes of a key.
const privateKey = (seed) => crypto.createPrivateKey({ format: "der", type: "pkcs8",
  key: Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]) });
const publicKey = (bytes) => crypto.createPublicKey({ format: "der", type: "spki",
  key: Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), bytes]) });
const publicOf = (seed) => crypto.createPublicKey(privateKey(seed))
  .export({ format: "der", type: "spki" }).subarray(-32);
const signedText = (batchRoot) => Buffer.concat([Buffer.from("chancery-event-v1\0"), batchRoot]);
const batchLeaf = (salt, envelope) => sha256(Buffer.of(0), salt, envelope);

// The SignedEvents of a batch, one signature for all of them.
export function sign(seed, envelopes, salts) {
  const leaves = envelopes.map((envelope, i) => batchLeaf(salts[i], envelope));
  const signature = crypto.sign(null, signedText(rootOf(leaves)), privateKey(seed));
  return envelopes.map((envelope, i) => pack("chancery.core.v1.SignedEvent", {
    envelope, keyId: sha256(publicOf(seed)).subarray(0, 8), salt: salts[i], signature,
    leafIndex: i, treeSize: leaves.length, path: pathOf(i, leaves),
  }));
}

export function checkSignature(event, key) {
  const top = climb(event.leafIndex, event.treeSize, batchLeaf(event.salt, event.envelope), event.path);
  insist(crypto.verify(null, signedText(top), publicKey(key), event.signature),
    "the signature does not fit the event");
}

export function logLeaf(position, received, event) {
  const numbers = Buffer.alloc(16);
  numbers.writeBigUInt64BE(BigInt(position));
  numbers.writeBigUInt64BE(BigInt(received), 8);
  return sha256(Buffer.of(0, 1), numbers, sha256(event));
}

// Size and root that the log's key signed.
export function openCheckpoint(note, vkey) {
  const [name, keyHash] = vkey.split("+");
  const key = Buffer.from(vkey.slice(name.length + keyHash.length + 2), "base64").subarray(1);
  const end = note.lastIndexOf("\n\n") + 1;
  for (const line of note.slice(end + 1).trimEnd().split("\n")) {
    const [, signer, encoded] = line.split(" ");
    const signed = Buffer.from(encoded, "base64");
    if (signer !== name || signed.subarray(0, 4).toString("hex") !== keyHash) continue;
    const text = note.slice(0, end);
    insist(crypto.verify(null, Buffer.from(text), publicKey(key), signed.subarray(4)),
      "the checkpoint's signature is not that of log.vkey");
    const [origin, size, top] = text.split("\n");
    insist(origin === name, "the checkpoint is another log's");
    return { size: Number(size), root: Buffer.from(top, "base64") };
  }
  throw new Failure("not.verified", "the checkpoint is not signed by log.vkey; do not use it");
}

// What the registry's events come to (#7): keys by id, and the office of each seat.
export class Registry {
  keys = new Map();
  offices = new Map();
  #standing = new Map();
  #roles = new Map();
  #waiting = new Map();
  #quorum = 1;
  #founder = "";

  found({ administrator, administratorKey }) {
    this.#founder = administrator;
    this.#add(administrator, administratorKey, 1);
  }

  #add(seat, key, since) {
    this.keys.set(sha256(key).toString("hex", 0, 8), { seat, key, since });
  }

  #ofAdministrators(office) {
    return this.#roles.get(office)?.includes("administrator") ?? false;
  }

  #administers(seat) {
    if (!this.offices.has(seat)) return seat === this.#founder;
    return !this.#standing.has(seat) && this.#ofAdministrators(this.offices.get(seat));
  }

  // The quorum signs what touches the whole: as far as it concerns seats, keys and their offices.
  #waits(signer, kind, body) {
    if (this.#quorum === 1) return false;
    if (["KeyAdded", "KeyRevoked", "KeyRotated", "SeatStanding"].includes(kind)) {
      if (this.offices.has(body.seat))
        return body.seat !== signer && this.#ofAdministrators(this.offices.get(body.seat));
      return [...this.#waiting.values()].some((act) =>
        act.kind === "SeatAdmitted" && act.body.seat === body.seat);
    }
    return ["OfficeAdded", "OfficeChanged", "QuorumSet"].includes(kind)
      || (kind === "SeatAdmitted" && this.#ofAdministrators(body.office));
  }

  take(position, signer, kind, body) {
    const act = kind === "ActConfirmed" && this.#waiting.get(body.position);
    if (this.#waits(signer, kind, body)) {
      this.#waiting.set(position, { kind, body, signers: [signer] });
    } else if (kind === "ActWithdrawn") {
      this.#waiting.delete(body.position);
    } else if (act) {
      act.signers.push(signer);
      if (act.signers.filter((seat) => this.#administers(seat)).length < this.#quorum) return;
      this.#waiting.delete(body.position);
      this.#apply(position, act.kind, act.body);
    } else {
      this.#apply(position, kind, body);
    }
  }

  #apply(position, kind, body) {
    if (kind === "OfficeAdded" || kind === "OfficeChanged") this.#roles.set(body.office, body.roles);
    else if (kind === "QuorumSet") this.#quorum = body.administrators;
    else if (kind === "SeatAdmitted") this.offices.set(body.seat, body.office);
    else if (kind === "KeyAdded" && body.kind === 2) this.#add(body.seat, body.publicKey, position);
    else if (kind === "KeyRevoked") this.keys.delete(body.keyId.toString("hex"));
    else if (kind === "KeyRotated" && this.keys.delete(body.keyId.toString("hex"))) {
      this.#add(body.seat, body.publicKey, position);
    } else if (kind === "SeatStanding") {
      if (body.standing === 1) this.#standing.delete(body.seat);
      else this.#standing.set(body.seat, body.standing);
      for (const [id, key] of this.keys)
        if (body.standing === 3 && key.seat === body.seat) this.keys.delete(id);
    }
  }
}

// SignedEvent and Envelope of a record whose payload is the one that was signed.
export function openRecord(record) {
  const event = unpack("chancery.core.v1.SignedEvent", record.event);
  const envelope = unpack("chancery.core.v1.Envelope", event.envelope);
  insist(envelope.payloadSize === record.payload.length
    && envelope.payloadHash.equals(sha256(record.payload)), "the payload is not the one signed");
  return { event, envelope };
}

function vectors(file) {
  const v = JSON.parse(fs.readFileSync(file, "utf8"));
  const hex = (text) => Buffer.from(text, "hex");
  const seed = hex(v.seat_key.seed), rows = v.batch.events;
  for (const row of rows)
    insist(pack("chancery.core.v1.Envelope", row.fields).equals(hex(row.envelope)), "an envelope");
  const events = sign(seed, rows.map((row) => hex(row.envelope)), rows.map((row) => hex(row.salt)));
  events.forEach((event, i) => insist(event.equals(hex(rows[i].event)), "a batch, signed"));
  for (const event of [...events, hex(v.alone)])
    checkSignature(unpack("chancery.core.v1.SignedEvent", event), publicOf(seed));
  const leaves = v.log.leaves.map((row, i) => logLeaf(row.position, row.received, events[i]));
  leaves.forEach((leaf, i) => insist(leaf.equals(hex(v.log.leaves[i].leaf)), "a leaf"));
  const { size, root: top } = openCheckpoint(v.log.checkpoint, v.log.vkey);
  insist(size === leaves.length && top.equals(rootOf(leaves)), "the checkpoint");
  console.log(`vectors: ${events.length + 1} events, ${size} leaves and a checkpoint agree`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) vectors(process.argv[2]);
