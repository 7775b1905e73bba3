/**
 * Sends datagrams at an even rate and prints how many, as JSON.
 * Run as `bun udp-sender.ts PORT RATE SECONDS BYTES`.
 */

export {} // a module, which may await

const [port = 0, rate = 0, seconds = 0, bytes = 0] = process.argv.slice(2).map(Number)

/** Datagrams sent with one system call. */
const MOST_AT_ONCE = 64
const HOST = '127.0.0.1'

const datagrams = Array.from({ length: MOST_AT_ONCE }, (_, i) => {
  const tail = `${i} usage_user=${i / 2},usage_idle=84.25 ${Date.now()}000000`
  return Buffer.from('cpu,region=eu-west-1,host=server'.padEnd(bytes - tail.length, '0') + tail)
})
const socket = await Bun.udpSocket({
  connect: { port, hostname: HOST },
  socket: {
    // Mostly ECONNREFUSED. Bun passes only the error, though its types have the socket first.
    error(...args: unknown[]) {
      console.error((args.at(-1) as Error).message)
      process.exit(1)
    },
  },
})

const began = performance.now()
const end = began + seconds * 1000
let sent = 0
for (let now = began; now < end; now = performance.now()) {
  const due = Math.floor(((now - began) / 1000) * rate)
  while (sent < due) {
    const count = Math.min(MOST_AT_ONCE, due - sent)
    const taken = socket.sendMany(datagrams.slice(0, count))
    sent += taken
    if (taken < count) break
  }
  await new Promise((resolve) => setTimeout(resolve, 1))
}
console.log(JSON.stringify({ sent, seconds: (performance.now() - began) / 1000 }))
socket.close()
