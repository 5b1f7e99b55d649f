#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// The same client as ../python/client.py, in Node.
const usage = `client.js - a whole client: publish signed events, read and verify, follow, ask

    client.js DIR publish STREAM TYPE JSON...   one signed batch; payloads as proto3 JSON
    client.js DIR read POSITION                 an event, verified from its signature to the checkpoint
    client.js DIR follow STREAM FROM COUNT      COUNT events as they come, beginning at position FROM
    client.js DIR ask REFERENCE                 what the UN list says of a party

DIR holds chancery.conf, log.vkey and keys/SEAT.key (../README.md).  The numbers (#1) in the code are
those of the rules in proto/README.md.
Exit codes: 0 done, 1 refused or not as it should be, 2 usage, 3 unreachable.`;
import crypto from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import zmq from "zeromq";
import { Failure, Registry, checkSignature, climb, insist, logLeaf, openCheckpoint, openRecord, pack,
  sha256, sign, toJson, unpack } from "./proof.js";

const PATIENCE = 2000, TRIES = 15; // milliseconds for an answer, and how often a request is said
const CREDIT = { events: 64, bytes: 1 << 20 };
const FRAME = "chancery.core.v1.Frame";

// "name = value" by line, as chancery.conf and key files have them.
const settings = (file) => Object.fromEntries(fs.readFileSync(file, "utf8").split("\n")
  .map((line) => line.match(/^([a-z-]+) = (.*)$/)).filter(Boolean).map((m) => [m[1], m[2]]));

// ZeroMQ RFC 32: the form in which this library takes keys.
function z85(bytes) {
  const digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
  let text = "";
  for (let i = 0; i < bytes.length; i += 4)
    for (let value = bytes.readUInt32BE(i), unit = 85 ** 4; unit >= 1; unit /= 85)
      text += digits[Math.floor(value / unit) % 85];
  return text;
}
const z85OfHex = (hex) => z85(Buffer.from(hex, "hex"));

// ---- the session (#1, #2) ----

// One thing at a time: what comes for another request or reading is dropped.
class Client {
  constructor(directory) {
    const conf = settings(path.join(directory, "chancery.conf"));
    const file = path.join(directory, "keys", `${conf.seat}.key`);
    if (fs.statSync(file).mode & 0o77)
      throw new Failure("file.mode", `others can read this secret; run: chmod 600 '${file}'`);
    const key = settings(file);
    this.vkey = fs.readFileSync(path.join(directory, "log.vkey"), "utf8").trim();
    this.seed = Buffer.from(key["sign-seed"], "hex");
    this.ref = 0;
    this.socket = new zmq.Dealer({
      curveServerKey: z85OfHex(conf["server-key"]), curvePublicKey: z85OfHex(key["curve-public"]),
      curveSecretKey: z85OfHex(key["curve-secret"]), linger: 0, heartbeatInterval: 2000,
      maxMessageSize: 1 << 20, receiveTimeout: PATIENCE, sendTimeout: PATIENCE,
    });
    this.socket.connect(conf.endpoint);
  }

  async send(body, ref = ++this.ref) {
    await this.socket.send(pack(FRAME, { ref, ...body })).catch((why) => {
      if (why.code !== "EAGAIN") throw why; // nobody is connected: it is said again
    });
    return ref;
  }

  // The next frame, its `body` the kind; undefined when none came in time.
  async receive() {
    try {
      const [bytes] = await this.socket.receive();
      return unpack(FRAME, bytes);
    } catch (why) {
      if (why.code !== "EAGAIN") throw why;
    }
  }

  // The same, for the answer to one request.
  async answer(ref) {
    let frame = await this.receive();
    while (frame && frame.ref !== ref) frame = await this.receive();
    if (frame?.body === "refused") {
      const { code, field, text } = frame.refused;
      throw new Failure(code, field ? `${field}: ${text}` : text);
    }
    return frame;
  }

  async hello() {
    const hello = { version: 1, log: this.vkey.split("+")[0], software: "client.js" };
    for (let i = 0; i < TRIES; i++) {
      const frame = await this.answer(await this.send({ hello }));
      if (frame?.body === "welcome") {
        this.welcome = frame.welcome;
        return;
      }
    }
    throw new Failure("broker.unreachable", "no broker that knows this key answers; is it running,"
      + " and are endpoint, server-key and the registered key right?", 3);
  }

  // Says it until it is answered, byte for byte the same: nothing is recorded twice (#4).
  async call(body) {
    if (!this.welcome) await this.hello();
    const ref = await this.send(body);
    for (let i = 0; i < TRIES; i++) {
      const frame = await this.answer(ref);
      if (frame?.body === "forgotten") await this.hello();
      else if (frame) return frame[frame.body];
      await this.send(body, ref);
    }
    throw new Failure("outcome.unknown", "no answer: it may or may not have been done; what was"
      + " published is looked up with `follow`, or the same bytes are sent again", 3);
  }

  // ---- publishing (#3, #4, #6) ----

  async publish(stream, type, payloads) {
    const tail = await this.call({ getTail: { stream } });
    const { log, seat, office, mode } = this.welcome, now = Date.now();
    let previous = tail.envelopeHash;
    const envelopes = payloads.map((payload, i) => {
      const id = Buffer.alloc(16);
      id.writeUIntBE(now, 0, 6);
      id.writeUInt16BE(0x7000 | i, 6);
      crypto.randomFillSync(id, 8);
      id[8] = 0x80 | (id[8] & 0x3f);
      const envelope = pack("chancery.core.v1.Envelope", {
        log, stream, id, type, seat, office, mode, previous, created: now * 1000,
        evidence: "EVIDENCE_SIGNED", kind: "KIND_NEW", handling: { label: "LABEL_GREEN" },
        seatSeq: tail.seatSeq + 1 + i, payloadHash: sha256(payload), payloadSize: payload.length,
      });
      previous = sha256(envelope);
      return envelope;
    });
    const events = sign(this.seed, envelopes, envelopes.map(() => crypto.randomBytes(16)));
    return this.call({ publish: { events: events.map((event, i) => ({ event, payload: payloads[i] })) } });
  }

  // ---- reading (#5) ----

  // Records as they come: credit is renewed for what was used, a lost session resumed.
  async *read(stream, from, until = 0) {
    for (let ref = 0; ;) {
      if (!ref) {
        await this.hello();
        ref = await this.send({ read: { from, until, streams: stream ? [stream] : [],
          creditEvents: CREDIT.events, creditBytes: CREDIT.bytes } });
      }
      const frame = await this.receive();
      if (!frame) {
        await this.send({ ping: {} }); // a broker that was restarted says Forgotten
      } else if (frame.body === "forgotten") {
        ref = 0;
      } else if (frame.ref === ref && frame.body === "refused") {
        throw new Failure(frame.refused.code, frame.refused.text);
      } else if (frame.ref === ref && frame.body === "deliver") {
        const { records } = frame.deliver;
        for (const record of records) {
          from = record.position + 1;
          yield record;
        }
        await this.send({ credit: { events: records.length,
          bytes: records.reduce((n, r) => n + r.event.length + r.payload.length, 0) } }, ref);
      } else if (frame.ref === ref && frame.caughtUp.ended) {
        return;
      }
    }
  }

  async readAll(...what) {
    const records = [];
    for await (const record of this.read(...what)) records.push(record);
    return records;
  }

  // ---- verifying (#7, #8) ----

  // Who signed with which key and when, and for which office: the registry, itself verified.
  async registry(until) {
    const registry = new Registry(), last = new Map();
    for (const record of await this.readAll("registry", 1, until)) {
      const { event, envelope } = openRecord(record);
      const body = unpack(envelope.type, record.payload);
      if (record.position === 1) {
        await this.prove(record);
        registry.found(body);
      }
      this.checkSigned(record, event, envelope, registry.keys);
      insist(envelope.seatSeq === (last.get(envelope.seat) ?? 0) + 1, "a registry event is withheld");
      last.set(envelope.seat, envelope.seatSeq);
      registry.take(record.position, envelope.seat, envelope.type.split(".").pop(), body);
    }
    return registry;
  }

  checkSigned(record, event, envelope, keys) {
    const key = keys.get(event.keyId.toString("hex"));
    insist(key?.seat === envelope.seat && key.since <= record.position, "its key is not its seat's");
    checkSignature(event, key.key);
  }

  // That the log has the record: the size of the signed tree that it lies in.
  async prove({ position, received, event }) {
    let proof;
    for (let i = 0; !proof && i < 100; i++) {
      try {
        proof = await this.call({ getProof: { position } });
      } catch (why) { // no checkpoint covers it yet
        if (why.code !== "busy") throw why;
        await sleep(100);
      }
    }
    const { size, root } = openCheckpoint(proof.checkpoint.toString(), this.vkey);
    insist(climb(position - 1, size, logLeaf(position, received, event), proof.path).equals(root),
      "the log has another record");
    return size;
  }
}

// ---- the verbs ----

function show(record) {
  const { envelope } = openRecord(record);
  console.log(`${record.position} ${envelope.type} ${envelope.seat}`
    + ` ${JSON.stringify(toJson(envelope.type, record.payload))}`);
}

const verbs = {
  async publish(client, stream, type, ...payloads) {
    const packed = payloads.map((text) => pack(type, JSON.parse(text)));
    const { positions } = await client.publish(stream, type, packed);
    for (const position of positions) console.log(`recorded at position ${position}`);
  },

  async read(client, position) {
    const { head } = await client.call({ getHead: {} });
    const [record] = Number(position) > head ? []
      : await client.readAll("", Number(position), Number(position));
    if (!record)
      throw new Failure("not.found", `no event at position ${position} that this seat may read`);
    const { event, envelope } = openRecord(record);
    const { keys, offices } = await client.registry(record.position);
    client.checkSigned(record, event, envelope, keys);
    insist(offices.get(envelope.seat) === envelope.office, "the seat acts for another office");
    const size = await client.prove(record);
    show(record);
    console.log(`verified: signed by ${envelope.seat} of ${envelope.office} with key`
      + ` ${event.keyId.toString("hex")}, in the tree of ${size} records of ${envelope.log}`);
  },

  async follow(client, stream, from, count) {
    let left = Number(count);
    for await (const record of client.read(stream, Number(from))) {
      show(record);
      if (--left === 0) return;
    }
  },

  async ask(client, reference) {
    const answer = await client.call({ ask: {
      service: "embargo", type: "chancery.embargo.v1.GetParty", patienceMs: PATIENCE - 500,
      payload: pack("chancery.embargo.v1.GetParty", { list: "un", reference }),
    } });
    if (answer.refused?.code) throw new Failure(answer.refused.code, answer.refused.text);
    console.log(JSON.stringify(toJson(answer.type, answer.payload), null, 2));
  },
};

async function main([directory, verb, ...words]) {
  if (words.length === 0 || !Object.hasOwn(verbs, verb)) {
    console.error(usage);
    return 2;
  }
  let client;
  try {
    client = new Client(directory);
    await verbs[verb](client, ...words);
    return 0;
  } catch (why) {
    const known = why instanceof Failure;
    console.error(`client: ${known ? "" : "input.invalid: "}${why.message}`
      + `${known ? "" : "; see examples/README.md"}`);
    return known ? why.status : 1;
  } finally {
    client?.socket.close();
  }
}

process.exitCode = await main(process.argv.slice(2));
