import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeLane, encodeLane } from '../../../src/delivery/lane-file.ts'
import {
  type Destination,
  recordedDestination,
  v1DestinationOf,
} from '../../../src/influxdb/destination.ts'

function destinationOf(search: string, authorization?: string): Destination {
  return v1DestinationOf(search, authorization, '') as Destination
}

describe("a lane's file", () => {
  test.each([
    ['db=d', undefined],
    ['db=d&rp=one%20week', 'Basic abc'],
    ['db=a+b%2fc&rp=%26', undefined],
    ['db=x%FF+y', undefined],
    ['db=%C3%A9&rp=%80', 'Token a:b'],
    ['db=d&u=name&p=%F0', undefined],
    ['precision=s&db=d&consistency=all', ''],
  ])("a lane's file keeps the lane of %s", (search, authorization) => {
    const destination = destinationOf(search, authorization)
    const lane = decodeLane(encodeLane({ destination, order: 0 }))?.destination
    expect(lane?.laneKey).toBe(destination.laneKey)
    expect(lane && recordedDestination(destination.query, lane.authorization).batchKey).toBe(
      destination.batchKey,
    )
  })

  test("a lane's file keeps names of any bytes", () => {
    const escaped = (bytes: Uint8Array) =>
      Array.from(bytes, (byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')
    const names = fc.uint8Array({ minLength: 1, maxLength: 6 }).map(escaped)
    fc.assert(
      fc.property(names, names, (db, rp) => {
        const { laneKey } = destinationOf(`db=${db}&rp=${rp}`)
        const decoded = decodeLane(
          encodeLane({ destination: destinationOf(`db=${db}&rp=${rp}`), order: 0 }),
        )
        expect(decoded).toMatchObject({ destination: { laneKey }, isChecked: true })
      }),
    )
  })

  test.each(['', '{"db', 'null', '7', '{}', '{"db":1}'])(
    "a lane's file with the text %j counts as damaged",
    (text) => {
      expect(decodeLane(new TextEncoder().encode(text))).toBeUndefined()
    },
  )
})
