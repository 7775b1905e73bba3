import { expect, test } from 'vitest'
import { maskPasswords } from '../../../src/influxdb/mask-passwords.ts'

const M = '[REDACTED]'

test.each([
  ["CREATE USER a WITH PASSWORD 'secret'", `CREATE USER a WITH PASSWORD ${M}`],
  [
    "create user a with password 'sec''ret' with all privileges; show users",
    `create user a with password ${M}${M} with all privileges; show users`,
  ],
  [
    "CREATE USER a WITH PASSWORD 'sec\\'ret' WITH ALL PRIVILEGES; SELECT 'b' FROM c",
    `CREATE USER a WITH PASSWORD ${M} WITH ALL PRIVILEGES; SELECT 'b' FROM c`,
  ],
  ["SET PASSWORD FOR a='secret';SHOW USERS", `SET PASSWORD FOR a=${M};SHOW USERS`],
  ["SET PASSWORD FOR \"a = 'b\" = 'secret'", `SET PASSWORD FOR "a = 'b" = ${M}`],
  ['CREATE USER a WITH PASSWORD $p; SHOW USERS', 'CREATE USER a WITH PASSWORD $p; SHOW USERS'],
  ['CREATE USER a WITH PASSWORD "secret"; SHOW USERS', `CREATE USER a WITH PASSWORD ${M}`],
  ['CREATE USER a WITH PASSWORD secret', `CREATE USER a WITH PASSWORD ${M}`],
  ["CREATE USER a WITH PASSWORD = 'secret'", `CREATE USER a WITH PASSWORD ${M}`],
  ["CREATE USER a WITH PASSWORD 'secret", `CREATE USER a WITH PASSWORD ${M}`],
  ["CREATE USER a WITH PASSWORT 'secret'", `CREATE USER a WITH PASSWORT ${M}`],
  ["SET PASSWORD FOR a 'secret'", `SET PASSWORD FOR a ${M}`],
  ["SET PASSWORD 'secret'", `SET PASSWORD ${M}`],
  ["SELECT 'x; SET PASSWORD FOR a = 'secret'", `SELECT ${M}`],
  ["SELECT 'x; SET PASSWORD FOR a = 'secret", `SELECT ${M}`],
  ["SELECT \"x; SET PASSWORD FOR a = 'secret'", `SELECT ${M}`],
  [
    "SHOW USERS; SELECT a FROM b WHERE c = 'd; SET PASSWORD FOR a",
    `SHOW USERS; SELECT a FROM b WHERE c = ${M}`,
  ],
  ["SHOW USERS /* SET PASSWORD FOR a = 'secret' */", `SHOW USERS${M}`],
  ["-- SET PASSWORD FOR a = 'secret'\nSHOW USERS", `${M}SHOW USERS`],
  ["\0 SET PASSWORD FOR a = 'secret'", M],
  ['SELECT \'a\' FROM b WHERE c = "pass"', 'SELECT \'a\' FROM b WHERE c = "pass"'],
])('%j', (text, masked) => {
  expect(maskPasswords(text)).toBe(masked)
})
