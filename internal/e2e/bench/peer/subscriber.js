// The peer of a hub: a subscriber as people build one, and build it well. It reads
// the batches that kiosks publish, inserts their records into PostgreSQL, and
// answers a batch after the commit that holds it. Whatever waits goes into one
// transaction of one statement, and a record that comes twice is stored once. It
// derives nothing: no visits, no figures, no check of what came before.
//
//   node subscriber.js MQTT-ADDRESS POSTGRES-ADDRESS
//
// Each line that it reads is answered with one line of JSON that says where it
// stands; it ends when there are no more lines.
'use strict'
const readline = require('node:readline')
const mqtt = require('mqtt')
const { Client } = require('pg')

const [broker, address] = process.argv.slice(2)

const table = `CREATE TABLE IF NOT EXISTS record (
  kiosk text, epoch text, seq bigint, body text, PRIMARY KEY (kiosk, epoch, seq))`

const insert = {
  name: 'insert',
  text: `INSERT INTO record SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[])
    ON CONFLICT DO NOTHING`,
}

const stored = { Taken: 0, Groups: 0 } // records, transactions
let waiting = []
let writing = false

async function write (db, client) {
  writing = true
  while (waiting.length > 0) {
    const group = waiting
    waiting = []
    const kiosks = []
    const epochs = []
    const seqs = []
    const bodies = []
    for (const { kiosk, batch } of group) {
      let seq = batch.first
      for (const record of batch.records ?? []) {
        kiosks.push(kiosk)
        epochs.push(batch.epoch)
        seqs.push(seq++)
        bodies.push(JSON.stringify(record))
      }
    }
    if (seqs.length > 0) {
      const done = await db.query({ ...insert, values: [kiosks, epochs, seqs, bodies] })
      stored.Taken += done.rowCount
      stored.Groups++
    }
    for (const { kiosk, batch } of group) {
      const through = batch.first + (batch.records ?? []).length - 1
      const ack = { v: 1, re: batch.re, store: 'peer', term: 1, epoch: batch.epoch, through, at: Date.now() }
      client.publish(`sourire/1/${kiosk}/ack`, JSON.stringify(ack))
    }
  }
  writing = false
}

async function main () {
  const db = new Client({ connectionString: address })
  await db.connect()
  await db.query(table)
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
