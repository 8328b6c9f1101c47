// The peer of a hub: a subscriber as people build one, and build it well. It reads
// the batches that kiosks publish, writes them into PostgreSQL, and answers a batch
// after the commit that holds it. Whatever waits goes into one transaction of one
// statement, and a record that comes twice counts once.
//
//   node subscriber.js MQTT-ADDRESS POSTGRES-ADDRESS rows|work
//
// With "rows" it stores records and nothing else. With "work" it does what a hub
// does with them: it checks the hash of what came before, makes visits of the
// presses, counts these by touchpoint and quarter of an hour, and keeps for each
// kiosk how far it is, all in the same transaction.
//
// Each line that it reads is answered with one line of JSON that says where it
// stands; it ends when there are no more lines.
'use strict'
const { createHash } = require('node:crypto')
const readline = require('node:readline')
const mqtt = require('mqtt')
const { Client } = require('pg')

const [broker, address, mode] = process.argv.slice(2)

const tables = `
  CREATE TABLE record (kiosk text, epoch text, seq bigint, body text, PRIMARY KEY (kiosk, epoch, seq));
  CREATE TABLE visit (kiosk text, epoch text, seq bigint, touchpoint text, at bigint, rating int, presses int,
    PRIMARY KEY (kiosk, epoch, seq));
  CREATE TABLE bucket (touchpoint text, quarter bigint, rating int, visits bigint,
    PRIMARY KEY (touchpoint, quarter, rating));
  CREATE TABLE mark (kiosk text PRIMARY KEY, state json)`

const records = `INSERT INTO record SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[])
  ON CONFLICT DO NOTHING`

const statements = {
  rows: { name: 'rows', text: records },
  work: {
    name: 'work',
    text: `WITH r AS (${records}),
      v AS (INSERT INTO visit
        SELECT * FROM unnest($5::text[], $6::text[], $7::bigint[], $8::text[], $9::bigint[], $10::int[], $11::int[])
        ON CONFLICT (kiosk, epoch, seq) DO UPDATE SET presses = excluded.presses),
      b AS (INSERT INTO bucket SELECT * FROM unnest($12::text[], $13::bigint[], $14::int[], $15::bigint[])
        ON CONFLICT (touchpoint, quarter, rating) DO UPDATE SET visits = bucket.visits + excluded.visits)
      INSERT INTO mark SELECT * FROM unnest($16::text[], $17::json[])
        ON CONFLICT (kiosk) DO UPDATE SET state = excluded.state`,
  },
}

const stored = { Taken: 0, Groups: 0 } // records, transactions
const states = new Map() // of each kiosk
let waiting = []
let writing = false

const none = () => ({ epoch: '', through: 0, hash: '0'.repeat(32), offset: 0, touchpoint: '', visit: null })

// last is the number of a batch's last record.
const last = (batch) => batch.first + (batch.records ?? []).length - 1

// derive takes the records of a batch that are new into a kiosk's state and rows.
function derive (kiosk, batch, rows) {
  let state = states.get(kiosk)
  if (state?.epoch !== batch.epoch) state = { ...none(), epoch: batch.epoch }
  if (batch.first !== state.through + 1 || batch.before !== state.hash) return // a repeat, a hole, a fork
  let hash = Buffer.from(state.hash, 'hex')
  let seq = batch.first
  for (const record of batch.records ?? []) {
    const body = JSON.stringify(record)
    hash = createHash('sha256').update(hash).update(body).digest().subarray(0, 16)
    rows.record(kiosk, batch.epoch, seq, body)
    const [kind, , since] = record
    if (kind === 'fix') state.offset = record[4]
    if (kind === 'plan') state.touchpoint = record[4] + '/' + record[5]
    if (kind === 'press') {
      if (state.visit && since - state.visit.since < 2000) {
        state.visit.presses++
      } else {
        state.visit = { seq, since, rating: record[3], presses: 1 }
        rows.count(state.touchpoint, Math.floor((state.offset + since) / 900000), record[3])
      }
      rows.visit(kiosk, state)
    }
    seq++
  }
  state.through = seq - 1
  state.hash = hash.toString('hex')
  states.set(kiosk, state)
}

// columns are the parameters of a statement, filled row by row.
function columns () {
  const r = [[], [], [], []]
  const visits = new Map()
  const counts = new Map()
  return {
    record: (...values) => values.forEach((v, i) => r[i].push(v)),
    visit: (kiosk, s) => visits.set(kiosk + ' ' + s.visit.seq,
      [kiosk, s.epoch, s.visit.seq, s.touchpoint, s.offset + s.visit.since, s.visit.rating, s.visit.presses]),
    count: (touchpoint, quarter, rating) => {
      const key = touchpoint + ' ' + quarter + ' ' + rating
      const c = counts.get(key)
      if (c) c[3]++
      else counts.set(key, [touchpoint, quarter, rating, 1])
    },
    records: () => r[0].length,
    rows: () => r,
    work: (kiosks) => [...r, ...turned(visits, 7), ...turned(counts, 4),
      kiosks, kiosks.map((k) => JSON.stringify(states.get(k)))],
  }
}

function turned (rows, width) {
  const out = Array.from({ length: width }, () => [])
  for (const row of rows.values()) row.forEach((v, i) => out[i].push(v))
  return out
}

async function write (db, client) {
  writing = true
  while (waiting.length > 0) {
    const group = waiting
    waiting = []
    const rows = columns()
    for (const { kiosk, batch } of group) {
      if (mode === 'work') derive(kiosk, batch, rows)
      else (batch.records ?? []).forEach((record, i) => rows.record(kiosk, batch.epoch, batch.first + i, JSON.stringify(record)))
    }
    if (rows.records() > 0) {
      const kiosks = [...new Set(group.map((g) => g.kiosk))].filter((k) => states.has(k))
      await db.query({ ...statements[mode], values: mode === 'work' ? rows.work(kiosks) : rows.rows() })
      stored.Taken += rows.records()
      stored.Groups++
    }
    for (const { kiosk, batch } of group) {
      const through = mode === 'work' ? states.get(kiosk)?.through ?? 0 : last(batch)
      const ack = { v: 1, re: batch.re, store: 'peer', term: 1, epoch: batch.epoch, through, at: Date.now() }
      client.publish(`sourire/1/${kiosk}/ack`, JSON.stringify(ack))
    }
  }
  writing = false
}

async function main () {
  const db = new Client({ connectionString: address })
  await db.connect()
  await db.query(tables)
  const client = await mqtt.connectAsync(broker, { protocolVersion: 4 })
  client.on('message', (topic, payload) => {
    waiting.push({ kiosk: topic.split('/')[2], batch: JSON.parse(payload) })
    if (!writing) write(db, client).catch(fail)
  })
  await client.subscribeAsync('sourire/1/+/journal', { qos: 0 })
  for await (const _ of readline.createInterface({ input: process.stdin })) {
    process.stdout.write(JSON.stringify(stored) + '\n')
  }
  await client.endAsync()
  await db.end()
}

function fail (err) {
  console.error('peer:', err)
  process.exit(1)
}

main().catch(fail)
