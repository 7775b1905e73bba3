/** Queries of our own, of every kind and hostile: most are valid InfluxQL, some are not. */

const READS = String.raw`
SELECT value FROM cpu
select value from cpu
SELECT * FROM cpu
SELECT *::field, *::tag FROM cpu
SELECT value::integer, host::tag, other::field FROM cpu
SELECT mean(value) FROM cpu WHERE time > now() - 1h GROUP BY time(5m), host fill(none)
SELECT mean(value) FROM cpu GROUP BY time(5m, 1m), *, /re;gion/ fill(0) ORDER BY time DESC
SELECT value FROM a.b.cpu
SELECT value FROM a..cpu
SELECT value FROM b.cpu
SELECT value FROM "a"."b"."cpu"
SELECT value FROM "a" . "b" . "cpu"
SELECT value FROM a. b. cpu
SELECT value FROM a."b".cpu, c.d.mem, disk
SELECT value FROM /cpu/
SELECT value FROM a.b./cpu|mem/
SELECT value FROM a../cpu;DROP DATABASE x/
SELECT value FROM b./cpu/
SELECT value FROM a.b.cpu,c.d.mem
SELECT /val/ FROM cpu
SELECT/val/FROM/cpu/WHERE host=~/a;b/
SELECT value, /a\/;b/ FROM cpu
SELECT value FROM cpu WHERE host =~ /a\/b;c/
SELECT value FROM cpu WHERE host !~ /\\\/;'"/
SELECT value FROM cpu WHERE host =~ //
SELECT mean(/val;/), max(value) FROM cpu
SELECT top(value, /a/, 3) FROM cpu
SELECT a/b FROM cpu
SELECT a / b, c / d FROM cpu
SELECT a./b, c./d FROM cpu
SELECT a./b FROM cpu; SELECT c./d FROM x.y.z
SELECT (a)/(b) FROM cpu WHERE c/d > 1/2
SELECT */2 FROM cpu
SELECT 1/2, a FROM cpu
SELECT "a"/"b" FROM cpu
SELECT 5s/2, a FROM cpu
SELECT a - -b FROM cpu
SELECT -a, +b, -(a + b) FROM cpu
SELECT a & b | c ^ d % e FROM cpu
SELECT value AS "INTO" FROM cpu
SELECT value AS "INTO x", "DROP DATABASE a" FROM cpu
SELECT "INTO" FROM "FROM" WHERE "WHERE" = 'INTO'
SELECT value FROM "INTO"
SELECT value FROM "SELECT a INTO b FROM c"
SELECT value FROM cpu WHERE a = 'x INTO y'
SELECT value FROM cpu WHERE a = '; DROP DATABASE x; --'
SELECT value FROM cpu WHERE a = 'it\'s; DROP DATABASE x'
SELECT value FROM cpu WHERE a = 'back\\'
SELECT value FROM cpu WHERE a = "b\"; DROP DATABASE x"
SELECT value FROM cpu WHERE a = '"' AND b = "'"
SELECT value FROM cpu WHERE a = '/*' AND b = '*/'
SELECT value FROM cpu WHERE a = '--' AND b = 1
SELECT value FROM cpu -- INTO x
SELECT value FROM cpu -- ; DROP DATABASE x
SELECT value FROM cpu /* ; DROP DATABASE x; */
SELECT value /* INTO x */ FROM cpu
SELECT value/**/FROM cpu
SELECT value --
SELECT value FROM cpu /* a ** b * / */ WHERE a = 1
SELECT value FROM cpu WHERE/* x */a = 1
SELECT value FROM cpu WHERE (/* ; */ a = /* ; */ 1) AND b IN
SELECT value FROM cpu WHERE (/* ; */ a = /* ; */ 1)
SHOW TAG VALUES WITH KEY IN (/* ; */ a, /* ; */ b)
SELECT value FROM cpu ORDER BY /* ; */ time
SELECT value FROM cpu GROUP BY a, /;/ LIMIT /* ; */ 1
SELECT value, -- why
SELECT a FROM (SELECT b FROM c)
SELECT a FROM (SELECT b INTO x FROM c)
SELECT a FROM (SELECT b FROM (SELECT c FROM (SELECT d FROM e.f.g)))
SELECT a FROM (SELECT b FROM x.y.z), (SELECT c FROM d), e.f.g
SELECT a FROM (SELECT b INTO x.y.z FROM c.d.e), (SELECT c INTO u FROM d)
SELECT a FROM (SELECT b FROM /x;(/ WHERE c =~ /)/), d
SELECT a FROM (SELECT mean(b) FROM c WHERE time > now() - 1h GROUP BY time(1m) fill(0) LIMIT 5)
SELECT max(a) FROM (SELECT sum(b) AS a FROM (SELECT c AS b FROM d.e.f, g.h./i/) GROUP BY host)
SELECT a FROM ( SELECT b FROM c ) WHERE (((d = 1)))
SELECT a FROM ((SELECT b FROM c))
SELECT count(distinct(a)), distinct b FROM c
SELECT DISTINCT a FROM b
SELECT a FROM b LIMIT 1 OFFSET 2 SLIMIT 3 SOFFSET 4
SELECT a FROM b ORDER BY time ASC LIMIT 5
SELECT a FROM b ORDER BY ASC
SELECT a FROM b tz('Europe/Vienna')
SELECT a FROM b fill(previous) tz('UTC')
SELECT mean(a) FROM b WHERE time = '2020-01-01' OR c = true AND d = FALSE
SELECT a FROM b WHERE time > 1577836800000000000 AND time < 1577836800s
SELECT a FROM b WHERE c = $p AND d =~ $r
SELECT a FROM $m
SELECT a FROM $d.$p.$m
SELECT a FROM $d..m, $"d"..n
SELECT $x FROM m
SELECT a FROM b WHERE c > 5. AND d < .5 AND e = 1.5 AND f = 1e5
SELECT a FROM b WHERE c <> 1 AND d != 2 AND e >= 3 AND f <= 4
SELECT a FROM b WHERE c = 'x\ny'
SELECT count(value) FROM "a"."b"./.*/ GROUP BY *
SELECT a FROM x"y"
SELECT a FROM x"y".z.w
SELECT"a"FROM b
SELECT sum("value")-sum("other")FROM"db"."rp"."cpu"WHERE"host"='a'
SELECT derivative(mean(value), 1s) FROM cpu GROUP BY time(1m)
SELECT holt_winters(mean(a), 10, 4) FROM b GROUP BY time(1h)
SELECT value FROM cpu;
;SELECT value FROM cpu
;;;SELECT value FROM cpu;;;
SELECT a FROM b;SELECT c FROM d.e.f
SELECT a FROM b; SHOW DATABASES; SELECT c FROM d
EXPLAIN SELECT a FROM b
EXPLAIN ANALYZE SELECT a FROM b.c.d
EXPLAIN SELECT a INTO b FROM c
EXPLAIN ANALYZE SELECT a INTO x.y.z FROM c
EXPLAIN /* SELECT */ ANALYZE -- x
explain select a into b from c; explain select d from e
SHOW DATABASES
show databases;
SHOW CONTINUOUS QUERIES
SHOW DIAGNOSTICS
SHOW DIAGNOSTICS FOR 'build'
SHOW STATS
SHOW STATS FOR 'runtime'
SHOW FIELD KEYS
SHOW FIELD KEYS ON db2
SHOW FIELD KEYS ON "a b" FROM cpu
SHOW FIELD KEYS FROM a.b.cpu, /x;y/ ORDER BY ASC LIMIT 1
SHOW FIELD KEY CARDINALITY
SHOW FIELD KEY EXACT CARDINALITY ON db2 FROM x.y.z WHERE a = 1 GROUP BY b LIMIT 1 OFFSET 2
SHOW GRANTS FOR someone
SHOW GRANTS FOR "DROP USER"
SHOW MEASUREMENTS
SHOW MEASUREMENTS ON db2
SHOW MEASUREMENTS WITH MEASUREMENT = cpu
SHOW MEASUREMENTS WITH MEASUREMENT =~ /c;p/
SHOW MEASUREMENTS ON db2 WITH MEASUREMENT =~ /c/ WHERE host = 'a' ORDER BY ASC LIMIT 100 OFFSET 1
SHOW MEASUREMENTS WITH MEASUREMENT = a.b.c
SHOW MEASUREMENTS WITH MEASUREMENT =~ a.b./x;/
SHOW MEASUREMENTS WITH MEASUREMENT = /x/
SHOW MEASUREMENT CARDINALITY
SHOW MEASUREMENT EXACT CARDINALITY ON db2 FROM /x/
SHOW QUERIES
SHOW RETENTION POLICIES
SHOW RETENTION POLICIES ON db2
SHOW SERIES
SHOW SERIES ON db2 FROM a.b.c, d WHERE e = 'f' LIMIT 1
SHOW SERIES FROM cpu WHERE host =~ /a/
SHOW SERIES CARDINALITY
SHOW SERIES EXACT CARDINALITY ON db2
SHOW SHARD GROUPS
SHOW SHARDS
SHOW SUBSCRIPTIONS
SHOW TAG KEYS
SHOW TAG KEYS ON db2 FROM cpu WHERE a = 'b' LIMIT 1 SLIMIT 2
SHOW TAG KEY CARDINALITY ON db2
SHOW TAG KEY EXACT CARDINALITY FROM a.b.c
SHOW TAG VALUES WITH KEY = host
SHOW TAG VALUES ON db2 FROM a.b.cpu WITH KEY IN (host, "ON", region) WHERE x = 1
SHOW TAG VALUES FROM cpu WITH KEY =~ /h;o/ LIMIT 5
SHOW TAG VALUES WITH KEY !~ /x/
SHOW TAG VALUES WITH KEY != "FROM"
SHOW TAG VALUES CARDINALITY WITH KEY = host
SHOW TAG VALUES EXACT CARDINALITY ON db2 WITH KEY = host
SHOW USERS
SHOW -- DROP
SHOW /* x */ TAG /* y */ KEYS /* z */ ON /* w */ db2
`

const CHANGES = String.raw`
SELECT a INTO b FROM c
select a into b from c
/* x */ select a /* y */ into b from c -- z
SELECT a INTO x.y.z FROM c
SELECT a INTO x..z FROM c
SELECT a INTO y.z FROM c
SELECT a INTO "x"."y".:MEASUREMENT FROM /.*/
SELECT a INTO x..:measurement FROM c.d./e;/
SELECT a INTO y.:MEASUREMENT FROM c
SELECT a INTO $d.$p.$m FROM $d.$p.$m
SELECT * INTO copy FROM original GROUP BY *
SELECT mean(a) INTO b FROM c WHERE time > now() - 1h GROUP BY time(1m)
SELECT mean(a) INTO b FROM c GROUP BY time(1m), host fill(0) tz('Europe/Vienna')
SELECT mean(a) INTO b FROM c WHERE time > now() - 1h AND time < now() GROUP BY time(1m, now())
SELECT mean(a) INTO b FROM (SELECT a FROM c WHERE time > NOW() - 1d) WHERE now( ) > time GROUP BY time(1m)
SELECT a INTO b FROM (SELECT mean(c) AS a FROM d GROUP BY time(1h)) fill(1)
SELECT a INTO b FROM (SELECT mean(c) AS a FROM d WHERE e = 1 OR f = 2 GROUP BY time(1h)), g
SELECT max(a) INTO b FROM (SELECT sum(c) AS a FROM (SELECT c FROM d) GROUP BY time(1h)) WHERE x = 'y' OR z =~ /w/ GROUP BY time(1d) LIMIT 5
SELECT a INTO b FROM c WHERE "time" <= '2020-01-01T00:00:00Z'
SELECT a INTO b FROM c WHERE time = 5
SELECT a INTO b FROM c WHERE 5 >= time
SELECT a INTO b FROM c WHERE 5 < time
SELECT a INTO b FROM c WHERE time > 5 -- AND time < 7
SELECT a INTO b FROM c WHERE d = 'now()' AND e = "now()"
SELECT a INTO b FROM c WHERE d = 'time < 5'
SELECT a INTO b FROM c WHERE (time >= 1 AND (time < now() + 1h OR d = 1)) OR e = 2 ORDER BY time DESC LIMIT 1
SELECT a INTO b FROM c WHERE time > now()-1h-30m AND time <= 1h+now()
SELECT a INTO b FROM c WHERE TIME < now() GROUP BY host
SELECT a INTO b FROM c; SELECT d INTO e FROM f
SELECT a INTO b FROM c WHERE x = 1 OR y = 2
SELECT a INTO b FROM c WHERE (x = 1 OR y = 2) AND z = 3
SELECT a INTO b FROM c LIMIT 5
SELECT a INTO b FROM c.d.e, /f/ ORDER BY time
SELECT a, INTO b FROM c
ALTER RETENTION POLICY p ON db2 DURATION 1h
ALTER RETENTION POLICY "p" ON db2 REPLICATION 1 SHARD DURATION 1h DEFAULT
ALTER RETENTION POLICY default ON db2 DEFAULT
CREATE CONTINUOUS QUERY q ON db2 BEGIN SELECT mean(a) INTO b FROM c GROUP BY time(1h) END
CREATE CONTINUOUS QUERY q ON db2 RESAMPLE EVERY 1m FOR 2m BEGIN SELECT mean(a) INTO x.y.z FROM c.d./e;f/ WHERE g =~ /h;/ GROUP BY time(1m), * END
CREATE CONTINUOUS QUERY q ON db2 BEGIN SELECT a INTO x.y.:MEASUREMENT FROM c.d./.*/ END; SHOW DATABASES
CREATE CONTINUOUS QUERY "q q" ON "d d" BEGIN SELECT mean(a) INTO b FROM (SELECT a FROM c) WHERE time > now() - 1h GROUP BY time(1h) END
CREATE DATABASE db2
create database db2;
CREATE DATABASE "db 2"
CREATE DATABASE db2 WITH DURATION 1d REPLICATION 1 SHARD DURATION 1h NAME p
CREATE DATABASE db2 WITH NAME "ON"
CREATE RETENTION POLICY p ON db2 DURATION 1h REPLICATION 1
CREATE RETENTION POLICY p ON "db2" DURATION INF REPLICATION 1 SHARD DURATION 30m DEFAULT
CREATE SUBSCRIPTION s ON db2.p DESTINATIONS ALL 'udp://a:1', 'http://b:2'
CREATE SUBSCRIPTION s ON db2.p DESTINATIONS ALL /* ; */ 'udp://a:1', /* ; */ 'http://b:2'
REVOKE ALL FROM /* ; */ u
SET PASSWORD FOR u = /* ; */ 'p'
CREATE SUBSCRIPTION "s" ON "db2"."p" DESTINATIONS ANY 'udp://a;b:1'
CREATE USER u WITH PASSWORD 'p;q'
CREATE USER "u" WITH PASSWORD 'p''
CREATE USER u WITH PASSWORD 'p' WITH ALL PRIVILEGES
CREATE USER u WITH PASSWORD $x
DELETE FROM cpu
DELETE FROM /cpu;/
DELETE FROM cpu, mem
DELETE FROM cpu WHERE host = 'a'
DELETE WHERE host = 'a'
DELETE WHERE host = 'a' OR host = 'b'
DELETE FROM cpu WHERE time < now() - 1h
DELETE FROM cpu WHERE time > now() - 1h
DELETE FROM cpu WHERE time > '2020-01-01' AND host =~ /a;b/
DELETE FROM cpu WHERE time = '2020-01-01T00:00:00Z'
DELETE WHERE "time" < 5
DELETE FROM cpu WHERE now() >= time OR host = 'x'
DELETE FROM cpu WHERE (time > 5) AND (host = 'x')
DELETE FROM cpu; DELETE FROM mem WHERE time < 5
DELETE FROM cpu -- WHERE time < 5
DROP CONTINUOUS QUERY q ON db2
DROP CONTINUOUS QUERY "q" ON "d;2"
DROP DATABASE db2
drop /**/ database /**/ db2 /**/
DROP DATABASE "db2"; DROP DATABASE "db3"
DROP MEASUREMENT cpu
DROP MEASUREMENT "a.b.c"
DROP RETENTION POLICY p ON db2
DROP SERIES FROM cpu
DROP SERIES FROM cpu WHERE host = 'a'
DROP SERIES WHERE host =~ /;/
DROP SHARD 5
DROP SUBSCRIPTION s ON db2.p
DROP USER u
GRANT READ ON db2 TO u
GRANT WRITE ON "db2" TO "u"
GRANT ALL PRIVILEGES ON db2 TO u
GRANT ALL ON db2 TO u
GRANT ALL PRIVILEGES TO u
GRANT ALL TO u
KILL QUERY 5
KILL QUERY 5 ON "output"
REVOKE READ ON db2 FROM u
REVOKE ALL PRIVILEGES ON db2 FROM u
REVOKE ALL PRIVILEGES FROM u
REVOKE ALL FROM u
SET PASSWORD FOR u = 'p'
SET PASSWORD FOR "u u" = 'p;\''
SHOW DATABASES; DROP DATABASE db2
SELECT a FROM b; SELECT c INTO d FROM e; SELECT f FROM g
SELECT a FROM b WHERE c =~ /x/; DROP DATABASE db2; SELECT d FROM e WHERE f =~ /y/
SELECT a./b FROM c; DROP DATABASE db2; SELECT d./e FROM f
SELECT a/b FROM c; DROP DATABASE db2; SELECT d/e FROM f
SELECT a FROM b WHERE c = 'x'; DROP DATABASE db2 -- '
SELECT "a/b" FROM c; DROP DATABASE db2; SELECT "d/e" FROM f
SELECT a FROM b /* */; DROP DATABASE db2 /* */
SELECT a /* ' */ FROM b; DROP DATABASE db2; SELECT 'c' FROM d
SELECT a FROM b -- /*
SELECT a FROM b WHERE c = 'x\\'; DROP DATABASE db2 -- ';
SELECT a FROM b WHERE c = d./e; DROP DATABASE db2; SELECT f FROM g WHERE h = i./j
SELECT a FROM b WHERE c > 1/2; DELETE FROM d WHERE e =~ /f/
`

/** With line ends, and with characters that Bun escapes in String.raw. */
const OTHERS = [
  'SELECT a FROM b WHERE c > 10m5s AND d < 5µ AND e = 3u',
  'SELECT a FROM "ü"."é"."日本"',
  `SELECT "ü", 'é' FROM b WHERE c = '日本;'`,
  'SELECT a\nFROM b',
  'SELECT a\r\nFROM b\r\n',
  'SELECT a\rFROM b',
  'SELECT a FROM b -- INTO\nWHERE c = 1',
  'SELECT a FROM b -- x\rWHERE c = 1',
  'SELECT a FROM b -- x\r; DROP DATABASE y',
  'SELECT a FROM b -- x\n; DROP DATABASE y',
  'SELECT a FROM b -- x\\\n; DROP DATABASE y',
  'SELECT a FROM b /* x\n */ ; DROP DATABASE y',
  'SELECT a,\n-- c\nd FROM b',
  'SELECT a, -- c\n /* d */ e FROM b',
  'SELECT\n/x/\nFROM\n/y;/',
  'SELECT a FROM -- x\n b',
  'SELECT a FROM -- x\n /y/',
  'SELECT a -- x\nINTO b\nFROM c',
  'DROP -- x\nDATABASE -- y\nd',
  "SELECT a FROM b WHERE c = 'x\ny'",
  'SELECT a FROM "x\ny"',
  'SELECT a FROM b WHERE c =~ /x\ny/',
  "SELECT a FROM b WHERE c = 'x",
  'SELECT a FROM "b',
  'SELECT a FROM b WHERE c =~ /x',
  'SELECT a FROM b /* x',
  'SELECT a FROM b; /*',
  'SELECT a FROM b --',
  "SELECT a FROM b WHERE c = '\\x'; DROP DATABASE d",
  'SELECT a FROM b\u0000; DROP DATABASE d',
  'SELECT a FROM b \u0000; DROP DATABASE d',
  '-- x\u0000DROP DATABASE d',
  'DR\u0000OP DATABASE d',
  'SELECT a FROM b WHERE c = \ufffd',
  "SELECT a FROM b WHERE c = '\ufffd'",
  'SELECT a FROM b\u00a0; DROP DATABASE d',
  'SELECT a FROM b\u000b',
  '\ufeffSELECT a FROM b',
  'DROP DATABASE d\u3000',
  'SELECT ä FROM b',
  'SELECT a FROM b WHERE c > 5μ',
  '',
  ' ',
  ';',
  ' ; ; ',
  '--',
  '/**/',
  'SELECT',
  'SELECT a',
  'SELECT a INTO',
  'FOO',
  'INSERT cpu value=1',
  'USE db',
  'SELECT a FROM b SELECT c FROM d',
  'SELECT a FROM b DROP DATABASE d',
  'SHOW DROP DATABASE d',
  'SHOW FOO',
  'EXPLAIN DROP DATABASE d',
  'EXPLAIN ANALYZE DELETE FROM x',
  'BEGIN SELECT a FROM b END',
  'WITH x AS (SELECT a FROM b) SELECT a FROM x',
  'SELECT a FROM b; FOO',
  'SELECT a FROM (SELECT b FROM c; DROP DATABASE d)',
  'SELECT a FROM (SELECT b FROM c',
  'SELECT a FROM b) ; DROP DATABASE d',
  'SELECT /* c */ a FROM b',
  'SELECT a FROM /* c */ b',
  'SELECT a FROM b.c.d.e',
  'SELECT a FROM b.c.d./e/',
  'SELECT a FROM b,/c;/',
  'SELECT a FROM b;/* c */DROP DATABASE d',
  'SHOW MEASUREMENTS ON *',
  'SHOW MEASUREMENTS ON *.*',
  'SHOW MEASUREMENTS ON a.b',
  'CREATE DATABASE ""',
  'SELECT a FROM "".b.c',
  'SELECT a INTO ""..b FROM c',
]

const NAMES = [
  ...[
    'a',
    '_a1',
    '"a b"',
    '"a;b"',
    '"a.b"',
    '"a\\"b"',
    '"a\\\\"',
    '"a\'b"',
    '"/a/"',
    '"--"',
    '"/*"',
  ],
  ...[
    '"INTO"',
    '"DROP DATABASE x"',
    '"a\\nb"',
    '"ü"',
    'a"b"',
    '$d',
    '$"d"',
    '"$d"',
    'DATABASE',
    '5a',
    'é',
  ],
]

/** Every name where a name of a database can stand. */
const NAMED = NAMES.flatMap((name) => [
  `SELECT x FROM ${name}.p.m`,
  `SELECT x FROM ${name}..m WHERE y =~ /z;/`,
  `SELECT x INTO ${name}.p.m FROM n`,
  `SHOW SERIES ON ${name}`,
  `DROP DATABASE ${name}`,
  `DROP RETENTION POLICY p ON ${name}`,
  `SELECT x FROM m; GRANT ALL ON ${name} TO u`,
])

const lines = (text: string) => text.split('\n').filter((line) => line !== '')

export const INFLUXQL_STATEMENTS: readonly string[] = [
  ...lines(READS),
  ...lines(CHANGES),
  ...OTHERS,
  ...NAMED,
]

/** Values of the parameters in the statements, as a request's `params` has them. */
export const INFLUXQL_PARAMETERS = {
  d: { identifier: 'bound' },
  p: { ident: 'policy' },
  m: { identifier: 'measurement' },
  x: 'text',
  r: { regex: 'a;b' },
} as const
