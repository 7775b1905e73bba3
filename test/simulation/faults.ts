/** Faults of servers and disks at random moments. */

import type { FakeDisk, OperationKind } from '../support/fake-disk.ts'
import { credentialsOf } from './points.ts'
import type { Settings } from './settings.ts'
import type { Restriction, ServerState, SimulatedInfluxDB } from './simulated-influxdb.ts'
import type { World } from './world.ts'

const BAD_MOODS: readonly ServerState[] = [
  'down',
  'down',
  'stalled',
  'failing',
  'busy',
  'flaky',
  'empty',
]

/** Operations that may fail, some more often than others. */
const FRAIL: readonly OperationKind[] = [
  ...(['write', 'write', 'sync', 'sync', 'sync', 'syncFolder', 'syncFolder'] as const),
  ...(['create', 'rename', 'remove', 'truncate', 'makeFolder'] as const),
  ...(['open', 'read', 'read', 'list', 'size', 'close', 'lock'] as const),
]

/** Operations after the bytes of a write are in the file, and those that would undo it. */
const LATE: readonly OperationKind[] = ['sync', 'syncFolder', 'truncate', 'remove']

/** Operations of one append or of a new lane, as a kind and a part of the path. */
type Target = readonly [kind: OperationKind, path: string]

const SEGMENT_SYNC: Target = ['sync', '.segment']
const SEGMENT_NAME: Target = ['syncFolder', '/lane-']
/** What cleans up after an append that failed. */
const CUT_OFF: Target = ['truncate', '.segment']

/** Operations that fail together, once each: the disk refuses an append, or a lane. */
const REFUSALS: readonly (readonly Target[])[] = [
  ...[[SEGMENT_SYNC], [SEGMENT_SYNC, CUT_OFF], [SEGMENT_SYNC, CUT_OFF], [SEGMENT_SYNC, CUT_OFF]],
  ...[
    [SEGMENT_NAME, CUT_OFF],
    [SEGMENT_NAME, CUT_OFF],
  ],
  ...[[['write', '.segment'] as const, CUT_OFF], [['sync', '.json'] as const]],
]

/** Changes a server's state at random moments, until `isOver`. */
export async function failServer(
  server: SimulatedInfluxDB,
  world: World,
  settings: Settings,
  isOver: () => boolean,
): Promise<void> {
  if (world.chance(0.3)) server.maxBodyBytes = world.integer(100, 1000)
  while (!isOver()) {
    await world.sleep(world.between(100, 8000))
    if (isOver()) return
    if (world.chance(0.2)) server.restrict(restriction(world, settings))
    else server.become(world.pick(BAD_MOODS))
    await world.sleep(world.chance(0.5) ? world.between(10, 1000) : world.between(1000, 15_000))
    if (isOver()) return
    server.become('well')
    if (server.restriction) server.restrict(undefined)
  }
}

function restriction(world: World, { writing: { databases, users } }: Settings): Restriction {
  const database = world.pick(databases)
  return world.pick<Restriction>([
    { kind: 'no database', database },
    { kind: 'database fails', database },
    { kind: 'no retention policy', retentionPolicy: 'long' },
    { kind: 'no user', credentials: credentialsOf(world.pick(users)) },
  ])
}

/** A machine whose disk may fail. */
interface FaultyMachine {
  readonly disk: FakeDisk
  /** Ends the relay, to see what a failed disk has kept. */
  breakDown(): void
}

/** Makes the disk in use fail at random moments, until `isOver`: for a while, or often and briefly. */
export async function failDisk(
  machine: FaultyMachine,
  world: World,
  isOver: () => boolean,
): Promise<void> {
  if (world.chance(0.4)) return refuseNowAndThen(machine, world, isOver)
  while (!isOver()) {
    await world.sleep(world.between(200, 10_000))
    if (isOver()) return
    if (world.chance(0.4)) fillUp(machine.disk, world)
    else fail(machine.disk, world)
    if (world.chance(0.15)) world.after(world.between(1, 2000), () => machine.breakDown())
    await world.sleep(world.chance(0.5) ? world.between(1, 500) : world.between(500, 5000))
    if (isOver()) return
    world.log('disk works')
    machine.disk.heal()
    if (world.chance(0.4)) world.after(world.between(1, 1500), () => machine.breakDown())
  }
}

/** Lets single appends fail. In many cases the process ends soon after. */
async function refuseNowAndThen(
  machine: FaultyMachine,
  world: World,
  isOver: () => boolean,
): Promise<void> {
  while (!isOver()) {
    await world.sleep(world.between(50, 2000))
    if (isOver()) return
    const refused = refuse(machine.disk, world)
    await Promise.race([refused, world.sleep(world.between(1000, 5000))])
    await world.sleep(world.between(10, 1500))
    if (isOver()) return
    if (world.chance(0.5)) machine.breakDown()
    machine.disk.heal()
  }
}

/** Resolves when the disk has failed. */
function refuse(disk: FakeDisk, world: World): Promise<void> {
  const targets = world.pick(REFUSALS)
  world.log(`disk fails once: ${targets.join(' ')}`)
  return new Promise((failed) => {
    for (const [kind, path] of targets) disk.fail({ code: 'EIO', kinds: [kind], path, failed })
  })
}

/** Makes files that a relay reads at its start unreadable. It gives up after it has tried twice. */
export function failStart(disk: FakeDisk, world: World): void {
  const path = world.pick(['/head', '/head', '/head', '/head', '.json', '.segment'])
  world.log(`disk cannot read ${path}`)
  disk.fail({ code: 'EIO', kinds: ['read'], path, times: world.pick([1, 2, 4]) })
}

/** Changes one byte of the file of a lane, or cuts the file, while no relay runs. */
export function damageLaneFile(disk: FakeDisk, world: World): void {
  const files = [...disk.files()].filter(([path]) => /\/lane-\d+\.json$/.test(path))
  if (files.length === 0) return
  const [path, bytes] = world.pick(files)
  const at = world.integer(0, Math.max(0, bytes.length - 1))
  world.log(`${path} is damaged at ${at}`)
  bytes[at] = (bytes[at] ?? 0) ^ world.integer(1, 255)
  disk.put(path, world.chance(0.3) ? bytes.subarray(0, at) : bytes)
}

function fillUp(disk: FakeDisk, world: World): void {
  world.log('disk is full')
  let used = 0
  for (const bytes of disk.files().values()) used += bytes.length
  disk.capacity = used + world.integer(0, 500)
}

function fail(disk: FakeDisk, world: World): void {
  const kinds = world.pick([[world.pick(FRAIL)], [world.pick(FRAIL)], LATE, FRAIL])
  const times = world.chance(0.5) ? world.integer(1, 3) : 1000
  const nth = world.chance(0.7) ? 1 : world.integer(1, 5)
  world.log(`disk fails: ${kinds.join(' ')} from the ${nth}th, ${times} times`)
  disk.fail({ code: 'EIO', kinds, nth, times })
}
